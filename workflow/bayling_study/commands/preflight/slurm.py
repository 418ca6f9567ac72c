"""Asks SLURM: does the queue answer, would it take our jobs, what do its nodes see."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace

from bayling_study.commands.preflight.outcome import Outcome, failed, ok
from bayling_study.core.records import grouped
from bayling_study.dag.profiles import ResourceRequest

COMMAND_SECONDS = 60
PROBE_MINUTES = 10
"""The imports took 7 s on a local disk; a file system of a cluster may need minutes for them."""
PROBE_MEM_MB = 4000


def ask(*command: str, seconds: float = COMMAND_SECONDS) -> tuple[int, str]:
    """Returns a command's status and all it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except OSError:
        return 127, f"there is no program {command[0]} here"
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {seconds:.0f} s"
    return done.returncode, (done.stdout + done.stderr).strip()


def queue() -> Outcome:
    """Checks that the scheduler answers."""
    status, text = ask("squeue", "--me", "--noheader")
    if status:
        fix = "start on a login node of the cluster (module load slurm on some sites)"
        return failed("queue", text.splitlines()[-1] if text else "no answer", fix)
    return ok("queue", f"answers, {len(text.splitlines())} jobs of yours")


def accepts(request: ResourceRequest, rules: list[str]) -> Outcome:
    """Asks whether SLURM would take such a job, without submitting it."""
    who = f"jobs: {rules[0]}" + (f" and {len(rules) - 1} more" if len(rules) > 1 else "")
    status, text = ask("sbatch", "--test-only", *options(request), "--wrap", "true")
    if status == 0:
        start = re.search(r"to start at (\S+)", text)
        when = f", earliest start {start[1]}" if start else ""
        return ok(who, f"{describe(request)}: accepted{when}")
    reason = re.sub(r"^(sbatch: )?(error: )?", "", text.splitlines()[-1] if text else "refused")
    where = f" (set-resources of {', '.join(rules)})"
    return failed(who, f"{describe(request)}: {reason}", fix_of(reason) + where)


def fix_of(reason: str) -> str:
    """Returns what to change for a refusal of sbatch."""
    listing = {
        "account": ("sacctmgr", "--noheader", "--parsable2", "show", "assoc", "format=account"),
        "partition": ("sinfo", "--noheader", "--format", "%R"),
    }
    found = []
    for key, command in listing.items():
        if key in reason.lower():
            names = sorted(set(ask(*command)[1].split()))
            found.append(f"slurm_{key}: one of {', '.join(names)}")
    if found:
        return "; ".join(found)
    shapes = ask("sinfo", "--noheader", "--format", "%R: %D nodes, %c cores, %m MB, %G")[1]
    return f"no more than a node has: {'; '.join(shapes.splitlines())}"


def options(request: ResourceRequest) -> list[str]:
    """Returns sbatch's options for a request; GPUs are asked for as the plugin does."""
    found = [f"--nodes={request.nodes}", f"--ntasks={request.nodes}", "--ntasks-per-node=1"]
    found.append(f"--cpus-per-task={request.cores}")
    more: dict[str, str | int] = {"partition": request.partition, "account": request.account}
    more |= {"mem": request.mem_mb, "time": request.minutes}
    found += [f"--{name}={value}" for name, value in more.items() if value]
    kind = f"{request.gpu_type}:" if request.gpu_type else ""
    gres = f"--gres=gpu:{kind}{request.gpus // request.nodes}"
    cards = gres if request.per_node else f"--gpus={kind}{request.gpus}"
    return [*found, cards] if request.gpus else found


def describe(request: ResourceRequest) -> str:
    """Returns a request in words."""
    place = request.partition or "default partition"
    cards = f", {request.gpus} GPUs" if request.gpus else ""
    nodes = f", {request.nodes} nodes" if request.nodes > 1 else ""
    return f"{place}{cards}{nodes}, {request.mem_mb} MB, {request.minutes} min"


def run_probe(request: ResourceRequest, probe: list[str], minutes: float) -> Outcome | None:
    """Runs the probe in a job of its own, with the same partition and GPUs but ten minutes and
    little memory; returns what went wrong, nothing if it ran."""
    cores = min(request.cores, 2)
    small = replace(request, mem_mb=PROBE_MEM_MB, minutes=PROBE_MINUTES, cores=cores)
    command = ["srun", "--job-name=bayling_preflight", *options(small), *probe]
    status, text = ask(*command, seconds=60 * minutes)
    if status == 0:
        return None
    last = text.splitlines()[-1] if text else f"status {status}"
    fix = "a longer --wait MINUTES, if the queue is only full; else what the message says"
    return failed(f"probe: {request.partition or 'default'}", last, fix)


def probes(requests: dict[ResourceRequest, list[str]]) -> Iterator[tuple[ResourceRequest, str]]:
    """Yields the request to probe each partition with: the one with most GPUs and nodes."""
    for number, those in enumerate(grouped(requests, lambda one: one.partition).values()):
        yield max(those, key=lambda request: (request.nodes, request.gpus)), f"probe{number}"
