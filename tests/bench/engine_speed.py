"""Tokens a second of this project and of other engines, on the same prompts and weights.

    python -m venv /tmp/llama && /tmp/llama/bin/pip install llama-cpp-python==0.3.36
    python -m venv /tmp/ct2 && /tmp/ct2/bin/pip install \\
        ctranslate2==4.8.5 transformers==5.23.0 torch==2.13.0

    python tests/bench/engine_speed.py --checkpoint results/embedded/tuning/tuned \\
        --template bayling --prompts results/embedded/prompts \\
        --int8 results/embedded/export/tuned-int8 --transformers .venv/study/bin/python \\
        --llama-cpp /tmp/llama/bin/python --ctranslate2 /tmp/ct2/bin/python

Every engine gets the same token ids (the first turns of 96 prompts, evenly from all suites of
the folder) and answers greedily, at most 64 tokens, with so many ``--places``: answers that are
written at once. ``transformers`` is ``generate`` on batches of 32 of similar length, the row
below it its own continuous batching. Each is a process of its own in each round, and the rounds
alternate; loading is not timed, and a few prompts are answered before the timing. Prints the
medians of tokens a second by the clock and by processor time; how many answers are our fp32
ones, and ours of the same type and places; and how many cores other programs used meanwhile.
Files of 8 bits are each engine's own rounding, so their answers differ. An engine that is not
named or does not run is said to be missing. ``--converted`` keeps the files of other engines.
Where other programs want the cores too, threads that wait for one another burn processor time:
put ``OMP_WAIT_POLICY=passive`` before the command there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from engine_answers import SIDES, run_side
from engines import gguf_file, questions
from transformers import AutoTokenizer

from bayling_study.shared import templates

KINDS = {"F32": "fp32", "Q8_0": "q8_0"}
BATCH = 32
"""Rows of a batch of ``model.generate``."""


@dataclass
class Row:
    """One engine with one file; ``type`` is the engine's name for what is ``like`` ours."""

    engine: str
    type: str
    like: str
    places: int
    model: Path
    runs: list[dict[str, Any]] = field(default_factory=list)
    missing: str = ""

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.engine.replace('_', ' ')} {self.type}"


def llama_cpp_file(python: str, checkpoint: Path, folder: Path, kind: str) -> Path:
    """Returns our own GGUF file, or the one that llama.cpp makes of it in BF16."""
    if kind != "BF16":
        out = folder / f"llama_cpp-{kind}"
        ready = sorted(out.glob("*.gguf"))
        return ready[0] if ready else gguf_file(checkpoint, out, KINDS[kind])
    target = folder / "llama_cpp-BF16.gguf"
    if not target.exists():
        source = llama_cpp_file(python, checkpoint, folder, "F32")
        program(python, "quantise_llama_cpp.py", source, target, kind)
    return target


def ctranslate2_folder(python: str, checkpoint: Path, folder: Path, kind: str) -> Path:
    """Returns the checkpoint as CTranslate2 converts it."""
    target = folder / f"ctranslate2-{kind}"
    if not target.exists():
        program(python, "convert_ctranslate2.py", checkpoint, target, kind)
    return target


def program(python: str, name: str, source: Path, target: Path, kind: str) -> None:
    """Runs a converter of ``engine_sides``; what it makes appears complete or not at all."""
    part = target.with_name(f"part-{target.name}")
    words = [python, str(SIDES / name), str(source), str(part), kind]
    subprocess.run(words, check=True, capture_output=True, text=True)
    part.rename(target)


def rows(options: argparse.Namespace, folder: Path) -> list[Row]:
    """Returns what is to be run; what cannot be is said to be missing."""
    made: list[Row] = []

    def add(engine: str, kinds: dict[str, str], model: Callable[[str], Path]) -> None:
        python = getattr(options, engine.partition("_continuous")[0], sys.executable)
        for kind, like in kinds.items():
            missing, file = "" if python else "not named", options.checkpoint
            try:
                file = file if missing else model(kind)
            except subprocess.CalledProcessError as error:
                missing = (error.stderr.strip().splitlines() or [str(error)])[-1]
            places = [BATCH] if engine == "transformers" else options.places
            made.extend(Row(engine, kind, like, n, file, missing=missing) for n in places)

    same = {"bf16": "bf16", "fp32": "fp32"}
    add("ours", same, lambda _: options.checkpoint)
    if options.int8:
        add("ours", {"int8": "int8"}, lambda _: options.int8)
    task = partial(llama_cpp_file, options.llama_cpp, options.checkpoint, folder)
    add("llama_cpp", {"F32": "fp32", "BF16": "bf16", "Q8_0": "int8"}, task)
    task = partial(ctranslate2_folder, options.ctranslate2, options.checkpoint, folder)
    add("ctranslate2", {"float32": "fp32", "bfloat16": "bf16", "int8": "int8"}, task)
    add("transformers", same, lambda _: options.checkpoint)
    add("transformers_continuous", same, lambda _: options.checkpoint)
    return made


def run(row: Row, job: dict[str, Any], python: str, scratch: Path) -> None:
    """Runs a row once more, and notes what came of it."""
    task = job | {
        "engine": row.engine, "type": row.type, "places": row.places,
        "model": str(row.model), "out": str(scratch / "answers.json"),
    }  # fmt: skip
    side = f"speed_{row.engine.partition('_continuous')[0]}.py"
    threads = str(task["threads"])
    found = run_side(python, side, task, scratch, OMP_NUM_THREADS=threads, PYTHONPATH="")
    if isinstance(found, str):
        row.missing = found
        print(f"{row.name}, {row.places} places: missing, {found}", file=sys.stderr, flush=True)
        return
    row.runs.append(found)
    print(
        f"{row.name}, {row.places} places: {found['wall']:.1f} s, "
        f"{found['processor']:.1f} of processors",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def table(made: list[Row], limit: int) -> None:
    """Prints a line for each row."""
    ours = {(r.like, r.places): r.runs[0]["answers"] for r in made if r.engine == "ours" and r.runs}
    heads = ("tokens/s", "a cpu-s", "an answer", "=fp32", "=type", "others")
    print(f"{'':32} {'places':>6} " + " ".join(f"{head:>9}" for head in heads))
    for row in made:
        if row.missing or not row.runs:
            print(f"{row.name:32} {row.places:6} missing, {row.missing or 'not run yet'}")
            continue
        answers = row.runs[0]["answers"]
        # The token that ends an answer is computed as well.
        tokens = sum(min(len(ids) + 1, limit) for ids in answers)
        speeds = [median(tokens / one[key] for one in row.runs) for key in ("wall", "processor")]
        equal = [
            str(sum(a == b for a, b in zip(answers, ours[kind, row.places], strict=True)))
            if (kind, row.places) in ours
            else "–"
            for kind in ("fp32", row.like)
        ]
        others = median(one["others"] for one in row.runs)
        print(
            f"{row.name:32} {row.places:6} {speeds[0]:9.1f} {speeds[1]:9.1f} "
            f"{tokens / len(answers):9.1f} {equal[0]:>9} {equal[1]:>9} {others:9.2f}"
        )
    versions = {row.engine: row.runs[0]["version"] for row in made if row.runs}
    print("; ".join(f"{name} {version}" for name, version in versions.items()))


def main() -> None:
    """Runs all engines in alternating rounds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="in the hub's format")
    parser.add_argument("--template", default="bayling")
    parser.add_argument("--prompts", type=Path, required=True, help="folder of SUITE.jsonl")
    parser.add_argument("--int8", type=Path, help="our 8-bit export of the checkpoint")
    for name in ("--transformers", "--llama-cpp", "--ctranslate2"):
        parser.add_argument(name, help="an interpreter with it")
    parser.add_argument("--places", type=int, nargs="+", default=[32, 96])
    parser.add_argument("--count", type=int, default=96, help="prompts")
    parser.add_argument("--max-new", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--converted", type=Path, help="folder that keeps the engines' files")
    options = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint, local_files_only=True)
    talks = questions(options.prompts, options.count)
    job = {
        "prompts": [templates.prompt_ids(tokenizer, options.template, talk) for talk in talks],
        "stops": templates.stop_ids(tokenizer, options.template),
        "limit": options.max_new,
        "threads": options.threads,
    }
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = options.converted or scratch / "converted"
        folder.mkdir(parents=True, exist_ok=True)
        made = rows(options, folder)
        try:
            for _ in range(options.rounds):
                for row in made:
                    if not row.missing:
                        engine = row.engine.partition("_continuous")[0]
                        run(row, job, getattr(options, engine, sys.executable), scratch)
        finally:  # whoever interrupts it sees what is measured so far
            table(made, options.max_new)


if __name__ == "__main__":
    main()
