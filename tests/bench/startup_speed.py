"""Times what starts before any job: the graph of a study's jobs, and its plan.

    git worktree add /tmp/before COMMIT
    python tests/bench/startup_speed.py --than /tmp/before [--study bayling-2-8b] [--rounds 3]

Three sides take turns in one run: this checkout, another one, and, for the graph, bare
Snakemake with as many jobs of empty rules. Given are medians of processor seconds, which other
programs on the machine lengthen less than those of the clock, and of the clock in brackets. One
round before them is not counted: files are read and compiled then.
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

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = [sys.executable, "-P", "-m", "snakemake", "--cores", "1", "--dry-run", "--quiet"]
Run = tuple[list[str], Path, Path]
"""A command, the folder that it runs in, and the checkout whose package it imports."""


def run(command: list[str], folder: Path, checkout: Path) -> tuple[float, float, str]:
    """Returns a command's processor seconds, its seconds by the clock, and what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "workflow"), "OMP_NUM_THREADS": "1"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    clock, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, clock, done.stdout


def in_turns(sides: Mapping[str, Run], rounds: int) -> dict[str, float]:
    """Runs the sides alternately, prints their medians and returns those of processor seconds."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, side in sides.items():
            taken[name].append(run(*side)[:2])
    medians = {}
    for name, pairs in taken.items():
        used, clock = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
        medians[name] = used
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


def main() -> None:
    """Prints both tables and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--than", type=Path, required=True, help="another checkout")
    parser.add_argument("--study", default="bayling-2-8b", help="a study of config/studies")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sides = {"here": ROOT, "the other checkout": options.than.resolve()}
    config = f"config/studies/{options.study}.yaml"
    graphs = {n: ([*SNAKEMAKE, "--configfile", config], at, at) for n, at in sides.items()}
    plan = [sys.executable, "-P", "-m", "bayling_study.commands.plan", "--study-config"]
    plans = {n: ([*plan, "config/config.yaml"], at, at) for n, at in sides.items()}
    counts = job_counts(graphs["here"])
    print(f"load {os.getloadavg()[0]:.1f}; graph of {options.study}, {sum(counts)} jobs")
    with tempfile.TemporaryDirectory() as folder:
        write_bare(Path(folder), counts)
        bare: Run = (SNAKEMAKE, Path(folder), ROOT)
        found = in_turns({**graphs, "bare Snakemake": bare}, options.rounds)
    here, other = found["here"], found["the other checkout"]
    print(f"  here: {here / found['bare Snakemake']:.2f} x bare, {here / other:.2f} x the other's")
    print("plan of the embedded study")
    found = in_turns(plans, options.rounds)
    print(f"  here: {found['here'] / found['the other checkout']:.2f} x the other's")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
