"""How the time, memory and disk of the stages grow with their work, and what breaks first.

    PYTHONPATH=workflow:tests python tests/bench/growth.py --out /some/folder \
        --tokenizer resources/foundation/smollm2-54b563f2

Every point is one or several programs of a stage, each in a process of its own as a study runs it,
on made-up data of real length:

systems        scoring, paired tests and report of a suite that so many systems answered
resamples      the paired tests alone
languages      corpora of so many languages
conversations  synthesis of a mixture of BayLing 2's shape (needs ``--tokenizer``)
tokens         training of a model of SmolLM2-135M's shape on so many times the tokens
parameters     training of the shapes of SmolLM2-135M and 360M on as many tokens

Writes ``growth.tsv`` after each point, and at the end two tables, ``growth.svg`` and
``growth.png``. What the TSV has is not measured again, so that an interrupted run goes on, and
``--axes`` can be run one at a time. ``--scale 0.01`` makes all sizes smaller, for a try: its
points stand in the same TSV and have a figure of their own.

Judge by processor time: other programs lengthen the clock's. ``others`` are the cores that they
kept busy during the measurement. Memory is that of all processes of a stage, what they share
counted once; disk is what the stage's inputs and results took at their fullest. What would break
first is reckoned from the two largest points (``growth_parts/laws.py``), for this machine's memory
and what its disk has free. A point that by those before it would take longer than
``--limit-minutes``, or more memory or disk than there is, is left out, and a line says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from growth_parts import points as table
from growth_parts.axes import AXES
from growth_parts.laws import predicted
from growth_parts.place import ROOT, Place
from growth_parts.points import Point
from growth_parts.shown import draw, laws_table, points_table

USABLE = 0.9
"""Share of the free memory and disk that a point may be expected to take."""


def parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES), metavar="AXIS")
    result.add_argument("--scale", type=float, default=1.0, help="multiplies all sizes")
    result.add_argument("--tokenizer", type=Path, help="checkpoint folder with a tokenizer")
    result.add_argument("--limit-minutes", type=float, default=25.0, help="of a point")
    result.add_argument("--out", type=Path, default=Path("growth"), help="folder of the results")
    result.add_argument(
        "--scratch", type=Path, default=Path(tempfile.gettempdir()), help="folder to work in"
    )
    return result


def main() -> None:
    """Measures what is missing and shows what there is."""
    options = parser().parse_args()
    if not options.scale > 0:
        sys.exit("error: --scale must be larger than 0")
    for name in options.axes:
        if AXES[name].needs_tokenizer and options.tokenizer is None:
            sys.exit(f"error: the axis {name} needs --tokenizer FOLDER; or leave it out of --axes")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is running ends with this
    options.out.mkdir(parents=True, exist_ok=True)
    missing = [(name, size) for name in options.axes for size in AXES[name].sizes]
    code = commit()
    try:
        for number, (name, size) in enumerate(missing, start=1):
            print(f"[{number}/{len(missing)}] {name} {size:,.0f}: ", end="", flush=True)
            print(measure(options, name, size, code), flush=True)
    except KeyboardInterrupt:
        sys.exit("interrupted: the same command goes on with this point")
    show(options)


def measure(options: argparse.Namespace, name: str, size: float, code: str) -> str:
    """Measures a point, unless it is there or too large, and returns what to say of it."""
    path = options.out / "growth.tsv"
    known = table.read(path)
    if any(point[:1] + point[2:4] == (name, options.scale, size) for point in known):
        return "measured before"
    if reason := too_large(options, name, size, known):
        return f"left out, {reason}"
    load, begin = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="growth-") as folder:
        place = Place(Path(folder), options.scale, options.tokenizer)
        work, costs = AXES[name].measure(place, size)
    for stage, cost in costs.items():
        known.append(Point(name, stage, options.scale, size, float(work), *cost, load, code))
    table.write(path, known)
    parts = [f"{stage} {c.cpu:.1f} s CPU, {c.memory / 2**30:.2f} GiB" for stage, c in costs.items()]
    return f"{'; '.join(parts)} ({time.monotonic() - begin:.0f} s with its preparation)"


def too_large(
    options: argparse.Namespace, name: str, size: float, known: list[Point]
) -> str | None:
    """Returns why a point cannot be measured here, by those before it; none if it can."""
    bounds = {
        "wall": (60 * options.limit_minutes, 60, "minutes"),
        "memory": (USABLE * psutil.virtual_memory().available, 2**30, "GiB of memory"),
        "disk": (USABLE * shutil.disk_usage(options.scratch).free, 2**30, "GiB of disk"),
    }
    for (stage, axis), own in table.series(known, options.scale).items():
        if axis != name:
            continue
        work = own[-1].work * size / own[-1].size
        for cost, (bound, unit, label) in bounds.items():
            expected = predicted(table.curve(own, cost), work)
            if expected is not None and expected > bound:
                what = f"{expected / unit:.3g} {label}, of {bound / unit:.3g}"
                return f"{stage} would take about {what}"
    return None


def commit() -> str:
    """Returns the commit of the code, with a plus if the checkout differs from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=8"]
    done = subprocess.run([*command, "--exclude=*"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def show(options: argparse.Namespace) -> None:
    """Prints the tables and draws the figure of all points at this scale."""
    found = table.series(table.read(options.out / "growth.tsv"), options.scale)
    if not found:
        return
    capacities = {
        "memory": float(psutil.virtual_memory().total),
        "disk": float(shutil.disk_usage(options.scratch).free),
    }
    gib = {name: f"{size / 2**30:.1f} GiB" for name, size in capacities.items()}
    print(f"\n{points_table(found)}\n\n{laws_table(found, capacities)}\n")
    print(f"of this machine's {gib['memory']} of memory and {gib['disk']} of free disk")
    name = "growth" if options.scale == 1 else f"growth-{options.scale:g}"
    if drawn := draw(found, options.out, name):
        print("written:", *drawn)


if __name__ == "__main__":
    main()
