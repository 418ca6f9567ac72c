"""Speed and memory of the synthesis of a mixture of BayLing 2's shape.

    python tests/bench/synthesis_speed.py TOKENIZER [--conversations 300000 3200000] [--workers 2]

writes upstream tables of real length for the largest mixture (English conversations
of Alpaca's and ShareGPT's lengths, Chinese ones of BELLE's, 100 languages aligned to
English), then makes each mixture with the stage's own code and prints conversations a
second by the wall clock and by processor time, and the peak memory of all processes
together. The naive way, for the ratio: one process, one conversation at a time, the
tokenizer called for each message, n-grams as Python strings in a set.

Text is made of real English sentences (the Python manual, which every interpreter
ships) and of random words in the script of each language; only its form matters.
TOKENIZER is a checkpoint folder. ``--corpora`` keeps the tables for another run.

    git worktree add /tmp/before COMMIT
    python tests/bench/synthesis_speed.py TOKENIZER --than /tmp/before \
        --conversations 210000 --languages 7

makes the same mixture with both checkouts' code in turn and prints the medians' ratios.
Fewer languages in proportion leave a block of work as large as at full size; above 200,000
conversations tokens are counted of a sample, as there.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from pydoc_data import topics
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from watch import Watch

from bayling_study.config.synthesis import Mixture
from bayling_study.core import languages
from bayling_study.core.languages.flores import flores_languages
from bayling_study.core.text.forms import normalise
from bayling_study.core.text.scripts import script_name, script_names
from bayling_study.core.text.words import sentences, words
from bayling_study.shared import templates
from bayling_study.shared.corpus_tables import CONVERSATION_SCHEMA, PARALLEL_SCHEMA, TERM_SCHEMA
from bayling_study.stages.synthesis.mixture import MixtureTask, load_tokenizer, make

ROOT = Path(__file__).parents[2]
SHARES = {"zh": 0.432, "en": 0.262, "cross": 0.306}
"""BayLing 2's instructions (arXiv 2411.16300): Chinese, English, cross-lingual."""
FORMS = {"translation": 0.75, "interactive": 0.15, "constrained": 0.1}
"""Of the cross-lingual part."""
PAIRS = 15_000
"""Aligned rows a language."""
ENGLISH_WORDS = 20
CHUNK = 16_384
TESTS = 100_000
"""Segments kept out: about FLORES-101 in 100 languages."""


def sizes(draw: random.Random, language: str) -> list[int]:
    """Returns the words (characters) of each turn of a conversation, user first."""
    if language == "en" and draw.random() < 0.5:  # ShareGPT, cut to what 1,024 tokens hold
        turns = draw.choice([1, 1, 2, 2, 3])
        return [n for _ in range(turns) for n in (draw.randint(8, 60), draw.randint(40, 160))]
    if language == "en":  # Alpaca
        return [draw.randint(6, 25), draw.randint(5, 90)]
    return [draw.randint(10, 60), draw.randint(40, 320)]  # BELLE, in characters


class Text:
    """Makes text of a language."""

    def __init__(self, draw: random.Random) -> None:
        whole = " ".join(topics.topics.values())
        plain = [" ".join(line.split()) for line in sentences(whole)]
        self.english = [s for s in plain if 6 <= len(s.split()) <= 40 and "__" not in s]
        self.words = [w for s in self.english for w in s.split()]
        self.ideographs = [chr(c) for c in range(0x4E00, 0x5600)]
        self.draw = draw

    def run(self, language: str, size: int) -> str:
        """Returns so many words or characters in a row."""
        if language == "zh":
            cut = "".join(self.draw.choices(self.ideographs, k=size))
            return "，".join(cut[i : i + 12] for i in range(0, size, 12)) + "。"
        start = self.draw.randrange(len(self.words) - size)
        parts = self.words[start : start + size]
        parts[self.draw.randrange(size)] = self.draw.choice(self.words)
        return " ".join(parts)

    def dictionary(self, language: str) -> dict[str, str]:
        """Returns a made-up word of a language for each English one."""
        names = script_names(languages.script(language))
        letters = [chr(c) for c in range(0x61, 0xFFFF) if script_name(chr(c)) in names]
        letters = [c for c in letters if c.lower() == c][:30]
        long = (1, 2) if languages.is_unspaced(language) else (3, 9)
        draw = random.Random(language)
        return {
            word: "".join(draw.choices(letters, k=draw.randint(*long)))
            for word in sorted(set(self.words))
        }


def conversations(text: Text, language: str, count: int) -> Iterator[dict[str, Any]]:
    """Yields upstream conversations."""
    roles = ("user", "assistant")
    for number in range(count):
        parts = [text.run(language, n) for n in sizes(text.draw, language)]
        messages = [{"role": roles[i % 2], "content": part} for i, part in enumerate(parts)]
        name = f"{language}/{number}"
        yield {
            "id": name,
            "recipe": "alpaca",
            "source": f"chat-{language}",
            "languages": [language],
            "messages": messages,
        }


def segments(text: Text, count: int) -> list[str]:
    """Returns English segments, every third one another with one word exchanged."""
    made: list[str] = []
    while len(made) < count:
        if made and len(made) % 3 == 0:
            parts = made[-1].split()
            parts[text.draw.randrange(1, len(parts))] = text.draw.choice(text.words)
        else:
            size = text.draw.randint(5, 2 * ENGLISH_WORDS - 5)
            start = text.draw.randrange(len(text.words) - size)
            parts = text.words[start : start + size]
        made.append(" ".join(parts))
    return made


def aligned(text: Text, codes: list[str], pairs: int = PAIRS) -> Iterator[dict[str, Any]]:
    """Yields rows of all languages; half of the English segments are shared by all."""
    pool = segments(text, 4 * pairs)
    for code in codes:
        known = text.dictionary(code)
        joint = "" if languages.is_unspaced(code) else " "
        own = random.Random(code)
        start = own.randrange(pairs, 3 * pairs)
        for number in (*range(pairs // 2), *range(start, start + pairs // 2)):
            yield {
                "id": f"made/{code}/{number}",
                "source": "made",
                "lang_a": "en",
                "lang_b": code,
                "text_a": pool[number],
                "text_b": joint.join(known[word] for word in pool[number].split()),
                "document": f"made/{number // 30}",
                "split": "train",
            }


def term_lists(text: Text, codes: list[str]) -> Iterator[dict[str, Any]]:
    """Yields a term list of each language."""
    for code in codes:
        for one, other in text.dictionary(code).items():
            sides = {"lang_a": "en", "lang_b": code, "term_a": one, "term_b": other}
            yield {"source": "made-terms", **sides}


def write_table(path: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]]) -> None:
    """Writes rows in row groups of the corpora stage's size."""
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while some := list(islice(rows, CHUNK)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))


def target_languages(number: int) -> list[str]:
    """Returns Chinese and the first others of FLORES-101, so many together."""
    known = [row.code for row in flores_languages() if row.code not in ("en", "zh")]
    return ["zh", *known[: number - 1]]


def write_corpora(folder: Path, count: int, number: int, pairs: int = PAIRS) -> None:
    """Writes what a mixture of so many conversations in so many languages is made from."""
    text, codes = Text(random.Random(1)), target_languages(number)
    write_table(folder / "parallel.parquet", PARALLEL_SCHEMA, aligned(text, codes, pairs))
    parts = (conversations(text, code, round(1.02 * count * SHARES[code])) for code in ("zh", "en"))
    rows = (row for part in parts for row in part)
    write_table(folder / "conversations.parquet", CONVERSATION_SCHEMA, rows)
    write_table(folder / "terms.parquet", TERM_SCHEMA, term_lists(text, codes))


def held_out(count: int = TESTS) -> list[str]:
    """Returns test segments, half of them Chinese and half English."""
    text = Text(random.Random(2))
    tests = [text.run("zh", 40) for _ in range(count // 2)]
    return tests + [" ".join(text.draw.choices(text.words, k=25)) for _ in range(count // 2)]


def mixture(count: int) -> Mixture:
    """Returns BayLing 2's mixture in so many conversations."""
    general = SHARES["zh"] + SHARES["en"]
    forms = {name: share * SHARES["cross"] for name, share in FORMS.items()}
    return Mixture(
        conversations=count,
        shares={"general": general, **forms},
        general_languages={code: SHARES[code] for code in ("zh", "en")},
        directions={"en-*": 0.25, "*-en": 0.25, "zh-*": 0.25, "*-zh": 0.25},
        exclude=["en-zh", "zh-en"],
        max_tokens=2048,
    )


def naive(path: Path, tokenizer: Any, tests: list[str], count: int) -> float:
    """Returns processor seconds a conversation of the plain way, on the result's own rows."""
    grams = {g for text in tests for g in _grams(text)}
    seen: set[str] = set()
    rows = next(pq.ParquetFile(path).iter_batches(batch_size=count)).to_pylist()
    start = time.process_time()
    kept = []
    for row in rows:
        text = "\n".join(message["content"] for message in row["messages"])
        ids, _ = templates.encode(tokenizer, "bayling", row["messages"])
        if text not in seen and len(ids) <= 2048 and grams.isdisjoint(_grams(text)):
            seen.add(text)
            kept.append(row)
    pa.Table.from_pylist(kept)
    return (time.process_time() - start) / len(rows)


def _grams(text: str) -> Iterator[str]:
    units = words(normalise(text))
    for order in (8, 13, 21):
        yield from (" ".join(units[i : i + order]) for i in range(len(units) - order + 1))


def measure(
    folder: Path, corpora: Path, count: int, workers: int, tokenizer: Path
) -> dict[str, float]:
    """Makes one mixture in the folder, prints a line and returns its figures."""
    tests = held_out()
    load = partial(load_tokenizer, tokenizer)
    task = MixtureTask("speed", mixture(count), 1, corpora, {"made": tests}, load, None, workers)
    out = folder / f"train-{count}.parquet"
    with tempfile.TemporaryDirectory(dir=folder) as scratch, Watch() as watch:
        made = make(task, out, Path(scratch)).tally.conversations
    plain = naive(out, load(), tests[::20], 2000)
    print(
        f"{made} conversations, {workers} workers: {watch.wall:.0f} s, {made / watch.wall:.0f} a "
        f"second; {watch.cpu:.0f} s of processor time, {made / watch.cpu:.0f} a second of it; "
        f"peak {watch.peak / 2**30:.2f} GiB; {out.stat().st_size / 2**20:.0f} MiB written; checks "
        f"alone the naive way: {1 / plain:.0f} a second of processor time "
        f"({plain * made / watch.cpu:.1f} times the whole of this, {plain * made / watch.wall:.1f} "
        f"times its wall clock)",
        flush=True,
    )
    return {"wall": watch.wall, "cpu": watch.cpu, "peak": watch.peak / 2**30}


def compare(options: argparse.Namespace, folder: Path, corpora: Path, count: int) -> None:
    """Makes a mixture with two checkouts in turn and prints a line."""
    command = [sys.executable, "-P", __file__, str(options.tokenizer), "--corpora", str(corpora)]
    command += ["--conversations", str(count), "--workers", str(options.workers)]
    sides = {"before": options.than.resolve(), "now": ROOT}
    facts: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, checkout in sides.items():
            places = (checkout / "workflow", Path(__file__).parent)
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}
            out = folder / name
            subprocess.run([*command, "--out", str(out)], check=True, env=environment)
            facts[name].append(json.loads((out / f"train-{count}.json").read_text()))
    same = filecmp.cmp(*(folder / name / f"train-{count}.parquet" for name in sides), shallow=False)
    parts = []
    for key, label in (("wall", "seconds"), ("cpu", "of processors"), ("peak", "GiB")):
        old, new = (median(row[key] for row in facts[name]) for name in sides)
        parts.append(f"{label} {old:.2f} before, {new:.2f} now ({new / old:.2f} ×)")
    load = os.getloadavg()[0]
    verdict = "the same bytes" if same else "OTHER bytes"
    print(f"{count} conversations: {'; '.join(parts)}; {verdict}; load {load:.1f}", flush=True)


def main() -> None:
    """Prints a line for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tokenizer", type=Path, help="checkpoint folder with a tokenizer")
    parser.add_argument("--conversations", type=int, nargs="+", default=[300_000, 3_200_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--corpora", type=Path, help="folder that keeps the tables")
    parser.add_argument("--languages", type=int, default=100)
    parser.add_argument("--than", type=Path, help="another checkout to compare with")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison")
    parser.add_argument("--out", type=Path, help="folder that keeps the mixture and its figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        corpora = options.corpora or Path(name) / "corpora"
        if not (corpora / "terms.parquet").exists():
            corpora.mkdir(parents=True, exist_ok=True)
            write_corpora(corpora, max(options.conversations), options.languages)
        for count in options.conversations:
            if options.than:
                compare(options, Path(name), corpora, count)
                continue
            out = options.out or Path(name)
            out.mkdir(parents=True, exist_ok=True)
            facts = measure(out, corpora, count, options.workers, options.tokenizer)
            (out / f"train-{count}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
