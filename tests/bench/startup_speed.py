"""Times what starts before any job: the graph of a study's jobs, its plan, and a run of it with
nothing left to do.

    python tests/bench/startup_speed.py [--study bayling-2-8b] [--rounds 3]
    git worktree add /tmp/before COMMIT
    python tests/bench/startup_speed.py --than /tmp/before

The sides take turns in one run: this checkout, another one with ``--than``, and, for the graph and
the run, bare Snakemake with as many jobs of empty rules, which does not see this project. Given are
medians of processor seconds, which other programs on the machine lengthen less than those of the
clock, and of the clock in brackets. One round before them is not counted: files are read and
compiled then. The run is ``make study`` of the embedded study, and is left out where that is not
finished.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = "config/config.yaml"
SNAKEMAKE = [sys.executable, "-P", "-m", "snakemake", "--cores", "1"]
GRAPH = [*SNAKEMAKE, "--dry-run", "--quiet"]
Run = tuple[list[str], Path, Path | None]
"""A command, the folder that it runs in, and the checkout whose package it imports, if any."""


class Taken(NamedTuple):
    """Seconds of processors, and by the clock."""

    used: float
    clock: float


def run(command: list[str], folder: Path, checkout: Path | None) -> tuple[float, float, str]:
    """Returns a command's processor seconds, its seconds by the clock, and what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    if checkout:
        environment["PYTHONPATH"] = str(checkout / "workflow")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    clock, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, clock, done.stdout


def in_turns(sides: Mapping[str, Run], rounds: int) -> dict[str, Taken]:
    """Runs the sides alternately, prints their medians and returns them."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, side in sides.items():
            taken[name].append(run(*side)[:2])
    medians = {}
    for name, pairs in taken.items():
        used, clock = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
        medians[name] = Taken(used, clock)
        print(f"  {name:20} {used:6.2f} s ({clock:.2f} s)")
    return medians


def job_counts(graph: Run) -> list[int]:
    """Returns how many jobs each rule of a study has, the target aside."""
    command, folder, checkout = graph
    printed = run([*command, "--quiet", "rules"], folder, checkout)[2]
    counts = dict(re.findall(r"^(\w+) +(\d+)$", printed, flags=re.MULTILINE))
    return [int(count) for rule, count in counts.items() if rule not in ("study", "total")]


def write_bare(folder: Path, counts: list[int]) -> None:
    """Writes a workflow of as many rules, which do nothing and need nothing, and jobs."""
    wanted = [f"{rule}-{job}" for rule, count in enumerate(counts) for job in range(count)]
    rules = [f"rule all:\n    input: {wanted!r}\n"]
    rules += [
        f'rule r{rule}:\n    output: "{rule}-{{job}}"\n    shell: "touch {{output}}"\n'
        for rule in range(len(counts))
    ]
    (folder / "Snakefile").write_text("\n".join(rules), encoding="utf-8")


def nothing_to_do(rounds: int) -> None:
    """Prints what a run of the embedded study takes above bare Snakemake, if it is finished."""
    graph: Run = ([*GRAPH, "--configfile", EMBEDDED], ROOT, ROOT)
    if left := sum(job_counts(graph)):
        print(f"make study: left out, for {left} jobs of the embedded study are still to be done")
        return
    counts = job_counts(([*graph[0], "--forceall"], ROOT, ROOT))
    print(f"make study with nothing to do, {sum(counts)} jobs")
    with tempfile.TemporaryDirectory() as folder:
        write_bare(Path(folder), counts)
        bare: Run = (SNAKEMAKE, Path(folder), None)
        run(*bare)  # makes all files
        found = in_turns({"here": (["make", "study"], ROOT, None), "bare Snakemake": bare}, rounds)
    here, other = found["here"], found["bare Snakemake"]
    print(f"  here: {here.used - other.used:+.2f} s ({here.clock - other.clock:+.2f} s) above bare")


def main() -> None:
    """Prints the tables and how their sides differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--than", type=Path, help="another checkout")
    parser.add_argument("--study", default="bayling-2-8b", help="a study of config/studies")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sides = {"here": ROOT} | (
        {"the other checkout": options.than.resolve()} if options.than else {}
    )
    config = f"config/studies/{options.study}.yaml"
    graphs: dict[str, Run] = {
        n: ([*GRAPH, "--configfile", config], at, at) for n, at in sides.items()
    }
    plan = [sys.executable, "-P", "-m", "bayling_study.commands.plan", "--study-config", EMBEDDED]
    plans: dict[str, Run] = {n: (plan, at, at) for n, at in sides.items()}
    counts = job_counts(graphs["here"])
    print(f"load {os.getloadavg()[0]:.1f}; graph of {options.study}, {sum(counts)} jobs")
    with tempfile.TemporaryDirectory() as folder:
        write_bare(Path(folder), counts)
        found = in_turns({**graphs, "bare Snakemake": (GRAPH, Path(folder), None)}, options.rounds)
    print(f"  here: {found['here'].used / found['bare Snakemake'].used:.2f} x bare")
    compare(found)
    print("plan of the embedded study")
    compare(in_turns(plans, options.rounds))
    nothing_to_do(options.rounds)
    print(f"load {os.getloadavg()[0]:.1f}")


def compare(found: Mapping[str, Taken]) -> None:
    """Prints the ratio to the other checkout, where there is one."""
    if other := found.get("the other checkout"):
        print(f"  here: {found['here'].used / other.used:.2f} x the other's")


if __name__ == "__main__":
    main()
