"""The time and memory of a study on this machine: measured once, by stage, beside the records."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bayling_study.commands.plan import probe
from bayling_study.commands.plan.jobs import job_counts, job_names
from bayling_study.commands.plan.machine import (
    Machine,
    check_memory,
    gpu_here,
    this_machine,
    tuning_plan,
)
from bayling_study.commands.plan.probe import Speed
from bayling_study.commands.plan.tables import here_table
from bayling_study.commands.plan.work import Job, Work, schedule
from bayling_study.config import load_config
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.dag.rules import Dag
from bayling_study.shared.sizing.choice import Budget
from bayling_study.shared.sizing.shape import PUBLISHED
from bayling_study.shared.sizing.speed import model_flops
from helpers import ROOT

SPEED = Speed(products=440e9, steps=220e9, python=5.5e6, cores=2)
"""Of two cores of an AMD EPYC of 2024, as the probe measured them."""
CORPUS_BYTES = 56_400_000
SHAPE = PUBLISHED["smollm2"]
GIB = 1 << 30


def embedded(folder: Path, **tuning: object) -> Dag:
    override = folder / "here.yaml"
    write_json(override, {"study": {"results": str(folder)}, "tuning": tuning})
    return Dag(load_config(ROOT / "config" / "config.yaml", override))


def work(dag: Dag, speed: Speed = SPEED) -> dict[str, Job]:
    shapes = dict.fromkeys(dag.layout.config.systems, SHAPE)
    return {job.key: job for job in Work(dag, shapes, speed).jobs(CORPUS_BYTES)}


def test_the_speed_is_measured_once_and_kept_for_this_machine_and_torch(tmp_path, monkeypatch):
    calls: list[int] = []
    monkeypatch.setattr(probe, "measured", lambda cores: calls.append(cores) or SPEED)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert probe.speed() == probe.speed() == SPEED
    assert len(calls) == 1 and len(list((tmp_path / "bayling-study").iterdir())) == 1
    monkeypatch.setattr(probe.metadata, "version", lambda package: "another")
    probe.speed()
    monkeypatch.setattr(probe.platform, "node", lambda: "another machine")
    probe.speed()
    assert len(calls) == 3
    (tmp_path / "file").touch()  # no folder can be made below it
    assert probe.speed(tmp_path / "file" / "cache") == SPEED


def test_the_probe_measures_on_one_thread_and_leaves_torch_as_it_was(monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 0.02)
    before = torch.get_num_threads()
    found = probe.measured(3)
    assert found.cores == 3 and torch.get_num_threads() == before
    assert 1e8 < found.products < 1e14 and 1e8 < found.steps < 1e14
    assert 1e4 < found.python < 1e9


def test_jobs_run_side_by_side_as_inputs_and_cores_allow():
    jobs = [
        Job("corpora", "c", (), 10.0),
        Job("generation", "first", (), 40.0),
        Job("tuning", "t", ("corpora/c", "elsewhere/x"), 100.0, cores=2),
        Job("generation", "second", ("tuning/t",), 30.0),
        Job("harness", "h", ("tuning/t",), None),
        Job("export", "e", ("tuning/t",), 20.0),
    ]
    # corpora and the first answers together, training alone from 40 to 140, then two again
    assert schedule(jobs, 2) == 170.0
    assert schedule(jobs, 3) == 140.0


def test_each_stage_of_the_embedded_study_takes_its_work_at_the_measured_speed(tmp_path):
    jobs = work(embedded(tmp_path))
    tokens = 0.68 * 2000 * (0.55 * 144 + 0.3 * 256 + 0.05 * 160 + 0.1 * 112)
    flops = model_flops(
        SHAPE, round(0.72 * tokens), round(0.23 * tokens), round(tokens * tokens / 2000)
    )
    start = 80e6 / SPEED.python
    training = jobs["tuning/tuned"]
    assert (
        training.seconds == pytest.approx(start + flops / (440e9 * 2 * 0.52))
        and training.cores == 2
    )
    assert 4.5 < training.seconds / 60 < 7  # 5.4 minutes on idle cores
    seconds = {key: job.seconds or 0.0 for key, job in jobs.items()}
    assert seconds["generation/tuned"] < seconds["generation/foundation"]  # it ends its answers
    # processor time of these jobs on the same cores, of all answers from a fifth of them
    measured = {
        **{"corpora/corpora": 9.2, "prompts/interactive": 4.7, "synthesis/default": 17.2},
        **{"masks/tuned": 5.2, "generation/foundation": 190, "comet_training/training": 65.6},
        **{"perplexity/tuned-int8": 50},
    }
    for key, took in measured.items():
        assert seconds[key] == pytest.approx(took, rel=0.25), key
    assert 10 < schedule(list(jobs.values()), 2) / 60 < 15  # 12 minutes on idle cores
    half = work(embedded(tmp_path), Speed(220e9, 110e9, 2.75e6, 2))
    assert schedule(list(half.values()), 2) == pytest.approx(2 * schedule(list(jobs.values()), 2))


def test_what_the_mixture_holds_counts_once_it_is_known(tmp_path):
    dag = embedded(tmp_path, max_steps=25)
    few = work(dag)["tuning/tuned"].seconds or 0.0
    all_steps = work(embedded(tmp_path))["tuning/tuned"].seconds or 0.0
    start = 80e6 / SPEED.python
    assert (few - start) / (all_steps - start) == pytest.approx(25 / 125, rel=0.02)
    record = tmp_path / "embedded" / "runs" / "synthesis" / "default.json"
    write_json(record, {"metrics": {"tokens.real": 2 * 238_272}})
    assert (work(embedded(tmp_path))["tuning/tuned"].seconds or 0.0) > 1.9 * all_steps


@pytest.mark.parametrize(("steps", "gib"), [(24, 5.13), (125, 5.66)])
def test_the_memory_of_training_is_that_of_real_runs(tmp_path, steps, gib):
    """The peaks of the training process in a run of the embedded study."""
    dag = embedded(tmp_path, max_steps=steps)
    here = tuning_plan(dag.layout, "tuned", SHAPE, Budget(1, 1, None, 24 * GIB))
    assert here.memory.resident / GIB == pytest.approx(gib, rel=0.1)
    on_gpu = tuning_plan(dag.layout, "tuned", SHAPE, Budget(1, 1, 80 * GIB, 24 * GIB))
    assert on_gpu.memory.holes == 0  # torch's own allocator


def test_a_machine_without_the_memory_that_training_really_takes_is_refused(tmp_path):
    dag = embedded(tmp_path)
    for gib, fits in ((8, True), (5, False)):
        where = Machine("cores", Budget(1, 1, None, gib * GIB))
        tuning = tuning_plan(dag.layout, "tuned", SHAPE, where.budget)
        assert where.budget.holds(tuning.memory) == fits
        if not fits:
            with pytest.raises(StudyError, match=r"need 5\.\d GiB"):
                check_memory(where, tuning)


def test_the_table_shows_plan_and_records_and_says_what_is_not_known(tmp_path):
    dag = embedded(tmp_path)
    runs = tmp_path / "embedded" / "runs"
    record = {
        "state": "finished",
        "start": 60.0,
        "end": 660.0,
        "host": {"peak_memory_bytes": 6 * GIB},
    }
    write_json(runs / "tuning" / "tuned.json", record)
    write_json(runs / "comet" / "score.json", {**record, "start": 700.0, "end": 760.0})
    write_json(runs / "synthesis" / "default.json", {"state": "failed", "metrics": {}})
    jobs = list(work(dag).values())
    text = here_table(dag.layout.study, jobs, job_counts(dag), SPEED, 6.3)
    rows = {line.split("  ")[1]: line.split() for line in text.splitlines()[2:]}
    assert rows["tuning"][-5:] == ["6.3", "GiB", "10.0", "6.0", "GiB"]
    assert rows["comet_score"][-3:] == ["1.0", "6.0", "GiB"]
    assert rows["synthesis"][-2:] == ["-", "-"]
    assert rows["download"][2] == "network"
    assert "unknown" not in text
    assert rows["all, jobs side by side"][-1] == "11.7"
    large = Dag(load_config(ROOT / "config" / "studies" / "bayling-2-8b.yaml"))
    shapes = dict.fromkeys(large.layout.config.systems, PUBLISHED["llama-3-8b-instruct"])
    jobs = Work(large, shapes, SPEED).jobs(CORPUS_BYTES)
    text = here_table(large.layout.study, jobs, job_counts(large), SPEED, 50.0)
    assert "job(s) of unknown length" in text.splitlines()[0]
    unknown = {line.split()[0] for line in text.splitlines() if "unknown" in line.split()}
    assert {"harness", "comet_score"} <= unknown and "tuning" not in unknown


def test_the_time_here_is_of_the_jobs_that_the_study_has(tmp_path):
    override = tmp_path / "given.yaml"
    write_json(override, {"study": {"results": str(tmp_path)}, "comet": {"path": "given.ckpt"}})
    given = Dag(load_config(ROOT / "config" / "config.yaml", override))
    for dag in (embedded(tmp_path), given):
        jobs = work(dag)
        assert {job.rule for job in jobs.values()} == {*job_names(dag)} - {"download", "foundation"}
    assert jobs["comet_score/score"].seconds is None, "a checkpoint of somebody's: unknown"


@pytest.mark.parametrize(
    ("file", "found"), [("nvidia0", True), ("kfd", True), ("dxg", True), ("nvidia-caps", False)]
)
def test_a_gpu_is_told_by_the_files_of_its_driver(tmp_path, file, found):
    assert not gpu_here(tmp_path)
    (tmp_path / file).touch()
    assert gpu_here(tmp_path) == found


@pytest.mark.skipif(gpu_here(), reason="torch tells the memory of a GPU")
def test_a_plan_without_a_gpu_needs_no_torch_once_the_speed_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(probe, "measured", lambda cores: SPEED)
    probe.speed()
    assert "no GPU" in this_machine(None).name
    code = (
        "import sys; from bayling_study.commands.plan.__main__ import main; main(); "
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "--study-config", "config/config.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "2 cores of 440 GFLOP/s" in done.stdout


def test_the_analysis_of_hidden_states_is_planned(tmp_path):
    override = tmp_path / "here.yaml"
    section = {"languages": ["zh", "de"], "segments": 100}
    write_json(override, {"study": {"results": str(tmp_path)}, "probing": section})
    dag = Dag(load_config(ROOT / "config" / "config.yaml", override))
    jobs = work(dag)
    names = [name for name in jobs if name.startswith("probing/")]
    assert names == ["probing/foundation", "probing/tuned", "probing/tuned-int8"]
    assert len(names) == job_counts(dag)["probing"]
    assert jobs["probing/tuned"].needs == ("tuning/tuned", "corpora/corpora")
    assert jobs["probing/foundation"].needs == ("corpora/corpora",)
    assert 10 < jobs["probing/foundation"].seconds < 120  # 56 s of processor time as measured
