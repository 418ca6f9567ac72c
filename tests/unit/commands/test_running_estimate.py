"""What is left of a run, held to runs that were recorded: real ones, on two cores.

``recorded/NAME.tsv`` holds rule, name, start and end (seconds) of every job as Snakemake's log has
them, ``NAME.meters`` the lines of progress that those jobs wrote. The embedded study took 16
minutes on an idle machine (``idle``) and 53 on one whose other work grew after the training
(``embedded``); the miniature study once 141 and, on a crowded machine, 319 seconds (alone 45).
"""

import json
import os
import platform
import re
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from snakemake_interface_logger_plugins.common import LogEvent

from bayling_study.commands.running import costs
from bayling_study.commands.running import run as run_module
from bayling_study.commands.running.estimate import Estimate, Running
from bayling_study.commands.running.meters import read_meter
from bayling_study.commands.running.run import Run, clock, to_go
from bayling_study.dag.shapes import Model
from bayling_study.shared.sizing.shape import Shape
from helpers import ROOT
from helpers.tiny import study

RECORDED = Path(__file__).parent / "recorded"
BEGUN = {"embedded": "2026-11-28 15:21:56", "idle": "2026-11-28 22:32:01"}
"""When the runs began whose progress was recorded."""
MINUTE = 60.0
"""The unit in which the rest is shown."""
NEEDS = """
download: foundation corpora prompts generation_elsewhere
corpora: prompts comet_segments synthesis
foundation: synthesis masks tuning generation
prompts: synthesis generation generation_elsewhere perplexity
comet_segments: comet_training
comet_training: comet_score
synthesis: masks tuning
masks: tuning
tuning: export generation perplexity
export: generation perplexity
generation: scoring comet_score
generation_elsewhere: scoring
scoring: significance
comet_score: significance
perplexity: report
significance: report
report: track
"""
"""Rule to the rules that need it, as Snakemake draws the studies' graph."""


class Recorded:
    """A run that goes through the messages again, with a clock of its own."""

    def __init__(self, name: str, config: list[Path], root: Path, monkeypatch) -> None:
        rows = (line.split("\t") for line in (RECORDED / f"{name}.tsv").read_text().splitlines())
        self.jobs = [(rule, job, int(start), int(end)) for rule, job, start, end in rows]
        self.length = max(job[3] for job in self.jobs)
        self.logs = root / "logs"
        self.logs.mkdir()
        self.begun = time.mktime(time.strptime(BEGUN.get(name, BEGUN["idle"]), "%Y-%m-%d %H:%M:%S"))
        self.run, self.now = Run(), self.begun
        monkeypatch.setattr(run_module.time, "time", lambda: self.now)
        monkeypatch.setattr(run_module, "cards", dict)
        self.run.take(LogEvent.WORKFLOW_STARTED, {"configfiles": config})
        self.run.take(LogEvent.RESOURCES_INFO, {"cores": 2})
        links = [
            {"sourcerule": before, "targetrule": after}
            for before, line in (row.split(": ") for row in NEEDS.strip().splitlines())
            for after in line.split()
        ]
        self.run.take(LogEvent.RULEGRAPH, {"rulegraph": {"links": links}})
        counts = Counter(job[0] for job in self.jobs)
        self.run.take(LogEvent.RUN_INFO, {"stats": {**counts, "study": 1, "total": 1}})

    def forecasts(self, meters: list[list[str]], step: int) -> list[tuple[float, float]]:
        """Returns what was said to be left, and what was, every ``step`` seconds."""
        events = [(start, 1, n) for n, (_, _, start, _) in enumerate(self.jobs)]
        events += [
            (end, 2 if end == start else 0, n) for n, (*_, start, end) in enumerate(self.jobs)
        ]
        events.sort()
        said = []
        for second in range(0, self.length, step):
            while events and events[0][0] <= second:
                self._happens(*events.pop(0))
            self.now = self.begun + second
            self._write(meters)
            said.append((self.run.left(), self.length - second))
        return said

    def _happens(self, when: int, kind: int, number: int) -> None:
        self.now = self.begun + when
        rule, name, *_ = self.jobs[number]
        if kind != 1:
            assert self.run.take(LogEvent.JOB_FINISHED, {"job_id": number}).startswith("[")
            return
        threads = 2 if rule == "tuning" else 1
        message = {"rule_name": rule, "wildcards": {"system": name} if name else {}}
        log = self.logs / f"{rule}-{name}.log"
        self.run.take(
            LogEvent.JOB_INFO, message | {"jobid": number, "threads": threads, "log": [log]}
        )

    def _write(self, meters: list[list[str]]) -> None:
        while meters and self._time(meters[0]) <= self.now:
            rule, name, line = meters.pop(0)
            with open(self.logs / f"{rule}-{name}.log", "a") as stream:
                stream.write(f"{line}\n")

    @staticmethod
    def _time(meter: list[str]) -> float:
        return time.mktime(time.strptime(meter[2][:19], "%Y-%m-%d %H:%M:%S"))


def embedded(root: Path) -> list[Path]:
    """Returns the embedded study's configuration, with results in a folder of the test.

    There are as many prompts and tokens as in the recorded run.
    """
    overlay = root / "overlay.yaml"
    places = {"results": str(root / "results"), "resources": str(root / "resources")}
    others = {"tuned-fp32": None}  # which the recorded runs did not have
    overlay.write_text(yaml.safe_dump({"study": places, "systems": others}))
    folder = root / "results/embedded"
    for suite, turns in {"translation": [1] * 800, "interactive": [2] * 62 + [3] * 38}.items():
        rows = [
            {"id": str(n), "suite": suite, "item": "a", "languages": {}, "turns": ["x"] * count}
            | {"references": [], "meta": {}}
            for n, count in enumerate(turns)
        ]
        path = folder / f"prompts/{suite}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    record = folder / "runs/synthesis/default.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"metrics": {"tokens.real": 237109}}))
    return [ROOT / "config/config.yaml", overlay]


def worst(said: list[tuple[float, float]]) -> float:
    """Returns the largest error from half of the time on, as a share of what was left.

    An error below half a minute is none: nothing finer is shown.
    """
    late = said[len(said) // 2 :]
    errors = ((abs(guess - left), left) for guess, left in late)
    return max((error / left for error, left in errors if error > MINUTE / 2), default=0.0)


@pytest.mark.parametrize(
    ("name", "steps", "error"),
    # Nobody knows beforehand that other programs will take more from some minute on.
    [("idle", 98, 0.20), ("embedded", 317, 0.55)],
)
def test_the_rest_of_the_embedded_study_is_known(name, steps, error, tmp_path, monkeypatch):
    meters = [line.split("\t") for line in (RECORDED / f"{name}.meters").read_text().splitlines()]
    meters.sort(key=Recorded._time)
    run = Recorded(name, embedded(tmp_path), tmp_path, monkeypatch)
    said = run.forecasts(meters, 10)
    assert len(meters) < 5, "what was written in the last seconds"
    assert len(said) == steps
    assert error - 0.1 < worst(said) < error


@pytest.mark.parametrize("name", ["miniature", "miniature-crowded"])
def test_the_rest_of_short_runs_is_known_to_the_minute(name, tmp_path, monkeypatch):
    config = tmp_path / "tiny.yaml"
    values = study(tmp_path, "tiny", ROOT / "config/sources.tsv")
    for source in ("catalogues", "instructions", "tiny-model"):
        values = json.loads(json.dumps(values).replace(f'"{source}"', '"smollm2"'))
    config.write_text(yaml.safe_dump(values))
    tiny = Model(Shape(64, 2, 4, 2, 16, 128, 1000), "config.json")  # about the one that ran
    monkeypatch.setattr(costs, "foundation_model", lambda layout, system: tiny)
    said = Recorded(name, [config], tmp_path, monkeypatch).forecasts([], 1)
    late = said[len(said) // 2 :]
    assert max(abs(guess - left) for guess, left in late) < MINUTE


def test_the_rest_of_a_replay_is_known_to_the_minute(tmp_path, monkeypatch):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"study": {"results": str(tmp_path / "results")}}))
    files = [ROOT / "config/studies/replay.yaml", overlay]
    said = Recorded("replay", files, tmp_path, monkeypatch).forecasts([], 1)
    assert max(abs(guess - left) for guess, left in said[20:]) < MINUTE


def test_an_earlier_run_on_this_machine_tells_more_than_formulas(tmp_path, monkeypatch):
    files = embedded(tmp_path)
    for rule, name, start, end in Recorded("embedded", files, tmp_path, monkeypatch).jobs:
        if rule in ("tuning", "generation", "perplexity"):
            write_record(tmp_path, rule, name, end - start)
    again = tmp_path / "again"
    again.mkdir()
    run = Recorded("embedded", files, again, monkeypatch)
    assert run.run.left() == pytest.approx(3170, rel=0.2)  # formulas alone say a third of it


def write_record(root: Path, stage: str, name: str, seconds: float, host: str = "") -> None:
    here = {"name": host or platform.node(), "cores": len(os.sched_getaffinity(0))}
    work = {"generation": {"answers": 1038}, "perplexity": {"n": 200}}
    values = {"stage": stage, "name": name, "state": "finished", "start": 0.0, "end": seconds}
    values |= {"host": here, "metrics": work.get(stage, {"tokens": 237109})}
    path = root / f"results/embedded/runs/{stage}/{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values | {"parameters": {}}))


def test_another_machine_and_other_work_are_told_apart(tmp_path, monkeypatch):
    files = embedded(tmp_path)
    write_record(tmp_path, "generation", "tuned", 500.0)
    write_record(tmp_path, "generation", "foundation", 500.0, host="elsewhere")
    path = tmp_path / "results/embedded/prompts/translation.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:281]))  # half of the turns
    costs = Recorded("embedded", files, tmp_path, monkeypatch).run._costs
    assert costs("generation", "tuned") == pytest.approx(250.0)
    assert costs("generation", "foundation") == pytest.approx(4 + 1.25 * 0.15 * 519)
    assert costs("generation", "tuned-int8") == pytest.approx(4 + 1.5 * 0.15 * 519)


def test_gpus_and_schedulers_say_nothing_before_a_model_has_run():
    names = {"tuning": ["a", "b"], "report": [""]}
    estimate = Estimate(lambda rule, name: 100.0, names, {"tuning"}, known=False)
    estimate.waiting = Counter(tuning=2, report=1)
    estimate.needs["report"] = {"tuning"}
    assert estimate.left(0.0, {}) is None
    estimate.begin(1, Running("tuning", "a", 0.0, 1))
    assert estimate.left(5.0, {1: (0.5, 5.0)}) is None  # the other one waits
    estimate.end(1, 10.0)
    # a tenth of what was expected, drawn to it by ten expected seconds; the report as expected
    assert estimate.left(10.0, {}) == pytest.approx(100 * 20 / 110 + 100, rel=0.1)
    estimate.begin(2, Running("tuning", "b", 10.0, 1))
    estimate.fail(2)
    assert estimate.waiting == Counter(tuning=1, report=1)


def test_meters_of_a_log_are_added_up(tmp_path):
    log = tmp_path / "x.log"
    assert read_meter(log) is None
    log.write_text("words\n2026-11-28 15:00:00 checking weights: 1MB of 2MB in 00:01, 1MB/s\n")
    assert read_meter(log) is None
    with open(log, "a") as stream:
        stream.write(
            "2026-11-28 15:00:10 generation a: flores turn 1: 4 of 8 answers in 00:10, x\n"
        )
        stream.write(
            "2026-11-28 15:00:20 generation a: flores turn 1: 8 of 8 answers in 00:20, x\n"
        )
        stream.write(
            "2026-11-28 15:01:20 generation a: flores turn 2: 2 of 8 answers in 1:01:00, 0.1 "
            "answers/s, 2:03:04 left\n"
        )
    found = read_meter(log)
    assert (found.done, found.total, found.seconds, found.left) == (10, 16, 3680.0, 7384.0)
    assert re.match(r"flores turn 2: 2 of 8 answers", found.words)
    assert found.told(0, found.time + 4) == (10 / 16, 7380.0)
    assert found.told(40, found.time) == (0.25, 30 * 368.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (20, "; less than a minute to go"),
        (300, "; about 5 min to go"),
        (5340, "; about 89 min to go"),
        (7380, "; about 2 h 03 min to go"),
        (None, ""),
    ],
)
def test_the_rest_in_words(seconds, text):
    assert to_go(seconds) == text


def test_times_as_on_a_clock():
    assert [clock(245), clock(7445), clock(3)] == ["4:05", "2:04:05", "0:03"]
