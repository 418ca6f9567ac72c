"""The translations of ``tuning.alignment``: drawn and encoded before training starts. The pairs of
a step depend on the seed and the step alone, so a resumed run needs no state."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import transformers

from bayling_study.config.alignment import Alignment
from bayling_study.core import parquet
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_file
from bayling_study.core.seeds import generator
from bayling_study.shared.corpus_tables import PARALLEL_FILE
from bayling_study.shared.models import PooledText, pooled_tokens
from bayling_study.shared.romanisation import has_other_script, romanised

FILE = "pairs.npz"
KEY = "tuning.alignment"
KEPT = 50_000
"""Pairs that are encoded at most, drawn evenly from all that fit: more than runs here use."""


def prepare(
    folder: Path, corpora: Path, foundation: Path, languages: list[str], settings: Alignment,
    seed: int,
) -> dict[str, int]:  # fmt: skip
    """Writes the pairs that the workers read; returns how many were taken and left out, and why
    (``StudyError`` if there are fewer different sentences than a step has pairs)."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(foundation)
    counts: Counter[str] = Counter(taken=0)
    tokens: list[PooledText] = []
    sentences: dict[str, int] = {}
    groups = []
    for a, b in _drawn(corpora, settings.pairs, set(languages), counts, seed):
        pair = pooled_tokens(tokenizer, a), pooled_tokens(tokenizer, b)
        if max(len(ids) for ids, _ in pair) > settings.pair_tokens:
            counts["too_long"] += 1
        elif not all(pooled.any() for _, pooled in pair):
            counts["nothing_to_pool"] += 1
        else:
            tokens += pair
            groups.append(sentences.setdefault(a, len(sentences)))
    counts["taken"] = len(groups)
    if len(sentences) < settings.pairs_per_step:
        found = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        named = ", ".join(languages) or "(none)"
        what = f"{len(sentences)} sentences with a {settings.pairs} for {settings.pairs_per_step} "
        what += f"pairs a step, in the languages {named} of the mixture ({found})"
        fix = "fewer pairs, longer pair_tokens, or corpora in the mixture's languages"
        raise StudyError(what, where=f"{KEY}.pairs_per_step", fix=fix)
    arrays = {
        "offsets": np.cumsum([0, *(len(ids) for ids, _ in tokens)]),
        "tokens": np.concatenate([ids for ids, _ in tokens]),
        "pooled": np.concatenate([pooled for _, pooled in tokens]),
        "groups": np.asarray(groups),
    }
    with atomic_file(folder / FILE, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    return dict(counts)


def _drawn(
    corpora: Path, kind: str, languages: set[str], counts: Counter[str], seed: int
) -> Iterable[tuple[str, str]]:
    """Draws training pairs of the languages, evenly; a translation of two sentences counts once:
    as another's wrong answer it would be right."""
    chance = generator(seed, "tuning", KEY, "drawn")
    kept: list[dict[str, str]] = []
    seen: set[str] = set()
    columns = ["lang_a", "lang_b", "text_a", "text_b", "split"]
    for row in parquet.rows(corpora / PARALLEL_FILE, columns):
        if row["split"] != "train" or not {row["lang_a"], row["lang_b"]} <= languages:
            continue
        if kind == "transliteration" and not has_other_script(row["lang_b"]):
            continue
        if row["text_b"] in seen or row["text_a"] == row["text_b"]:
            counts["repeated"] += 1
            continue
        seen.add(row["text_b"])
        if len(kept) < KEPT:
            kept.append(row)
            continue
        counts["not_drawn"] += 1
        place = chance.randrange(len(seen))
        if place < KEPT:
            kept[place] = row
    if kind == "translation":
        return [(row["text_a"], row["text_b"]) for row in kept]
    return ((row["text_b"], romanised(row["text_b"], row["lang_b"])) for row in kept)


class Pairs:
    """What ``prepare`` wrote, by step."""

    def __init__(self, folder: Path, settings: Alignment, seed: int) -> None:
        with np.load(folder / FILE) as arrays:
            self.offsets, self.tokens = arrays["offsets"], arrays["tokens"]
            self.pooled, self.groups = arrays["pooled"], arrays["groups"]
        self.count, self.seed = settings.pairs_per_step, seed
        order = np.argsort(self.groups, kind="stable")
        self.members = np.split(order, np.flatnonzero(np.diff(self.groups[order])) + 1)

    def texts(self, step: int) -> list[PooledText]:
        """Returns a step's texts: first all in the pivot language, then their translations. Each
        sentence stands once, with one of its translations."""
        chance = generator(self.seed, "tuning", KEY, str(step))
        chosen = [chance.choice(group) for group in chance.sample(self.members, self.count)]
        return [self._text(2 * pair + side) for side in (0, 1) for pair in chosen]

    def _text(self, number: int) -> PooledText:
        part = slice(self.offsets[number], self.offsets[number + 1])
        return self.tokens[part], self.pooled[part]

    def length(self, step: int) -> int:
        """Returns the tokens of a step's texts."""
        return sum(len(ids) for ids, _ in self.texts(step))
