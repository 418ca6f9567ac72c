"""A study's jobs in HTCondor's queue, and how they are ended."""

import os
import stat
import subprocess

import pytest

from bayling_study.commands.status import cancel
from bayling_study.commands.status.queues import SCHEDULERS, condor_jobs
from bayling_study.core.errors import StudyError
from helpers import ROOT

MINE = "7.0\ttuning\trunning\t40\t8:00:00\tslot1_1@n1\tin turn\n"
HELD = "8.0\tcomet_score\theld\t0\t2:00:00\t\tmemory\tusage\nexceeded\n"
REMOVED = MINE.replace("running", "removed")


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """A condor_q that writes down what it was asked; condor_rm makes its jobs go."""
    answer, asked, folder = tmp_path / "answer", tmp_path / "asked", tmp_path / "bin"
    folder.mkdir()
    lines = {
        "condor_q": f'printf "%s\\n" "$@" > {asked}; cat {answer}',
        "condor_rm": f'echo "removed $@"; : > {answer}',
    }
    for name, line in lines.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin:/usr/bin")
    monkeypatch.chdir(tmp_path)

    def write(*jobs: str) -> None:
        answer.write_text("".join(jobs))

    write()
    return write


def resume(monkeypatch, *options: str) -> None:
    monkeypatch.setattr("sys.argv", ["cancel", "--study", "tiny", *options])
    cancel.main()


HTCONDOR = ("--profile", str(ROOT / "config" / "profiles" / "htcondor"))


def test_the_queue_is_asked_for_one_study_in_one_folder(tmp_path, pool):
    pool(MINE, HELD)
    jobs = condor_jobs('ti"ny', tmp_path)
    assert [(job.number, job.rule, job.state) for job in jobs] == [
        ("7.0", "tuning", "running"),
        ("8.0", "comet_score", "held"),
    ]
    assert jobs[0].nodes == "slot1_1@n1" and jobs[0].limit == "8:00:00"
    assert not jobs[1].nodes and jobs[1].reason == "memory\tusage"
    words = (tmp_path / "asked").read_text().splitlines()
    constraint = words[words.index("-constraint") + 1]
    assert constraint == f'BaylingStudy =?= "ti\\"ny" && Iwd =?= "{tmp_path.resolve()}"'


def test_resume_removes_exactly_these(pool, monkeypatch, capfd):
    pool(MINE, HELD)
    resume(monkeypatch, *HTCONDOR)
    text = capfd.readouterr().out
    assert "removed 7.0 8.0\n" in text and "2 jobs of tiny cancelled" in text


def test_resume_waits_until_a_removed_job_has_ended(tmp_path, pool, monkeypatch, capfd):
    pool(MINE)
    (tmp_path / "bin" / "condor_rm").write_text("#!/bin/sh\n")  # it still saves
    waits = []

    def sleep(seconds: float) -> None:
        if seconds < cancel.POLL_SECONDS:
            return  # subprocess, which waits for a program that does not end at once
        waits.append(seconds)
        pool(*([REMOVED] if len(waits) < 3 else []))

    monkeypatch.setattr("time.sleep", sleep)
    resume(monkeypatch, *HTCONDOR)
    assert len(waits) == 3


def test_resume_ends_with_an_error_where_a_job_stays(tmp_path, pool, monkeypatch):
    pool(REMOVED)
    (tmp_path / "bin" / "condor_rm").write_text("#!/bin/sh\n")
    times = iter(range(0, 10_000, 400))
    monkeypatch.setattr("time.monotonic", lambda: float(next(times)))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(StudyError, match="1 jobs are still in the queue after 900 s") as caught:
        cancel.cancel("tiny", SCHEDULERS["htcondor"])
    assert "7.0, removed" in caught.value.render()


def test_a_queue_that_is_out_of_reach_is_not_empty(tmp_path, pool, monkeypatch):
    (tmp_path / "bin" / "condor_q").write_text("#!/bin/sh\necho no schedd >&2; exit 1\n")
    with pytest.raises(StudyError, match="no schedd"):
        resume(monkeypatch, *HTCONDOR)


def test_jobs_that_the_profile_does_not_mark_are_not_taken_for_gone(tmp_path, pool, monkeypatch):
    unmarked = tmp_path / "profile"
    unmarked.mkdir()
    (unmarked / "config.yaml").write_text("executor: htcondor\ndefault-resources: {mem_mb: 1}\n")
    with pytest.raises(StudyError, match="without classad_BaylingStudy") as caught:
        resume(monkeypatch, "--profile", str(unmarked))
    assert "condor_q" in caught.value.render() and "GONE=yes" in caught.value.render()
    resume(monkeypatch, "--profile", str(unmarked), "--gone")


@pytest.mark.parametrize(
    ("file", "executor", "named"),
    [
        ("config.yaml", "slurm", True),
        ("config.v8+.yaml", "slurm", True),
        ("config.yaml", "htcondor", False),
        ("config.yaml", "slurm-jobstep", False),
    ],
)
def test_jobs_of_any_slurm_profile_bear_the_name_that_resume_looks_for(
    tmp_path, file, executor, named
):
    folder = tmp_path / "config" / "profiles" / "ours"
    folder.mkdir(parents=True)
    (folder / file).write_text(f"executor: {executor}\njobs: 1\n")
    make = ["make", "-n", "-f", str(ROOT / "Makefile"), "resume", "STUDY=tiny", "PROFILE=ours"]
    said = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True).stdout
    assert "snakemake" in said
    assert ("--slurm-jobname-prefix bayling_tiny" in said) == named
