"""A study's jobs in Grid Engine's queue, and how they are ended."""

import stat
import time
from pathlib import Path

import pytest

from bayling_study.commands.status import cancel
from bayling_study.commands.status.queues import queued, sge_jobs
from bayling_study.core.errors import StudyError
from helpers import ROOT

SGE = ("--study", "tiny", "--profile", str(ROOT / "config" / "profiles" / "sge"))
JOB = """<job_list state="{kind}"><JB_job_number>{number}</JB_job_number><JB_name>{name}</JB_name>
<JB_owner>me</JB_owner><state>{state}</state>{start}<queue_name>{queue}</queue_name></job_list>"""
START = "<JAT_start_time>{}</JAT_start_time>"
LINES = """==============================================================
job_number:                 {number}
sge_o_workdir:              {folder}
cwd:                        {folder}/.snakemake/sge_logs
hard resource_list:         gpu=8,h_rt=28800,h_vmem=8000M
job_name:                   {name}
context:                    {context}
"""


@pytest.fixture
def cell(tmp_path, monkeypatch):
    """A qstat as that of Grid Engine 8.1.9 answers; qdel empties the queue."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for needed in ("bash", "which"):  # by Snakemake, which reads profiles
        (folder / needed).symlink_to(f"/usr/bin/{needed}")
    programs = {
        "qconf": "exit 0",
        "qstat": f'case "$1" in -j) /bin/cat {folder}/text$2 ;; *) /bin/cat {folder}/xml ;; esac',
        "qdel": f'echo "deleted $@"; echo "<job_info/>" > {folder}/xml',
    }
    for name, line in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(tmp_path)

    def write(*jobs: dict[str, str]) -> None:
        listed = "".join(JOB.format(**job) for job in jobs)
        (folder / "xml").write_text(f"<job_info><queue_info>{listed}</queue_info></job_info>")
        for job in jobs:
            (folder / f"text{job['number']}").write_text(LINES.format(**job))

    write()
    return write


def job(number: int, folder: Path, study: str = "tiny", state: str = "r") -> dict[str, str]:
    runs = state != "qw"
    start = START.format(time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 90)))
    return {
        "number": str(number),
        "name": "comet_score_1d992be0",
        "state": state,
        "kind": "running" if runs else "pending",
        "start": start if runs else "",
        "queue": "gpu.q@n1" if runs else "",
        "folder": str(folder),
        "context": f"other=1,bayling_study={study}",
    }


def test_only_the_studys_own_jobs_in_this_folder_are_its_queue(tmp_path, cell):
    other = tmp_path / "clone"
    cell(job(7, tmp_path), job(8, tmp_path, "tiny2"), job(9, other), job(10, tmp_path, state="qw"))
    (runs, waits), _ = queued("tiny", tmp_path)
    assert (runs.number, runs.rule, runs.state) == ("7", "comet_score", "running (r)")
    assert (runs.nodes, runs.limit) == (
        "n1",
        "gpu=8,h_rt=28800,h_vmem=8000M",
    ) and runs.time.startswith("since 20")
    assert (waits.number, waits.state, waits.nodes) == ("10", "pending (qw)", "")


def test_resume_deletes_exactly_these(tmp_path, cell, monkeypatch, capfd):
    cell(job(7, tmp_path), job(8, tmp_path, "tiny2"), job(9, tmp_path / "clone"))
    monkeypatch.setattr("sys.argv", ["cancel", *SGE])
    cancel.main()
    text = capfd.readouterr().out
    assert "deleted 7\n" in text and "1 jobs of tiny cancelled" in text


def test_jobs_that_end_between_two_questions_are_gone(tmp_path, cell):
    cell(job(7, tmp_path))
    gone = "*) /bin/cat xml ;; esac"
    script = f'case "$1" in -j) echo "Following jobs do not exist: 7" >&2; exit 1 ;; {gone}'
    (tmp_path / "bin" / "qstat").write_text(f"#!/bin/sh\ncd {tmp_path}/bin\n{script}\n")
    assert sge_jobs("tiny", tmp_path) == []


def test_a_master_that_does_not_answer_is_no_empty_queue(tmp_path, cell, monkeypatch):
    (tmp_path / "bin" / "qstat").write_text(
        "#!/bin/sh\necho unable to contact qmaster >&2; exit 1\n"
    )
    monkeypatch.setattr("sys.argv", ["cancel", *SGE])
    with pytest.raises(StudyError, match="unable to contact qmaster"):
        cancel.main()


def test_the_qstat_of_pbs_is_not_asked(tmp_path, cell):
    (tmp_path / "bin" / "qconf").unlink()
    (tmp_path / "bin" / "qstat").write_text("#!/bin/sh\necho illegal option >&2; exit 2\n")
    assert queued("tiny", tmp_path) == (None, [])


def test_jobs_that_the_profile_does_not_mark_are_not_taken_for_gone(tmp_path, cell, monkeypatch):
    unmarked = tmp_path / "profile"
    unmarked.mkdir()
    (unmarked / "config.yaml").write_text("executor: sge\ndefault-resources: {mem_mb: 1}\n")
    monkeypatch.setattr("sys.argv", ["cancel", "--study", "tiny", "--profile", str(unmarked)])
    with pytest.raises(StudyError, match="without sge_extra") as caught:
        cancel.main()
    assert "qdel" in caught.value.render() and "GONE=yes" in caught.value.render()
