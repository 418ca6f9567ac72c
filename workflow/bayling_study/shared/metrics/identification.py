"""Off-target rate: how many answers are in another language than the one asked for.

Two identifiers that ship their models vote on every answer: py3langid (a naive Bayes model over
byte n-grams, Lui & Baldwin 2012) and pycld2 (CLD2, Sites 2013). A vote counts when the identifier
knows the target language and is sure: py3langid from a probability of ``SURE``, pycld2 where it
says that it is reliable. An answer is off-target when one votes against the target, none for it.
Identifiers err, most on short texts: the note gives the same rate of the right references.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayling_study.core.tables import beside
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options, rate

SURE = 0.5  # least probability at which py3langid's answer counts as a vote (its own scale, 0 to 1)
SHORT = 20  # letters below which an answer is too short for a safe vote; UI strings often are
_CODES = beside(__file__)
ALIKE = tuple(map(frozenset, _CODES["alike"]))
"""Codes that count as one language: texts of one are regularly taken for the other's."""
LABELS: dict[str, dict[str, str]] = _CODES["labels"]
"""This project's codes to an identifier's, where they differ."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
BREAKS = "|breaks:space"
"""Stands in the signature where an answer has line breaks, tabs or other control characters."""

Votes = NDArray[np.uint32]
"""One row a text: for each identifier whether it votes for and whether against (four columns)."""


def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns the off-target rate and the identifiers' agreement, in per cent; nothing of a
    language that neither knows."""
    language = answers.target_language()
    knowing = identifiers(language)
    if not options.off_target or not knowing:
        return []
    texts = answers.last_turns()
    found = _cached(texts, language, options)
    off = is_off(found)
    expected = is_off(_cached(answers.last_references(), language, options))
    note = f"{off.sum()} of {len(off)} answers; of the references {100 * expected.mean():.1f} %"
    if short := sum(letters(text) < SHORT for text in texts):
        note += f"; approximate, {short} answers have fewer than {SHORT} letters"
    text = signature(knowing) + (BREAKS if any(map(CONTROL.search, texts)) else "")
    results = [rate("off-target", text, off, note=note)]
    if len(knowing) == 2:
        agree, both = agreement(found)
        note = f"{agree.sum()} of the {both.sum()} answers on which both vote"
        results.append(rate("off-target-agreement", text, agree, both, note))
    return results


def signature(knowing: Sequence[str]) -> str:
    """Returns what decides the rate, for score files."""
    versions = "|".join(f"{name}:{metadata.version(name)}" for name in knowing)
    return f"off-target|{versions}|sure:{SURE}|vote:against-and-none-for|version:1"


def is_off(found: Votes) -> NDArray[np.bool_]:
    """Tells which texts have a vote against the language and none for it."""
    return np.asarray(found[:, [1, 3]].any(axis=1) & ~found[:, [0, 2]].any(axis=1))


def agreement(found: Votes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns on which texts both identifiers vote alike, and on which both vote."""
    both = (found[:, :2].sum(axis=1) > 0) & (found[:, 2:].sum(axis=1) > 0)
    return both & (found[:, 0] == found[:, 2]), both


def letters(text: str) -> int:
    """Returns the number of letters; a Chinese character says as much as three of an alphabet."""
    return sum(3 if unicodedata.category(s) == "Lo" else 1 for s in filter(str.isalpha, text))


def label(identifier: str, language: str) -> str | None:
    """Returns an identifier's code of a language, or none where it does not know it."""
    code = LABELS[identifier].get(language, language)
    return code if code in _known(identifier) else None


def identifiers(language: str) -> list[str]:
    """Returns the identifiers that know a language."""
    return [name for name in ("py3langid", "pycld2") if label(name, language)]


def _cached(texts: Sequence[str], language: str, options: Options) -> Votes:
    key = f"{signature(('py3langid', 'pycld2'))}{BREAKS}|{language}"
    return options.cache.get(key, texts, [], lambda: votes(texts, language))


def votes(texts: Sequence[str], language: str) -> Votes:
    """Returns each text's votes for and against a language."""
    rows = np.zeros((len(texts), 4), dtype=np.uint32)
    for row, text in enumerate(texts):
        spaced = CONTROL.sub(" ", text)
        clean = "".join(s for s in spaced if unicodedata.category(s) not in ("Cs", "Cn"))
        if not any(sign.isalpha() for sign in clean):
            continue
        for column, name in ((0, "py3langid"), (2, "pycld2")):
            wanted = label(name, language)
            found = _identify(name, clean) if wanted else None
            if found and wanted:
                same = found == wanted or any(found in group and wanted in group for group in ALIKE)
                rows[row, column if same else column + 1] = 1
    return rows


def _identify(name: str, text: str) -> str | None:
    """Returns the code of a text's language, or none where the identifier is not sure."""
    if name == "py3langid":
        code, probability = _langid().classify(text)
        return str(code) if probability >= SURE else None
    import pycld2

    reliable, _, details = pycld2.detect(text)
    return str(details[0][1]) if reliable and details[0][1] != "un" else None


@cache
def _langid() -> Any:
    from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)


@cache
def _known(identifier: str) -> frozenset[str]:
    if identifier == "py3langid":
        return frozenset(_langid().nb_classes)
    import pycld2

    detected = set(pycld2.DETECTED_LANGUAGES)
    return frozenset(code for name, code in pycld2.LANGUAGES if name in detected)
