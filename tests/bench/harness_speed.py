"""Thirteen multiple-choice suites: this project's stage against lm-evaluation-harness's command.

    PYTHONPATH=workflow:tests .venv/study/bin/python tests/bench/harness_speed.py \\
        --checkpoint resources/foundation/smollm2-54b563f2 \\
        --corpora results/embedded/corpora [--rows 50] [--shots 0] [--precision bf16 fp32] \\
        [--batches 1 4 8 16 32] [--sweep-rows 16] [--rounds 3] [--threads 2]

One task of each of BayLing 2's 13 sets, with rows of the set's form and about as long, whose text
is the corpus's (``harness_parts/tables.py``). Both sides are programs that load the model once and
answer all suites, with the harness's own definitions of the tasks:

ours     ``python -m bayling_study.stages.harness``, with its default limits of a batch
lm-eval  ``python -m lm_eval run --model hf``; its definitions read the same Parquet files

lm-eval's batch size is the fastest by processor time of ``--batches``, each tried once on the
first ``--sweep-rows`` questions of each task. Then the sides take turns, and the medians of the
rounds are compared, by the clock and by the processor time of the programs; on both sides a thread
that waits for the other one sleeps (``OMP_WAIT_POLICY``), for on a busy machine waiting would count
as work. ``start`` is what a side takes for one question a suite, tokeniser, model and definitions
with it; ``without the start`` compares the rest. All questions must be the same, and in fp32 every
log-likelihood to ``--tolerance`` and all marks; in bf16, where lm-eval rounds likelihoods to 8
bits, differences are counted, and in how many questions lm-eval finds two choices equally likely.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from harness_parts.tables import FORMS, configuration, write_tables

from bayling_study.config.multiple_choice import HarnessSuite
from bayling_study.core.files import read_jsonl
from bayling_study.core.records import write_prompts
from bayling_study.shared.harness_tasks import definitions
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.harness import build
from helpers.stopwatch import Times

ROOT = Path(__file__).resolve().parents[2]
GOAL = 1.3
DTYPES = {"bf16": "bfloat16", "fp32": "float32"}
Suites = dict[str, HarnessSuite]


class Answer(NamedTuple):
    """The choices' log-likelihoods and the marks of one question."""

    likelihoods: list[float]
    marks: dict[str, float]

    @property
    def choice(self) -> int:
        """The most likely choice's number."""
        return max(range(len(self.likelihoods)), key=self.likelihoods.__getitem__)


Answers = dict[tuple[str, int], Answer]
"""Answers by suite and number of the question."""
Side = Callable[[int], tuple[Times, Answers]]
"""Takes how many questions to ask of each suite; returns seconds and answers."""


class Bench:
    """The suites with their tables, and both sides' commands."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        made = write_tables(folder / "tables", options.corpora, options.rows)
        shots = {"num_fewshot": options.shots}
        self.suites = {name: suite.model_copy(update=shots) for name, suite in made.items()}
        self._write_prompts()
        self._write_definitions()

    def _write_prompts(self) -> None:
        """Writes what this project's stage is asked: all questions, and the first of each suite."""
        for name, suite in self.suites.items():
            place = {suite.source: self.folder / "tables" / name}
            prompts = list(build(name, suite, PromptContext(1, downloads=place)))
            for rows in (1, self.options.rows):
                file = self.folder / "prompts" / str(rows) / f"{name}.jsonl"
                write_prompts(file, prompts[:rows])

    def _write_definitions(self) -> None:
        """Writes lm-eval's tasks: its own, but reading the tables."""
        folder = self.folder / "tasks"
        folder.mkdir()
        for name, suite in self.suites.items():
            task = suite.tasks[0]
            tables = self.folder / "tables" / name / "files" / configuration(suite)
            files = {path.name: f"{path}/0000.parquet" for path in sorted(tables.iterdir())}
            definition: dict[str, Any] = {
                "include": str(definitions(suite.folder)[task]),
                "task": f"local_{name}",
                "dataset_path": "parquet",
                "dataset_name": None,
                "dataset_kwargs": {"data_files": files},
            }
            for key in ("training_split", "validation_split", "test_split", "fewshot_split"):
                if self._split(suite, key) not in files:
                    definition[key] = None
            # JSON is YAML, too.
            (folder / f"{name}.yaml").write_text(json.dumps(definition), encoding="utf-8")

    def _split(self, suite: HarnessSuite, key: str) -> Any:
        from lm_eval.tasks._yaml_loader import load_yaml

        path = definitions(suite.folder)[suite.tasks[0]]
        return load_yaml(path, resolve_func=False).get(key)

    def run(self, command: list[str]) -> Times:
        """Runs a program to its end; returns its seconds."""
        environment = os.environ | {
            "PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": str(self.options.threads),
            "HF_HUB_OFFLINE": "1", "HF_HOME": str(self.folder / "cache"),
            "TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "passive",
        }  # fmt: skip
        with open(self.folder / "log", "w+", encoding="utf-8") as log:
            begin = time.perf_counter()
            program = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=log, stderr=log, env=environment
            )
            _, status, used = os.wait4(program.pid, 0)
            wall = time.perf_counter() - begin
            program.returncode = os.waitstatus_to_exitcode(status)
            if program.returncode:
                log.seek(0)
                sys.exit(f"{' '.join(command[:2])} failed:\n{log.read()[-3000:]}")
        return (wall, used.ru_utime + used.ru_stime)

    def ours(self, precision: str) -> Side:
        """This project's stage."""

        def side(rows: int) -> tuple[Times, Answers]:
            with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
                settings = {
                    "study": {"name": "bench"},
                    "systems": {"base": {"kind": "foundation", "source": "x"}},
                    "suites": {n: s.model_dump(mode="json") for n, s in self.suites.items()},
                    "generation": {"precision": precision},
                }
                (Path(scratch) / "settings.json").write_text(json.dumps(settings))
                paths = {
                    "settings": f"{scratch}/settings.json", "record": f"{scratch}/record.json",
                    "checkpoint": self.options.checkpoint, "work": f"{scratch}/work",
                    "prompts": self.folder / "prompts" / str(rows),
                    "threads": self.options.threads, "out": f"{scratch}/out", "system": "base",
                }  # fmt: skip
                command = ["bayling_study.stages.harness", "--suites", *self.suites]
                for name, value in paths.items():
                    command += [f"--{name}", str(value)]
                for name, suite in self.suites.items():
                    command += ["--download", f"{suite.source}={self.folder}/tables/{name}"]
                times = self.run(command)
                return times, self.our_answers(Path(scratch) / "out")

        return side

    def our_answers(self, out: Path) -> Answers:
        """Reads this project's marks; a prompt's id ends with the question's number."""
        return {
            (name, int(row["id"].rpartition("/")[2])): Answer(row["likelihoods"], row["metrics"])
            for name in self.suites
            for row in read_jsonl(out / f"{name}.marks.jsonl")
        }

    def peer(self, precision: str, batch: int) -> Side:
        """lm-eval's own command."""

        def side(rows: int) -> tuple[Times, Answers]:
            with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
                model = f"pretrained={self.options.checkpoint},dtype={DTYPES[precision]}"
                command = ["lm_eval", "run", "--model", "hf", "--model_args", model]
                command += ["--tasks", ",".join(f"local_{name}" for name in self.suites)]
                command += ["--include_path", str(self.folder / "tasks"), "--device", "cpu"]
                command += ["--batch_size", str(batch), "--num_fewshot", str(self.options.shots)]
                command += ["--log_samples", "--output_path", scratch, "--limit", str(rows)]
                times = self.run(command)
                return times, self.peer_answers(Path(scratch))

        return side

    def peer_answers(self, out: Path) -> Answers:
        """Reads lm-eval's samples."""
        found = {}
        for name in self.suites:
            (path,) = out.rglob(f"samples_local_{name}_*.jsonl")
            for row in read_jsonl(path):
                likelihoods = [float(answer[0]) for answer in row["filtered_resps"]]
                marks = {mark: float(row[mark]) for mark in row["metrics"]}
                found[name, row["doc_id"]] = Answer(likelihoods, marks)
        return found


def differences(ours: Answers, peer: Answers) -> tuple[float, int, int, int]:
    """Returns the largest difference of two log-likelihoods, how many questions have another
    choice, how many other marks, and in how many of the peer's two choices are equally likely."""
    if ours.keys() != peer.keys():
        sys.exit("the sides were not asked the same questions")
    largest, choices, marks, ties = 0.0, 0, 0, 0
    for place, own in ours.items():
        other = peer[place]
        pairs = zip(own.likelihoods, other.likelihoods, strict=True)
        largest = max(largest, *(abs(a - b) for a, b in pairs))
        choices += own.choice != other.choice
        marks += own.marks != other.marks
        ties += len(set(other.likelihoods)) < len(other.likelihoods)
    return largest, choices, marks, ties


def accuracy(answers: Answers) -> str:
    """Returns the means of the marks over the suites' questions, in per cent."""
    names = sorted({name for answer in answers.values() for name in answer.marks})
    found = {n: [a.marks[n] for a in answers.values() if n in a.marks] for n in names}
    return ", ".join(f"{n} {100 * statistics.fmean(values):.2f}" for n, values in found.items())


def show(name: str, times: Times) -> None:
    """Prints what a run took."""
    load = os.getloadavg()[0]
    print(f"  {name:<24} {times[0]:7.1f} s, {times[1]:7.1f} s of work, load {load:.1f}", flush=True)


def measure(bench: Bench, precision: str) -> None:
    """Finds lm-eval's best batch size, lets the sides take turns and prints what was seen."""
    options = bench.options
    print(f"{precision}, {options.threads} threads, {options.shots} examples", flush=True)
    tried: dict[int, float] = {}
    for batch in options.batches:
        times, _ = bench.peer(precision, batch)(min(options.sweep_rows, options.rows))
        show(f"lm-eval, batches of {batch}", times)
        tried[batch] = times[1]
    best = min(tried, key=tried.__getitem__)
    ours, peer = "ours", f"lm-eval, batches of {best}"
    sides = {ours: bench.ours(precision), peer: bench.peer(precision, best)}
    start, spent, found = {}, {name: list[Times]() for name in sides}, dict[str, Answers]()
    for name, side in sides.items():
        start[name], _ = side(1)
        show(f"{name}, start", start[name])
    for _ in range(options.rounds):
        for name, side in sides.items():
            times, found[name] = side(options.rows)
            spent[name].append(times)
            show(name, times)
    for place, what in enumerate(("wall clock", "processor time")):
        middle = {
            name: statistics.median(row[place] for row in rows) for name, rows in spent.items()
        }
        ratio = middle[peer] / middle[ours]
        rest = {name: middle[name] - start[name][place] for name in sides}
        print(
            f"{what}: {middle[ours]:.1f} s against {middle[peer]:.1f} s, {ratio:.2f} times as fast"
            f" (goal {GOAL}); without the start {rest[peer] / rest[ours]:.2f} times"
        )
    for name, answers in found.items():
        print(f"{name}: {accuracy(answers)}")
    largest, choices, marks, ties = differences(found[ours], found[peer])
    print(
        f"{len(found[ours])} questions: log-likelihoods differ by {largest:.2g} at most, {choices} "
        f"choices and the marks of {marks} questions differ; lm-eval has ties in {ties}",
        flush=True,
    )
    if precision == "fp32" and (largest > options.tolerance or marks):
        sys.exit("the sides' scores differ in fp32")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of a study's corpora")
    parser.add_argument("--rows", type=int, default=50, help="questions a task")
    parser.add_argument("--shots", type=int, default=0, help="solved examples before a question")
    parser.add_argument("--precision", nargs="+", default=["bf16", "fp32"], choices=list(DTYPES))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 16, 32], help="tried")
    parser.add_argument("--sweep-rows", type=int, default=16, help="questions a task, for that")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tolerance", type=float, default=5e-3, help="in nats")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        print(f"{len(FORMS)} suites, {options.rows} questions each")
        for precision in options.precision:
            measure(bench, precision)


if __name__ == "__main__":
    main()
