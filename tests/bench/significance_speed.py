"""Times the paired tests of a release-sized set beside those of another checkout.

    git worktree add /tmp/before COMMIT
    python tests/bench/significance_speed.py --than /tmp/before [--samples 1000 5000]

11 systems on 14 directions of about 2,000 segments, as in ``scoring_speed.py``. Both sides
read the same cached statistics, so the time (of processors, which other programs on the
machine do not lengthen) is that of resampling, after a start-up of seconds; each line says how
many comparisons were made, and how many of those that both made have other p-values.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scoring_speed import DIRECTIONS, ROOT, write_study

P_VALUES = ("bootstrap", "randomisation")
Rows = dict[tuple[str, ...], dict[str, Any]]


def processor_seconds() -> float:
    """Returns what finished child processes have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(checkout: Path, folder: Path, systems: list[str]) -> tuple[float, Rows]:
    """Returns the processor seconds of a checkout's program, and its comparisons."""
    out = folder / "comparisons.json"
    command = [sys.executable, "-m", "bayling_study.stages.significance", "--suites", "wmt22"]
    command += ["--settings", f"{folder}/settings.json", "--prompts", f"{folder}/prompts"]
    command += ["--generation", f"{folder}/generation", "--systems", *systems]
    command += ["--record", f"{folder}/record.json", "--cache", f"{folder}/cache"]
    started = processor_seconds()
    environment = os.environ | {"PYTHONPATH": str(checkout / "workflow")}
    subprocess.run([*command, "--out", str(out)], check=True, env=environment)
    seconds = processor_seconds() - started
    rows = json.loads(out.read_text())["comparisons"]
    names = ("item", "metric", "system_a", "system_b")
    return seconds, {tuple(row[name] for name in names): row for row in rows}


def main() -> None:
    """Prints one line for each number of samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--than", type=Path, required=True, help="the other checkout")
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--systems", type=int, default=11)
    parser.add_argument("--directions", type=int, default=len(DIRECTIONS))
    options = parser.parse_args()
    systems = [f"system-{number}" for number in range(1, options.systems + 1)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        directions = DIRECTIONS[: options.directions]
        write_study(folder, systems, directions, 1)
        settings = json.loads((folder / "settings.json").read_text())
        settings["scoring"]["off_target"] = False
        (folder / "settings.json").write_text(json.dumps(settings))
        compare(ROOT, folder, systems)  # fills the cache
        for samples in options.samples:
            settings["scoring"]["bootstrap"]["samples"] = samples
            (folder / "settings.json").write_text(json.dumps(settings))
            before, old = compare(options.than, folder, systems)
            after, new = compare(ROOT, folder, systems)
            both = old.keys() & new.keys()
            other = sum(any(old[k][p] != new[k][p] for p in P_VALUES) for k in both)
            used = sorted({row["samples"] for row in new.values()})
            print(
                f"{samples:,} samples: {before:.1f} s for {len(old):,} comparisons before, "
                f"{after:.1f} s for {len(new):,} now ({used[0]:,} to {used[-1]:,} samples): "
                f"{before / after:.1f} times as fast; p differs in {other} of {len(both):,}",
                flush=True,
            )


if __name__ == "__main__":
    main()
