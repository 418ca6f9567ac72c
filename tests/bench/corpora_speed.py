"""Speed and memory of the corpora of BayLing 2's shape: aligned text of many languages.

    PYTHONPATH=workflow python tests/bench/corpora_speed.py [--lines 1000000 5000000]

writes what the study downloads, as its configuration says (OPUS-100 as Parquet, mined text of NLLB
as pairs of files), with so many lines of 100 languages together and no cap per language, then runs
the stage's own command and prints lines a second by the wall clock and by processor time, the peak
memory and what the stage has on disk at its fullest.

Text is copied with changes: a pool of English sentences (the Python manual's words) and their
translation into made-up words in the script of each language; each copy has another word in one
place, so that few are equal. One line in eight is unfit, as upstream text is: repeated, too short,
not translated, in another script, with markup, addresses, names of code, control characters,
wrongly decoded or of other form than NFC. ``--role both`` keeps a tenth of the documents for tests.

    git worktree add /tmp/before COMMIT
    PYTHONPATH=workflow python tests/bench/corpora_speed.py --than /tmp/before --lines 500000

makes the same corpora with both checkouts' code in turn and prints the medians' ratios and whether
the results are the same bytes.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import random
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from growth_parts.place import ROOT, Place
from growth_parts.points import Cost
from synthesis_speed import Text

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core import languages

STUDY = ROOT / "config" / "studies" / "bayling-2-7b.yaml"
POOL = 10_000
"""Sentences that are copied, of 4 to 26 words: OPUS-100's and NLLB's have some 12."""
UNFIT = 8
"""One line in so many does not pass."""
RESULTS = ("parallel.parquet", "conversations.parquet", "terms.parquet", "report.json")
Pair = tuple[str, str]


def corpora(number: int) -> list[dict[str, Any]]:
    """Returns the study's aligned corpora without a cap, with so many of its languages."""
    listed = yaml.safe_load(STUDY.read_text(encoding="utf-8"))["corpora"]["parallel"]
    codes = [code for corpus in listed for code in corpus["languages"]]
    chosen = {codes[place * len(codes) // number] for place in range(number)}
    kept = ({**c, "languages": [x for x in c["languages"] if x in chosen]} for c in listed)
    return [{k: v for k, v in c.items() if k != "max_rows"} for c in kept if c["languages"]]


def pool(text: Text) -> list[list[str]]:
    """Returns sentences of plain words, some with a comma behind them."""
    known = [word for word in text.words if word.rstrip(",").isalpha()]
    sizes = (text.draw.randint(4, 26) for _ in range(POOL))
    return [text.draw.choices(known, k=size) for size in sizes]


def pairs(text: Text, base: list[list[str]], code: str, count: int) -> Iterator[Pair]:
    """Yields lines of a language with their English."""
    draw = random.Random(code)
    known = text.dictionary(code)
    joint, stop = ("", "。") if languages.is_unspaced(code) else (" ", ".")
    others = [(word, known[word]) for sentence in base for word in sentence if word in known]
    other = [[known[word] for word in sentence] for sentence in base]
    last = ("", "")
    for number in range(count):
        place = number % POOL
        one, two = list(base[place]), list(other[place])
        at, (word, translation) = draw.randrange(len(one)), draw.choice(others)
        one[at], two[at] = word, translation
        english, foreign = " ".join(one), joint.join(two)
        pair = f"{english[0].upper()}{english[1:]}.", f"{foreign}{stop}"
        last = pair if number % UNFIT else spoilt(draw, pair, last)
        yield last


def spoilt(draw: random.Random, pair: Pair, last: Pair) -> Pair:
    """Returns a pair with one of the faults of upstream text."""
    one, two = pair
    kind = draw.randrange(12)
    signs = ["<b>", "http://made.example/a", "{name}", "**", "some_name", "\u200e", "\x85"]
    if kind < len(signs):
        return f"{one} {signs[kind]}", f"{two} {signs[kind]}"
    if kind == 7:
        return last  # repeated
    if kind == 8:
        return one, one if draw.random() < 0.5 else f"{one[:-9]} {two[-4:]}"
    if kind == 9:
        return " ".join(one.split()[:2]), two  # too short
    if kind == 10:
        return one, two.encode().decode("cp1252", "ignore")
    return f"\u201c{one}\u201d \u00a0", unicodedata.normalize("NFD", f"  {two}")


def write_downloads(folder: Path, listed: list[dict[str, Any]], lines: int) -> dict[str, Path]:
    """Writes so many lines in the form of each corpus; returns the folders of the sources."""
    text = Text(random.Random(1))
    base = pool(text)
    each = lines // sum(len(corpus["languages"]) for corpus in listed)
    downloads = {}
    for corpus in map(ParallelCorpus.model_validate, listed):
        download = downloads[corpus.source] = folder / corpus.source
        (download / "files").mkdir(parents=True)
        (download / "manifest.json").write_text("{}", encoding="utf-8")
        for code, upstream in corpus.targets.items():
            made = pairs(text, base, code, each)
            write = {"parquet": write_parquet, "moses": write_moses}[corpus.reader]
            write(download / "files", corpus, upstream, made)
    return downloads


def write_parquet(files: Path, corpus: ParallelCorpus, upstream: str, made: Iterator[Pair]) -> None:
    """Writes pairs as the hub has them."""
    path = files / corpus.file(corpus.path, upstream).replace("*", "00000-of-00001")
    path.parent.mkdir()
    sides = (corpus.pivot, upstream)
    schema = pa.schema({"translation": pa.struct([(side, pa.string()) for side in sides])})
    with pq.ParquetWriter(path, schema) as writer:
        while some := list(islice(made, 10_000)):
            columns = [pa.array(column) for column in zip(*some, strict=True)]
            texts = pa.StructArray.from_arrays(columns, sides)
            writer.write_table(pa.table([texts], schema=schema), row_group_size=1000)


def write_moses(files: Path, corpus: ParallelCorpus, upstream: str, made: Iterator[Pair]) -> None:
    """Writes pairs as OPUS packs them."""
    one, two = (files / corpus.file(corpus.path, upstream, s) for s in (corpus.pivot, upstream))
    with open(one, "w", encoding="utf-8") as first, open(two, "w", encoding="utf-8") as second:
        for pair in made:
            first.write(f"{pair[0]}\n")
            second.write(f"{pair[1]}\n")


def run(place: Place, downloads: dict[str, Path]) -> Cost:
    """Runs the stage."""
    shutil.rmtree(place.folder / "corpora", ignore_errors=True)
    options: list[object] = ["--out", place.folder / "corpora"]
    for source, folder in downloads.items():
        options += ["--download", f"{source}={folder}"]
    return place.run(place.stage("corpora", *options))


def told(lines: int, cost: Cost, report: dict[str, Any]) -> str:
    """Returns what one run took, in words."""
    kept = sum(n for counts in report["parallel"]["segments"].values() for n in counts.values())
    return (
        f"{lines} lines, {kept} kept: {cost.wall:.1f} s, {lines / cost.wall:.0f} a second; "
        f"{cost.cpu:.1f} s of processor time, {lines / cost.cpu:.0f} a second of it; "
        f"peak {cost.memory / 2**20:.0f} MiB; {cost.disk / 2**20:.0f} MiB of scratch files and "
        f"results on disk; others kept {cost.others:.1f} cores busy"
    )


def compare(sides: dict[str, Place], downloads: dict[str, Path], lines: int, rounds: int) -> None:
    """Makes the corpora with two checkouts in turn and prints a line."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, place in sides.items():
            costs[name].append(run(place, downloads))
    parts = []
    for key, unit, size in (
        ("wall", "s", 1),
        ("cpu", "s of processors", 1),
        ("memory", "MiB", 2**20),
    ):
        old, new = (median(getattr(cost, key) for cost in costs[name]) / size for name in sides)
        parts.append(f"{old:.1f} {unit} before, {new:.1f} now ({new / old:.2f} ×)")
    one, other = (place.folder / "corpora" for place in sides.values())
    unlike = [name for name in RESULTS if not filecmp.cmp(one / name, other / name, shallow=False)]
    verdict = f"OTHER bytes in {', '.join(unlike)}" if unlike else "the same bytes"
    print(
        f"{lines} lines: {'; '.join(parts)}; {verdict}; load {os.getloadavg()[0]:.1f}", flush=True
    )


def main() -> None:
    """Prints a line for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--languages", type=int, default=100)
    parser.add_argument("--role", choices=("train", "both"), default="train")
    parser.add_argument("--than", type=Path, help="another checkout to compare with")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison")
    parser.add_argument("--out", type=Path, help="folder that keeps the downloads and results")
    options = parser.parse_args()
    listed = [{**corpus, "role": options.role} for corpus in corpora(options.languages)]
    for lines in options.lines:
        with tempfile.TemporaryDirectory() as name:
            folder = (options.out or Path(name)) / str(lines)
            downloads = {c["source"]: folder / "downloads" / c["source"] for c in listed}
            if not folder.exists():
                write_downloads(folder / "downloads", listed, lines)
            checkouts = {"before": options.than, "now": ROOT} if options.than else {"now": ROOT}
            sides = {
                name: Place(folder / name, 1.0, None, checkout.resolve())
                for name, checkout in checkouts.items()
            }
            cleaning = {"min_words": 4, "max_foreign_share": 1}  # made-up words are of no language
            for place in sides.values():
                place.folder.mkdir(exist_ok=True)
                place.settings(corpora={"parallel": listed, "cleaning": cleaning})
            if options.than:
                compare(sides, downloads, lines, options.rounds)
                continue
            cost = run(sides["now"], downloads)
            report = (sides["now"].folder / "corpora" / "report.json").read_text(encoding="utf-8")
            print(told(lines, cost, json.loads(report)), flush=True)


if __name__ == "__main__":
    main()
