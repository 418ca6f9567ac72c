"""What is done to the study on Grid Engine, and what must come of it."""

from __future__ import annotations

import os
import time
from collections import Counter

import psutil
from slurm.study import Run
from slurm.table import Table

from gridengine.cluster import GPUS, HOSTS, Cluster
from gridengine.study import THREADS, GridStudy, accounted, await_job, host_of, jobs
from slurm.cluster import output, read, wait
from slurm.scenes import compare, configured, program

LEAN = {"corpora": {"mem_mb": "100 if attempt == 1 else 4000"}}
"""A first attempt that cannot succeed: Python alone maps more than 100 MB."""
PROBE = ("MLFLOW_PROBE", "a value with spaces")


def counted(table: Table) -> None:
    """Asks for all GPUs three times, and for more than there are."""
    with table.point("GPUs are counted: a third job waits for cards, too many never start"):
        ask = ["qsub", "-terse", "-q", "gpu.q", "-b", "y", "-o", "/dev/null", "-j", "y"]
        numbers = [output(*ask, "-l", f"gpu={GPUS}", "sleep", "60").strip() for _ in range(3)]
        wait(lambda: output("qstat").count(" r ") == 2, "two jobs", 60)
        time.sleep(5)
        assert output("qstat").count(" qw ") == 1, output("qstat")
        told = output("qsub", "-w", "v", *ask[1:], "-l", f"gpu={GPUS + 1}", "sleep", "60")
        output("qdel", *numbers)
        assert "no suitable queues" in told, told
        wait(lambda: not output("qstat").strip(), "an empty queue", 60)


def disturbed(cluster: Cluster, study: GridStudy, table: Table, same: dict[str, str]) -> None:
    """Runs the study while everything goes wrong, and compares the result."""
    os.environ[PROBE[0]] = PROBE[1]
    options = ["--profile", str(study.profile("disturbed", **LEAN))]
    run = study.start("disturbed", *options)
    await_job("tuning")
    study.trained_on()
    with table.point("the environment of the shell reaches the jobs"):
        assert PROBE[1] in [p.environ().get(PROBE[0]) for p in training()]
    table.show("make status", program(study, "bayling_study.commands.status", *configured(study)))
    with table.point("a deleted training (qdel) goes on in the next job"):
        number, steps = jobs("tuning")[0], study.steps()
        output("qdel", number)
        wait(lambda: jobs("tuning") and jobs("tuning")[0] != number, "the next job", 300)
        study.trained_on()
        table.note(f"job {number} at step {steps}, then job {jobs('tuning')[0]}")
    with table.point("a training that an urgent job suspends goes on after it"):
        suspended(study)
    with table.point("a training that is sent back to the queue (qmod -rj) goes on"):
        number = jobs("tuning")[0]
        output("qmod", "-rj", number)
        study.trained_on()
        assert jobs("tuning")[0] == number, "a requeued job keeps its number"
    with table.point("a host goes down under a training: it goes on on the other"):
        broken = host_of("tuning")
        cluster.down(broken)
        wait(lambda: host_of("tuning") not in ("", broken), "the other host", 120)
        study.trained_on()
        table.note(f"{broken}, then {host_of('tuning')}")
        cluster.up(broken)
    run = killed(study, run, options, table)
    with table.point("Snakemake killed with -9 and started again finishes the study"):
        assert run.wait() == 0, read(run.log)[-2000:]
    accounts(table)
    with table.point("results are bit-equal to those of the undisturbed run"):
        compare(same, study.hashes())
        table.note(f"{len(same)} files")


def training() -> list[psutil.Process]:
    """Returns the processes of a training."""
    known = psutil.process_iter(["cmdline"])
    return [p for p in known if "bayling_study.stages.tuning" in (p.info["cmdline"] or [])]


def suspended(study: GridStudy) -> None:
    """Lets an urgent job take the training's host for some seconds."""
    number, place = jobs("tuning")[0], host_of("tuning")
    urgent = ["qsub", "-q", f"urgent.q@{place}", "-b", "y", "-o", "/dev/null", "-j", "y"]
    output(*urgent, "sleep", "15")
    await_job("tuning", "S")
    before = study.steps()
    time.sleep(5)
    assert study.steps() == before, "a suspended training does no steps"
    study.trained_on()
    assert jobs("tuning") == [number]


def killed(study: GridStudy, run: Run, options: list[str], table: Table) -> Run:
    """Kills Snakemake during the training and starts it again as ``make resume`` does."""
    number = jobs("tuning")[0]
    run.kill()
    with table.point("its jobs go on without it, and are cancelled before a new start"):
        other = output("qsub", "-terse", "-b", "y", "-N", "tuning_other", "-o", "/dev/null",
                       "-j", "y", "sleep", "600").strip()  # fmt: skip
        time.sleep(3)
        assert number in jobs("tuning"), "the orphan runs on"
        cancel = ["bayling_study.commands.status.cancel", "--study", "tiny", *options]
        text = program(study, *cancel)
        table.show("make resume", text)
        assert f"cancelling job {number}" in text and jobs("tuning") == [other], text
        output("qdel", other)
    unlock = study.start("unlock", *options, "--unlock")
    assert unlock.wait(240) == 0
    return study.start("resumed", *options)


def accounts(table: Table) -> None:
    """Compares what the accounting has with what the profile asks for."""
    rows = accounted()
    lines = [
        f"{row.number:4} {row.rule:22} {row.host:5} {row.slots:3} {row.failed[:28]:28} "
        f"{row.status:3} {row.asked}"
        for row in rows
    ]
    table.show("qacct", "\n".join(lines))
    with table.point("a job that runs out of memory is sent again with more"):
        seen = [row for row in rows if row.rule == "corpora"]
        assert [row.status == 0 for row in seen] == [False, True], seen
        assert "h_vmem=100M" in seen[0].asked and "h_vmem=4000M" in seen[1].asked, seen
        table.note("100 MB, then 4000 MB")
    with table.point("jobs reserve the threads, memory and GPUs asked for"):
        trained = [row for row in rows if row.rule == "tuning"]
        assert {row.slots for row in trained} == {THREADS}, trained
        assert all(f"gpu={GPUS}" in row.asked for row in trained), trained
        assert f"h_vmem={256000 // THREADS}M" in trained[0].asked, trained[0]
        assert {row.host for row in rows} == {*HOSTS}
        table.note(trained[0].asked)
    with table.point("finished work is not repeated"):
        done = Counter(row.rule for row in rows if not row.status and row.failed.split()[0] == "0")
        table.note(f"{sum(done.values())} jobs of {len(done)} rules")
