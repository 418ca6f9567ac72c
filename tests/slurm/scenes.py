"""What is done to the study on the cluster, and what must come of it."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter

import yaml

from clusters.scenes import (
    compare,
    configured,
    forget,
    hang,
    program,
)
from clusters.study import Run, Study
from clusters.table import Table
from clusters.tools import output, read, wait
from slurm.cluster import GPUS, NODES, Cluster
from slurm.jobs import accounted, await_job, job, node_of

PREFIX = "bayling_tiny"
LEAN = {
    "corpora": {"mem_mb": "150 if attempt == 1 else 4000"},
    "prompts": {"runtime": "1 if attempt == 1 else 30"},
}
"""First attempts that cannot succeed: Python alone takes more than 150 MB; one minute is too
short for a job that hangs."""


def disturbed(cluster: Cluster, study: Study, table: Table, reference: dict[str, str]) -> None:
    """Runs the study while everything goes wrong, and compares the result."""
    options = ["--profile", str(study.profile("disturbed", **LEAN))]
    options += ["--slurm-jobname-prefix", PREFIX]
    run = study.start("disturbed", *options)
    hang("bayling_study.stages.prompts")
    await_job("tuning")
    study.trained_on()
    table.show("make status", program(study, "bayling_study.commands.status", *configured(study)))
    with table.point("a cancelled training (scancel) goes on in the next job"):
        cancelled = job("tuning")
        output("scancel", cancelled)
        again(study, cancelled)
    with table.point("a node goes down under a training: SLURM queues it again, it goes on"):
        broken = node_of(job("tuning"))
        cluster.down(broken)
        number = await_job("tuning", "PENDING")
        output("scontrol", "update", f"JobId={number}", "StartTime=now")  # not after 2 minutes
        study.trained_on()
        assert node_of(job("tuning")) != broken
        cluster.up(broken)
        cluster.resume(broken)
    with table.point("a preempted training is queued again and goes on"):
        number, place = job("tuning"), node_of(job("tuning"))
        urgent = ["sbatch", "-p", "urgent", "-w", place, f"--gpus={GPUS}", "--wrap", "sleep 5"]
        output(*urgent, "--output", "/dev/null")
        wait(lambda: number not in (job("tuning"), ""), "preemption", 240)
        output("scontrol", "update", f"JobId={number}", "StartTime=now")
        study.trained_on()
        assert job("tuning") == number, "a requeued job keeps its number"
    drained = node_of(job("tuning"))
    output("scontrol", "update", f"NodeName={drained}", "State=DRAIN", "Reason=test")
    marker = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 1))
    run = killed(study, run, options, table)
    with table.point("Snakemake killed with -9 and started again finishes the study"):
        assert run.wait() == 0, read(run.log)[-2000:]
    with table.point("no job starts on a drained node"):
        rows = accounted("Comment,Start,NodeList,State")
        late = [row for row in rows if row[1] > marker]
        assert late and all(drained not in row[2] for row in late), rows
        cluster.resume(drained)
    check_retries(table)
    check_once(study, table)
    with table.point("results are bit-equal to those of the undisturbed run"):
        compare(reference, study.hashes())


def again(study: Study, number: str) -> None:
    """Waits until another job of the training has taken over and done some steps."""
    wait(lambda: job("tuning") not in ("", number), "the next job", 240)
    study.trained_on()


def killed(study: Study, run: Run, options: list[str], table: Table) -> Run:
    """Kills Snakemake during the training and starts it again as ``make resume`` does."""
    number = job("tuning")
    run.kill()
    with table.point("its jobs go on without it, and are cancelled before a new start"):
        time.sleep(3)
        assert job("tuning") == number, "the orphan runs on"
        text = program(study, "bayling_study.commands.status.cancel", "--study", "tiny")
        assert f"cancelling job {number}" in text and not job("tuning"), text
    unlock = study.start("unlock", *options, "--unlock")
    assert unlock.wait(240) == 0
    return study.start("resumed", *options)


def check_retries(table: Table) -> None:
    """Compares what first and second attempts asked for."""
    rows = accounted("Comment,State,ReqMem,Timelimit")
    with table.point("a job that runs out of memory is sent again with more"):
        seen = [(state, memory) for rule, state, memory, _ in rows if "corpora" in rule]
        assert [memory for _, memory in seen] == ["150M", "4000M"], seen
        assert seen[0][0] != "COMPLETED" and seen[1][0] == "COMPLETED", seen
        table.note(" -> ".join(f"{memory} {state}" for state, memory in seen))
    with table.point("a job that runs out of time is sent again with more"):
        seen = [(state, limit) for rule, state, _, limit in rows if "prompts" in rule]
        assert ("TIMEOUT", "00:01:00") in seen and ("COMPLETED", "00:30:00") in seen, seen
        table.note("TIMEOUT after 1 min -> COMPLETED, limit 30 min")


def check_once(study: Study, table: Table) -> None:
    """Counts completed jobs: each piece of work was finished once, before or after the kill."""
    rows = accounted("Comment,State")
    with table.point("finished work is not repeated after the restart"):
        done = Counter(rule for rule, state in rows if state == "COMPLETED" and rule)
        assert done and set(done.values()) == {1}, done
        table.note(f"{len(done)} jobs, each completed once")
    with table.point("jobs land on nodes with the resources asked for"):
        rows = accounted("Comment,NodeList,ReqTRES,State")
        trained = [row for row in rows if "rule_tuning" in row[0]]
        assert all(f"gres/gpu={GPUS}" in row[2] for row in trained), trained
        asked = {part for row in trained for part in row[2].split(",") if part.startswith("mem=")}
        assert asked == {"mem=250G", "mem=500000M"}, trained  # later attempts ask for more
        generated = [row for row in rows if "rule_generation" in row[0]]
        assert generated and all("gres/gpu=1" in row[2] for row in generated), generated
        used = {row[1] for row in rows if row[0]}
        assert {*NODES} <= used, used
        table.note(f"tuning {trained[-1][2]} on {trained[-1][1]}")


def chained(study: Study, table: Table, reference: dict[str, str]) -> None:
    """Trains in jobs that are too short for the whole."""
    forget(study)
    before = len(trainings())
    overlay = study.folder / "short.yaml"
    overlay.write_text(yaml.safe_dump({"tuning": {"budget_minutes": 0.6}}))
    with table.point("a training longer than its jobs finishes in several, bit-equal"):
        tuned = study.results / "tuning" / "tuned"
        options = ["--profile", str(study.profile("chained"))]
        run = study.start("chained", *options, str(tuned), config=str(overlay))
        assert run.wait() == 0, read(run.log)[-2000:]
        jobs = len(trainings()) - before
        assert jobs > 1, "one job was enough"
        weights = "tuning/tuned/model.safetensors"
        assert study.hashes()[weights] == reference[weights], "the weights differ"
        table.note(f"{jobs} jobs of 36 seconds")


def two_nodes(study: Study, table: Table) -> None:
    """Trains with one process on each of two nodes."""
    forget(study)
    wide = {"nodes": 2, "tasks": 2, "mpi": "srun", "gres": f"gpu:{GPUS}", "gpu": 0}
    profile = study.profile("wide", tuning={**wide, "tasks_per_gpu": 0})
    with table.point("two nodes train together, each with its log"):
        tuned = study.results / "tuning" / "tuned"
        run = study.start("wide", "--profile", str(profile), str(tuned))
        assert run.wait() == 0, read(run.log)[-2000:]
        logs = [read(study.results / f"logs/tuning/tuned-nodes/node-{n}.log") for n in (0, 1)]
        places = [re.findall(r"node \d of 2, (\w+)", log)[-1] for log in logs]
        assert sorted(places) == sorted(NODES), places
        row = next(row for row in accounted("NodeList,ReqTRES,Comment") if row[0] == "n[1-2]")
        assert f"gres/gpu={2 * GPUS}" in row[1], row
        table.note(f"{' and '.join(places)}, {row[1]}")


def trainings() -> list[list[str]]:
    """Returns the training jobs that the cluster has had."""
    return [row for row in accounted("JobID,Comment") if "rule_tuning" in row[1]]


def counted(table: Table) -> None:
    """Asks for more GPUs than there are, and for all of them three times.

    SLURM 26.05 takes a job that asks for too many and lets it wait; 22.05 refuses it.
    """
    with table.point("GPUs are counted: too many never start, a third job waits for cards"):
        ask = ["sbatch", "--parsable", "-p", "gpu", "--output", "/dev/null", "--wrap", "sleep 30"]
        refused = output(*ask, "--nodes=1", f"--gpus={GPUS + 1}")
        waits = refused.strip().isdecimal()
        assert waits or "not available" in refused or "violates" in refused, refused
        numbers = [output(*ask, "--nodes=1", f"--gpus={GPUS}").strip() for _ in range(3)]
        states = lambda: output("squeue", "-h", "-o", "%T", "-j", ",".join(numbers)).split()  # noqa: E731
        wait(lambda: states().count("RUNNING") == 2, "two jobs with all cards", 240)
        time.sleep(3)
        assert states().count("PENDING") == 1, states()
        if waits:
            reason = output("squeue", "-h", "-o", "%T %r", "-j", refused.strip()).strip()
            assert reason.startswith("PENDING"), reason
            numbers, refused = [*numbers, refused.strip()], reason
        output("scancel", *numbers)
        table.note(f"{GPUS + 1} of {GPUS}: {refused.strip().splitlines()[-1][:60]}")


def offline(table: Table) -> None:
    """Tries to leave the cluster from a job."""
    with table.point("jobs see no network where nodes have none"):
        code = "import socket; socket.create_connection(('192.0.2.1', 80), 3)"
        text = output("srun", sys.executable, "-c", code)
        assert "Network is unreachable" in text, text


def preflight(study: Study, table: Table) -> None:
    """Runs the checks of the profile, and those of one with mistakes."""
    options = [*configured(study), "--profile"]
    good = str(study.profile("checked"))
    with table.point("preflight passes on this cluster"):
        text = program(study, "bayling_study.commands.preflight", *options, good)
        table.show("make preflight PROFILE=slurm", text)
        assert "0 failed" in text, text
    bad = str(study.profile("bad", generation={"slurm_partition": "gpus"}, tuning={"gpu": 99}))
    with table.point("preflight says what to change in a wrong profile"):
        text = program(study, "bayling_study.commands.preflight", *options, bad)
        table.show("preflight of a wrong profile", text)
        assert "partition" in text and "fix:" in text and "0 failed" not in text, text
