"""A Debian tree with a scheduler, and a program inside it.

A scheduler of Debian sid needs a newer libc than this machine may have. So it lives in a tree of
its own (mmdebstrap), in which the repository and its environments appear under their own
paths. What is written goes to an overlay; mounts, processes, network and host name are of
namespaces that end with the test.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from clusters.tools import loopback, run
from helpers import ROOT

LIBRARIES = ("libbz2-1.0", "libffi8", "libgomp1", "liblzma5", "libreadline8t64", "libsqlite3-0")
PACKAGES = (*LIBRARIES, "libssl3t64", "procps", "zlib1g")
"""What Python and torch link to."""
STAGE = "BAYLING_CLUSTER_STAGE"
HOST, USER, NUMBER = "pool", "lab", 1000
HOME = Path("/home") / USER
SITE = Path("/opt/site")


def build(folder: Path, *packages: str) -> Path:
    """Makes a tree of Debian sid with some packages, from the mirror that apt has here."""
    listed = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm"]
    mirrors = subprocess.run(listed, capture_output=True, text=True).stdout.split()
    names = ",".join((*PACKAGES, *packages))
    dated = '--aptopt=Acquire::Check-Valid-Until "false"'  # a mirror may be a snapshot
    command = ["mmdebstrap", "--quiet", "--variant=minbase", dated, f"--include={names}", "sid"]
    run(*command, str(folder), *mirrors[:1])
    return folder


def enter(tree: Path, folder: Path, plugins: tuple[str, ...] = (), user: int = NUMBER) -> int:
    """Runs this program again inside a tree, with packages of Python; returns its status."""
    for name in ("up", "work", "root"):
        (folder / name).mkdir(parents=True)
    site = folder / "up" / SITE.relative_to("/")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    if plugins:
        subprocess.run([*pip, *plugins], check=True, stderr=subprocess.DEVNULL)
    unshare = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child"]
    command = [*unshare, sys.executable, *sys.orig_argv[1:]]
    where = {STAGE: "mounts", "BAYLING_TREE": str(tree), "BAYLING_FOLDER": str(folder)}
    where["BAYLING_USER"] = str(user)
    return subprocess.run(command, env={**os.environ, **where}).returncode


def furnish() -> NoReturn:
    """Mounts the tree in these namespaces, and goes on in it as a user."""
    tree, folder = Path(os.environ["BAYLING_TREE"]), Path(os.environ["BAYLING_FOLDER"])
    root = folder / "root"
    layers = f"lowerdir={tree},upperdir={folder}/up,workdir={folder}/work"
    run("mount", "-t", "overlay", "overlay", "-o", layers, str(root))
    run("mount", "-t", "proc", "proc", str(root / "proc"))
    shown = {"/dev", "/sys", str(ROOT), str((ROOT / ".venv").resolve()), sys.base_prefix}
    for path in sorted(shown):
        inside = root / path.removeprefix("/")
        inside.mkdir(parents=True, exist_ok=True)
        run("mount", "--rbind", path, str(inside))
    (root / "root").chmod(0o711)  # Python may live below it
    socket.sethostname(HOST)
    loopback()
    (root / "etc" / "hosts").write_text(f"127.0.0.1 localhost {HOST}\n")
    for name, line in (("passwd", f"{USER}:x:{NUMBER}:{NUMBER}::{HOME}:/bin/bash"), ("group", "")):
        with open(root / "etc" / name, "a") as stream:
            stream.write(f"{line or f'{USER}:x:{NUMBER}:'}\n")
    home = root / HOME.relative_to("/")
    home.mkdir(parents=True, exist_ok=True)
    shutil.chown(home, NUMBER, NUMBER)
    paths = os.pathsep.join((str(Path(sys.executable).parent), "/usr/sbin:/usr/bin:/sbin:/bin"))
    python = f"{SITE}{os.pathsep}{ROOT / 'workflow'}"
    environment = {"HOME": str(HOME), "USER": USER, "PATH": paths, "PYTHONPATH": python}
    environment |= {STAGE: "inside", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    user = os.environ["BAYLING_USER"]
    command = ["chroot", f"--userspec={user}:{user}", str(root)]
    command += ["env", "--chdir", str(ROOT / "tests"), sys.executable, *sys.orig_argv[1:]]
    # Not by exec: a change of user would undo that this process ends with the one outside.
    sys.exit(subprocess.run(command, env=environment).returncode)
