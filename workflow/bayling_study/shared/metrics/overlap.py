"""BLEU, chrF2 and chrF++ with sacreBLEU's own segment counts.

sacreBLEU tokenises and counts n-grams; the counts of all segments are kept, so that corpus scores,
segment scores and resampled scores come from one pass, which chrF2 and chrF++ share. The
combination of sums follows sacreBLEU 2.6 (``metrics/bleu.py``, ``metrics/chrf.py``); tests hold it
to sacreBLEU's own results. An empty hypothesis is scored as empty and counted in the note.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import sacrebleu
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU, CHRF

from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics.measurement import Answers, Array, Measurement, Options, quotient

ORDER = 4  # longest n-gram of BLEU
CHARACTER_ORDER = 6
BETA = 2  # chrF's weight of recall (chrF2: 2)

Texts = list[str]


def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns BLEU for each tokenizer of the target language, chrF2 and chrF++ (``StudyError`` if
    that language is unknown or a prompt has no reference)."""
    tokenizers = tokenizers_of(answers, options)
    return score(answers.last_turns(), answers.last_references(), tokenizers, options)


def tokenizers_of(answers: Answers, options: Options) -> list[str]:
    """Returns sacreBLEU's tokenizers for an item's language (``StudyError`` if that is unknown)."""
    language = answers.target_language()
    if language in options.tokenizers:
        return options.tokenizers[language]
    try:
        return [languages.bleu_tokenizer(language)]
    except StudyError as error:
        raise StudyError(error.what, where=answers.where(0), fix=error.fix) from error


def score(
    hypotheses: Texts, references: Texts, tokenizers: list[str], options: Options, suffix: str = ""
) -> list[Measurement]:
    """Scores aligned texts, a line break counting as a space; ``suffix`` ends metrics' names."""
    lines = [text.replace("\n", " ") for text in hypotheses]
    expected = [text.replace("\n", " ") for text in references]
    note = empty_note(lines)
    results = []
    for position, tokenizer in enumerate(tokenizers):
        name = "bleu" if position == 0 else f"bleu-{tokenizer}"
        results.append(bleu(f"{name}{suffix}", lines, expected, tokenizer, options, note))
    return [*results, *_chrf(suffix, lines, expected, options, note)]


def empty_note(hypotheses: Texts) -> str:
    """Returns a remark on the number of empty hypotheses, or nothing."""
    empty = sum(not text.strip() for text in hypotheses)
    return f"{empty} empty hypotheses, scored as empty" if empty else ""


def bleu(
    metric: str, lines: Texts, expected: Texts, tokenizer: str, options: Options, note: str
) -> Measurement:
    """Returns BLEU of aligned one-line texts under a metric's name, with sacreBLEU's tokenizer."""
    signature = bleu_signature(tokenizer)
    made = partial(BLEU, tokenize=tokenizer)
    counts = _counts(f"bleu|{signature}", made, lines, expected, options)
    segments = combine_bleu(counts, effective_order=True)
    return Measurement(metric, signature, counts, combine_bleu, segments, note)


def _chrf(
    suffix: str, lines: Texts, expected: Texts, options: Options, note: str
) -> Iterator[Measurement]:
    made = partial(CHRF, word_order=2)
    counts = _counts(f"chrf|{chrf_signature(2)}", made, lines, expected, options)
    for name, words in (("chrf2", 0), ("chrf++", 2)):
        part = counts[:, : 3 * (CHARACTER_ORDER + words)]
        made_by, values = chrf_signature(words), combine_chrf(part)
        yield Measurement(f"{name}{suffix}", made_by, part, combine_chrf, values, note)


@cache
def bleu_signature(tokenizer: str) -> str:
    """Returns sacreBLEU's signature for BLEU with one reference (``StudyError`` if the tokenizer's
    model, of flores101, flores200 or spm, cannot be had)."""
    try:
        name = BLEU(tokenize=tokenizer).tokenizer.signature()
    except (ImportError, OSError) as error:
        raise StudyError(f"sacreBLEU's tokenizer {tokenizer!r} cannot be used: {error}") from error
    return f"nrefs:1|case:mixed|eff:no|tok:{name}|smooth:exp|version:{sacrebleu.__version__}"


def chrf_signature(word_order: int) -> str:
    """Returns sacreBLEU's signature for chrF with one reference."""
    orders = f"nc:{CHARACTER_ORDER}|nw:{word_order}"
    return f"nrefs:1|case:mixed|eff:yes|{orders}|space:no|version:{sacrebleu.__version__}"


def _counts(
    key: str, metric: Callable[[], BLEU | CHRF], lines: Texts, expected: Texts, options: Options
) -> Array:
    """Returns sacreBLEU's sufficient statistics, the ones its own paired tests use, or cached."""

    def computed() -> NDArray[np.uint32]:
        rows = metric()._extract_corpus_statistics(lines, [expected])
        return np.asarray(rows, dtype=np.uint32)

    return options.cache.get(key, lines, expected, computed).astype(np.float64)


def combine_bleu(sums: Array, effective_order: bool = False) -> Array:
    """Turns sums of (lengths of hypothesis and reference, matches, n-grams) into BLEU. Exponential
    smoothing: the k-th order without a match counts as 1/2^k matches. Orders that the hypothesis is
    too short for make it 0, or are left out for ``effective_order`` (segment level)."""
    length, expected = sums[..., 0], sums[..., 1]
    matches, ngrams = sums[..., 2 : 2 + ORDER], sums[..., 2 + ORDER :]
    possible = ngrams > 0
    missing = (matches == 0) & possible
    smoothed = np.where(missing, 0.5 ** np.cumsum(missing, axis=-1), matches)
    precision = quotient(smoothed, ngrams, 100.0)
    logarithm = np.log(precision, out=np.zeros_like(precision), where=precision > 0)
    orders = np.maximum(possible.sum(axis=-1), 1) if effective_order else ORDER
    usable = possible.any(axis=-1) if effective_order else possible.all(axis=-1)
    penalty = np.exp(np.minimum(0.0, 1 - quotient(expected, length)))
    value = penalty * np.exp(logarithm.sum(axis=-1) / orders)
    return np.where(usable & (matches > 0).any(axis=-1), value, 0.0)


def combine_chrf(sums: Array) -> Array:
    """Turns sums of (n-grams of hypothesis, of reference, common ones) an order into chrF:
    precision and recall are averaged over the orders that both sides have."""
    hypothesis, reference, common = (sums[..., column::3] for column in range(3))
    both = (hypothesis > 0) & (reference > 0)
    orders = both.sum(axis=-1)
    precision = quotient(np.where(both, quotient(common, hypothesis), 0.0).sum(axis=-1), orders)
    recall = quotient(np.where(both, quotient(common, reference), 0.0).sum(axis=-1), orders)
    weight = BETA**2
    return quotient((1 + weight) * precision * recall, weight * precision + recall, 100.0)
