"""Runs the miniature study on a private Grid Engine: ``make test-gridengine``.

Needs Linux, root, and Debian 12's package archive. Nothing is installed: packages and plugin are
unpacked into a temporary folder, daemons and jobs live in namespaces of their own and end with
this program. Prints one line a point and, last, how many passed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGIN = "snakemake-executor-plugin-sge==0.6.31"
FOLDER = "BAYLING_GRIDENGINE_FOLDER"


def prepare(folder: Path) -> None:
    """Fetches the packages and the plugin, while there is a network."""
    from gridengine.cluster import fetch

    packages = folder / "packages"
    packages.mkdir(parents=True)
    fetch(packages)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", str(folder / "plugin"), PLUGIN], check=True)


def main() -> int:
    """Starts the cluster, plays the scenes, returns 0 if every point was shown."""
    parser = argparse.ArgumentParser(prog="python -m gridengine", description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for everything; default: removed")
    options = parser.parse_args()
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit("error: namespaces need root, and the packages are Debian's")
    from slurm import cluster

    if not os.environ.get(cluster.MARK):
        folder = options.keep or Path(tempfile.mkdtemp(prefix="bayling-gridengine-"))
        os.environ[FOLDER] = str(folder.resolve())
        prepare(folder.resolve())
    cluster.enter()
    folder = Path(os.environ[FOLDER])
    try:
        return play(folder)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def play(folder: Path) -> int:
    """Plays all scenes on one cluster."""
    from slurm.table import Table

    from gridengine import scenes
    from gridengine.cluster import Cluster
    from gridengine.study import GridStudy
    from slurm.scenes import package_path

    package_path()
    os.environ["PYTHONPATH"] += f"{os.pathsep}{folder / 'plugin'}"
    begin = time.monotonic()
    cluster = Cluster(folder / "cluster", folder / "packages")
    table = Table(folder)
    with table.point("a Grid Engine of two hosts, with accounting and counted GPUs, starts"):
        cluster.start()
    scenes.counted(table)
    study = GridStudy(folder / "study")
    study.local()
    same = study.hashes()
    print(f"undisturbed, on this machine: {len(same)} files", flush=True)
    study.forget_results()
    scenes.disturbed(cluster, study, table, same)
    print(f"{time.monotonic() - begin:.0f} s in all")
    return table.end()


if __name__ == "__main__":
    sys.exit(main())
