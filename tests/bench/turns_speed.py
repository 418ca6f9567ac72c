"""A suite of several turns, with what was read in the turns before and without it.

    PYTHONPATH=workflow .venv/study/bin/python tests/bench/turns_speed.py \\
        --checkpoint DIR --prompts FOLDER [--suite interactive] [--template bayling] \\
        [--precision bf16] [--rounds 3] [--threads 1] [--settings config/config.yaml]

Both sides run all turns of the suite through the runner of generation jobs, with the study's
limits and a journal of their own. ``afresh`` forgets at the end of a turn what the model has read,
``kept`` is what jobs do. The sides take turns, so that other programs on the machine disturb both;
the medians of the rounds are compared. Then both run once in fp32, where all answers must be equal.
In another precision rounding decides some answers, of either side: as many are counted as are
others than in fp32. Processor time counts this process alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bayling_study.config.answering import Answering
from bayling_study.config.loading import load_config
from bayling_study.core.records import Hypothesis
from bayling_study.stages.generation.answering import Answerer
from bayling_study.stages.generation.engines import Engine, load_engine
from bayling_study.stages.generation.outputs import PromptSet
from bayling_study.stages.generation.running import Runner
from helpers.stopwatch import timed

Answers = list[Hypothesis]
Side = Callable[[], Answers]


def forgetting(engine: Engine) -> Engine:
    """Returns an engine that reads every prompt afresh."""

    def decode(requests: list[Any], *rest: Any) -> Any:
        return engine.decode([request._replace(goes_on=False) for request in requests], *rest)

    return replace(engine, decode=decode)


def sides(options: argparse.Namespace, precision: str) -> dict[str, Side]:
    """Returns how each side answers the suite, with one model for both."""
    config = load_config(options.settings)
    suite, prompts = config.suites[options.suite], PromptSet.load(options.prompts, options.suite)
    section = config.generation.model_copy(update={"precision": precision})
    engine = load_engine(options.checkpoint, section, [])

    def side(own: Engine) -> Side:
        def answer() -> Answers:
            with tempfile.TemporaryDirectory() as work:
                how = options.template, "", config.study.seed, Path(work), Answerer(Answering())
                return Runner(own, *how).answer(suite, prompts).hypotheses

        return answer

    return {"afresh": side(forgetting(engine)), "kept": side(engine)}


def unequal(one: Answers, other: Answers) -> str:
    """Counts the turns that two sides answer differently."""
    pairs = [
        pair for a, b in zip(one, other, strict=True) for pair in zip(a.turns, b.turns, strict=True)
    ]
    return f"{sum(a != b for a, b in pairs)} of {len(pairs)}"


def main() -> None:
    """Prints the rounds and what they come to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True, help="folder of SUITE.jsonl")
    parser.add_argument("--suite", default="interactive")
    parser.add_argument("--template", default="bayling")
    parser.add_argument("--settings", type=Path, default=Path("config/config.yaml"))
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{'':10} {'wall s':>8} {'cpu s':>8} {'load':>6}")
    own, found = sides(options, options.precision), dict[str, Answers]()
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in own}
    for _ in range(options.rounds):
        for name, run in own.items():
            found[name], *seconds = timed(run)
            spent[name].append((seconds[0], seconds[1]))
            print(
                f"{name:10} {seconds[0]:8.1f} {seconds[1]:8.1f} {os.getloadavg()[0]:6.2f}",
                flush=True,
            )
    for place, what in enumerate(("wall clock", "processor time")):
        middle = {name: statistics.median(r[place] for r in rows) for name, rows in spent.items()}
        print(f"{what}: {middle['afresh'] / middle['kept']:.2f} times as fast", flush=True)
    print(
        f"{options.precision}: {unequal(found['afresh'], found['kept'])} answers differ", flush=True
    )
    exact = {name: run() for name, run in sides(options, "fp32").items()}
    print(f"fp32: {unequal(exact['afresh'], exact['kept'])} answers differ")
    for name, answers in found.items():
        print(f"{name}: {unequal(exact['afresh'], answers)} answers are others than in fp32")
    if exact["afresh"] != exact["kept"]:
        raise SystemExit("what is kept changes answers in fp32")


if __name__ == "__main__":
    main()
