"""Runs the miniature study on a private SLURM cluster: ``make test-slurm``.

Needs Linux and root. Debian's SLURM packages are installed where they are
missing. All daemons and jobs live in namespaces of their own and end with this
program; nothing else of the machine is touched. Prints one line a point and,
last, how many passed.

With ``TREE=`` they are those of another Debian: a folder that mmdebstrap makes of the packages
below with ``slurm-wlm-mysql-plugin``, ``g++``, ``procps`` and ``clusters.tree.PACKAGES``. In sid of
November 2026 slurmdbd cannot ask its database with sid's ``libmariadb.so.3``, but with Debian 12's.
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

from clusters import tree

PACKAGES = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "slurmdbd": "slurmdbd",
    "munged": "munge",
    "mariadbd": "mariadb-server-core",
    "mariadb": "mariadb-client-core",
    "unshare": "util-linux",
}
"""Program to the Debian package that has it."""


def install() -> None:
    """Installs what is missing."""
    path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
    missing = [package for name, package in PACKAGES.items() if not shutil.which(name, path=path)]
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit(f"error: install {' '.join(missing)} (as root, on Debian: apt-get install)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-y", "-qq", "--no-install-recommends"]
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
    subprocess.run(["apt-get", "install", *options, *missing], check=True, env=environment)


def main() -> int:
    """Starts the cluster, plays the scenes, returns 0 if every point was shown."""
    parser = argparse.ArgumentParser(prog="python -m slurm", description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for everything; default: removed")
    parser.add_argument("--tree", type=Path, help="a tree of Debian with SLURM; not changed")
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("error: namespaces and munge need root")
    stage = os.environ.get(tree.STAGE)
    if options.tree and stage is None:
        with tempfile.TemporaryDirectory(prefix="bayling-slurm-") as folder:
            return tree.enter(options.tree, Path(folder), user=0)
    if stage == "mounts":
        tree.furnish()
    install()
    from slurm import cluster

    cluster.enter()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="bayling-slurm-"))
    try:
        return play(folder)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def play(folder: Path) -> int:
    """Plays all scenes on one cluster."""
    from clusters.scenes import package_path
    from clusters.study import Study
    from clusters.table import Table
    from slurm import scenes
    from slurm.cluster import Cluster

    os.environ["PATH"] += f"{os.pathsep}/usr/sbin"
    package_path()
    begin = time.monotonic()
    cluster = Cluster(folder / "cluster")
    table = Table(folder)
    with table.point("a cluster of two nodes, with accounting and counted GPUs, starts"):
        cluster.start()
    scenes.counted(table)
    scenes.offline(table)
    study = Study(folder / "study", "slurm", {"slurm-init-seconds-before-status-checks": 2})
    study.local()
    reference = study.hashes()
    print(f"undisturbed, on this machine: {len(reference)} files", flush=True)
    study.forget_results()
    scenes.preflight(study, table)
    scenes.disturbed(cluster, study, table, reference)
    scenes.chained(study, table, reference)
    scenes.two_nodes(study, table)
    print(f"{time.monotonic() - begin:.0f} s in all")
    return table.end()


if __name__ == "__main__":
    sys.exit(main())
