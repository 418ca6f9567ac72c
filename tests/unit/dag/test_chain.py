"""The jobs that a training takes on a cluster: counted, allowed, refused and summed."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bayling_study.commands.plan import machine, tables
from bayling_study.config import load_config
from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.dag import chain
from bayling_study.dag.profiles import Profile, ResourceRequest, read_profile
from bayling_study.dag.rules import Dag
from bayling_study.dag.shapes import Model
from bayling_study.shared.sizing.shape import PUBLISHED
from bayling_study.shared.tracking.record import flatten
from helpers import ROOT

SHAPE = PUBLISHED["llama-3-8b-instruct"]
A100 = "NVIDIA A100-SXM4-80GB"


class Trainings:
    """A study whose neighbours have trained, as far as the plan of hours asks."""

    def __init__(self, folder: Path) -> None:
        self.study = folder / "this"
        self.config = self
        self.tuning = TuningSection()
        self.written = TuningSection(budget_minutes=100)
        self.tokens = 8.0 * 8 * 200 * 60

    def names(self, kind: type) -> list[str]:
        return ["tuned"]

    def untuned(self, system: str) -> str:
        return "foundation"

    def mixture(self, system: str) -> SimpleNamespace:
        return SimpleNamespace(conversations=1000)

    def checkpoint(self, system: str) -> Path:
        return Path("resources/foundation/llama-1234")

    def tuning_of(self, system: str) -> TuningSection:
        return self.written

    def record(self, name, speed, device, processes=2, foundation="llama-1234", **settings):
        """Writes a run record, newer than those before."""
        path = self.study.parent / name / "runs" / "tuning" / "tuned.json"
        path.parent.mkdir(parents=True)
        section = TuningSection.model_validate(settings).model_dump(mode="json")
        parameters = {"processes": processes, **flatten({"tuning": section})}
        parameters |= {"device": device} if device else {}
        record = {
            "inputs": {"foundation": {"path": f"resources/foundation/{foundation}"}},
            "parameters": parameters,
            "history": [{"values": {"real_tokens_per_second": speed}}],
        }
        path.write_text(json.dumps(record))
        age = len(list(self.study.parent.glob("*")))
        os.utime(path, (age, age))

    def rate(self, **asked) -> float | None:
        found = chain.similar(self, "tuned", ResourceRequest(**asked))
        return None if found is None else found.tokens_per_second


def test_a_measured_rate_is_of_the_same_foundation_device_and_settings(tmp_path):
    made = Trainings(tmp_path)
    made.record("one", 900.0, A100)
    made.record("other", 100.0, A100, foundation="other-5678")
    made.record("thin", 200.0, A100, adapter={"kind": "lora"})
    made.record("exact", 300.0, A100, precision="fp32")
    made.record("unnamed", 400.0, None)
    made.record("cores", 20.0, "cpu", processes=1)
    assert made.rate(gpus=8) == made.rate(gpus=8, gpu_type="a100") == 450.0
    assert made.rate(gpus=8, gpu_type="h100") is None
    assert made.rate() == 20.0
    made.written = TuningSection.model_validate({"adapter": {"kind": "lora"}})
    assert made.rate(gpus=8) == 100.0


def test_the_rate_of_as_many_processes_comes_before_a_newer_one(tmp_path):
    made = Trainings(tmp_path)
    made.record("eight", 800.0, A100, processes=8)
    made.record("two", 240.0, A100)
    made.record("four", 420.0, A100, processes=4)
    assert made.rate(gpus=8) == 100.0
    assert made.rate(gpus=16) == 105.0  # the newest


@pytest.fixture
def made(tmp_path, monkeypatch) -> Trainings:
    """Trains two hundred minutes at 8 tokens a second and process on eight cards."""
    made = Trainings(tmp_path)
    made.record("one", 2 * 8.0, A100)
    tokens, epochs = 8.0 * 8 * 200 * 60, made.written.epochs
    monkeypatch.setattr(chain, "mixture_tokens", lambda layout, system: (tokens / epochs, True))
    known = {"tuned": Model(SHAPE, "table")}
    monkeypatch.setattr(chain, "study_models", lambda layout: known)
    return made


@pytest.mark.parametrize(
    ("budget", "limit", "jobs"), [(None, 100, 3), (50.0, 100, 4), (None, 0, 1), (500.0, 0, 1)]
)
def test_a_chain_has_the_jobs_that_stop_before_limit_and_budget(made, budget, limit, jobs):
    """Two hundred minutes in jobs of 95, for 5 % of the limit are kept, or of the budget."""
    made.written = TuningSection(budget_minutes=budget)
    found = chain.chain(made, "tuned", SHAPE, ResourceRequest(gpus=8, minutes=limit))
    assert (round(found.device_hours, 1), round(found.hours, 1)) == (26.7, 3.3)
    assert found.jobs == jobs and f"2 x {A100}" in found.basis
    line = tables.chain_table({"tuned": found}, 7).splitlines()[-1]
    assert re.split(r"  +", line.strip())[:4] == ["tuned", "26.7", "3.3", f"{jobs} of 7"]


def test_auto_allows_the_planned_jobs_and_some_in_reserve(made):
    asked = ResourceRequest(gpus=8, minutes=50)
    made.written = TuningSection()
    assert chain.chain(made, "tuned", SHAPE, asked).jobs == 5
    assert chain.attempts(made, asked) == 5 + 2  # of a measured speed
    unmeasured = chain.chain(made, "tuned", SHAPE, replace(asked, gpu_type="h100"))
    flops = 6 * SHAPE.parameters() * 8.0 * 8 * 200 * 60
    assert unmeasured.device_hours == pytest.approx(flops / (0.4 * 312e12) / 3600)
    assert unmeasured._replace(jobs=18).allowed == 27 + 2
    assert chain.attempts(made, ResourceRequest()) == 3  # no limit, and the speed of no device
    made.tuning = TuningSection(attempts=7)
    assert chain.attempts(made, asked) == 7


def test_a_training_of_more_jobs_than_it_may_take_is_refused_with_the_number(made):
    made.written = TuningSection()
    found = {"tuned": chain.chain(made, "tuned", SHAPE, ResourceRequest(gpus=8, minutes=50))}
    machine.check_attempts(found, 5)
    with pytest.raises(
        StudyError, match=r"takes 5 jobs of 48 minutes .*and 4 are allowed"
    ) as error:
        machine.check_attempts(found, 4)
    assert error.value.fix is not None and "tuning: {attempts: 7}" in error.value.fix


def test_the_sums_hold_all_jobs_of_a_training(made):
    values = {"slurm_partition": "gpu", "gpu": 8, "runtime": 50}
    resources = {"tuning": values, "generation": {**values, "gpu": 1, "runtime": 120}}
    profile = Profile(Path("p"), "slurm", {
        "set-resources": resources, "default-resources": {"slurm_partition": "cpu"}
    })  # fmt: skip
    made.written = TuningSection()
    counts = {"download": 3, "corpora": 1, "tuning": 1, "generation": 2}
    found = {"tuned": chain.chain(made, "tuned", SHAPE, profile.request("tuning"))}
    lines = [line.split() for line in tables.partition_tables(profile, counts, found).splitlines()]
    assert ["(here)", "3", "0"] in lines and ["cpu", "1", "0"] in lines
    assert ["gpu", "7", "31"] in lines  # five jobs of 26.7 hours in all, and two times two hours
    assert ["all", "11", "31"] in lines
    assert any(line[:2] == ["tuning", "5"] and line[-1] == "27" for line in lines)
    assert any(line[:2] == ["generation", "2"] and line[-2:] == ["<=", "4"] for line in lines)


def test_the_workflow_allows_what_the_plan_says():
    """``attempts: auto`` of a study of 1,054 device hours, with the SLURM profile's limits."""
    dag = Dag(load_config(ROOT / "config" / "studies" / "bayling-2-8b.yaml"))
    profile = read_profile(ROOT / "config" / "profiles" / "slurm")
    planned = chain.attempts(dag.layout, profile.request("tuning"))
    assert planned == int(18 * 1.5) + 2
    limits = {"tuning": {"gpu": 8, "runtime": 480}}
    settings = SimpleNamespace(overwrite_resources=limits, default_resources=None)
    assert dag.tuning_attempts(settings) == planned
    assert dag.tuning_attempts(None) == 3
