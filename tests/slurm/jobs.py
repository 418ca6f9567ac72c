"""Jobs in the queue and in the accounting of the test's SLURM cluster."""

from __future__ import annotations

from clusters.tools import output, wait


def job(rule: str, state: str = "RUNNING") -> str:
    """Returns the number of a rule's newest job in a state; empty without one."""
    lines = output("squeue", "-h", "-o", "%i|%T|%k", "--sort=-i").splitlines()
    rows = [line.split("|") for line in lines]
    return next((row[0] for row in rows if row[1] == state and f"rule_{rule}" in row[2]), "")


def await_job(rule: str, state: str = "RUNNING") -> str:
    """Waits for a rule's job; returns its number."""
    wait(lambda: job(rule, state), f"a job of rule {rule} to be {state}", 240)
    return job(rule, state)


def node_of(number: str) -> str:
    """Returns the node that a job runs on."""
    return output("squeue", "-h", "-j", number, "-o", "%N").strip()


def accounted(fields: str) -> list[list[str]]:
    """Returns all jobs of the cluster from its accounting database, requeued attempts too."""
    rows = output("sacct", "-n", "-X", "-P", "-D", "--starttime=now-2hours", f"--format={fields}")
    return [line.split("|") for line in rows.splitlines()]
