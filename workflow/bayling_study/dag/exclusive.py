"""One run of a study at a time, and mending what a killed run left behind.

Snakemake's own lock outlives a workflow that was killed with -9, and so do the jobs it had started:
starting again would be refused, and unlocking by hand while such a job still writes would give a
file two writers. A run holds a lock that the kernel drops with its process, ends the jobs that a
killed run left (training saves itself first), and removes Snakemake's stale lock. A stage that
somebody started by hand is no such job: it is left alone, and the run refused. It looks at this
machine alone: jobs of a scheduler are its profile's affair (``make resume``).
"""

import fcntl
import os
import platform
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from bayling_study.core.errors import StudyError

LOCK = ".lock"
SNAKEMAKE_LOCKS = Path(".snakemake") / "locks"
WORKFLOWS = {"snakemake", "bayling_study.commands.study"}  # programs that run a workflow
WORKER = "bayling_study.stages.tuning.worker"
"""Processes of a training outlive its stage program while they save."""
STARTED_BY = "BAYLING_WORKFLOW"  # of a job's environment: the ``workflow_of`` that started it
GRACE_SECONDS = 60.0  # how long a job left behind may take to save itself before it is killed


def take_lock(study: Path) -> int:
    """Takes the study's lock for as long as this process lives, also across ``exec``; returns its
    descriptor (``StudyError`` if another live process holds it; names the process)."""
    study.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(study / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        what = f"another run of this study is in progress (process {holder})"
        fix = "wait for it, or stop it with Ctrl-C (or kill) and start again"
        raise StudyError(what, where=study, fix=fix) from error
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    os.set_inheritable(descriptor, True)
    return descriptor


def hold_environment() -> int | None:
    """Keeps ``envs/build.py`` from changing this environment for as long as this process lives.
    From a cluster's other login nodes it cannot see the process, but the lock. Returns the lock's
    descriptor, which stays open across ``exec``; none in an environment that ``make`` did not
    build, for it has no stamp."""
    stamp = Path(sys.prefix) / ".complete"
    if not stamp.is_file():
        return None
    descriptor = os.open(stamp, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.set_inheritable(descriptor, True)
    return descriptor


def processes_here(folder: Path) -> tuple[list[psutil.Process], bool]:
    """Returns live stage programs in a folder whose workflow is gone, and if Snakemake is alive."""
    jobs, workflow = [], False
    own = {process.pid for process in psutil.Process().parents()} | {os.getpid()}
    for process in psutil.process_iter():
        try:
            if process.pid in own or Path(process.cwd()) != folder:
                continue
            words = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        programs = [word for word in words if word.startswith("bayling_study.")]
        if WORKER in programs or (programs and "--record" in words):
            jobs.append(process)  # not `make serve` and its like: they keep no record
        workflow = workflow or not WORKFLOWS.isdisjoint(Path(word).name for word in words[:4])
    return jobs, workflow


def workflow_of(folder: Path) -> str:
    """Returns what tells the jobs of workflows in a folder from all others."""
    return f"{platform.node()}:{folder}"


def is_ours(process: psutil.Process, folder: Path) -> bool:
    """Tells whether a workflow of this user in a folder started a process, by its environment."""
    try:
        marked = process.environ().get(STARTED_BY) == workflow_of(folder)
        return marked and bool(process.uids().real == os.getuid())
    except psutil.Error as error:  # what has ended harms nobody; what hides may be anybody's
        return isinstance(error, psutil.NoSuchProcess)


def end_jobs(jobs: list[psutil.Process], grace: float = GRACE_SECONDS) -> None:
    """Asks jobs to end, waits, and kills those that do not."""
    for process in jobs:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    end = time.monotonic() + grace
    while any(map(_at_work, jobs)) and time.monotonic() < end:
        time.sleep(0.1)
    for process in filter(_at_work, jobs):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _at_work(process: psutil.Process) -> bool:
    """Tells whether a process runs; one that only waits to be reaped does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def mend(folder: Path) -> None:
    """Ends the jobs of a killed workflow in a folder and removes its stale lock (``StudyError`` if
    a stage is at work that no workflow of this user here started; names it)."""
    jobs, workflow = processes_here(folder)
    if workflow:
        return  # another study's workflow is at work here: its jobs and locks are its own
    if foreign := [str(process.pid) for process in jobs if not is_ours(process, folder)]:
        what = f"stages that no workflow of yours started are at work: process {', '.join(foreign)}"
        fix = f"wait for them, or end them: kill {' '.join(foreign)}"
        raise StudyError(what, where=folder, fix=fix)
    if jobs:
        print(f"a killed run left {len(jobs)} processes running: ending them", file=sys.stderr)
        end_jobs(jobs)
    if stale := sorted((folder / SNAKEMAKE_LOCKS).glob("*.lock")):
        print("the last run was killed: continuing where it stopped", file=sys.stderr)
    for path in stale:
        path.unlink(missing_ok=True)


def begin(study: Path, keep_locks: bool) -> None:
    """Takes what a run holds to its end, and mends what a killed one left (``StudyError``, as in
    ``take_lock`` and ``mend``)."""
    take_lock(study)
    hold_environment()
    if not keep_locks:
        mend(Path.cwd())
    sys.stdout.flush()
