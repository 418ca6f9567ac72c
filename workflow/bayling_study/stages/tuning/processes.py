"""A training process among others: its device, its group, its right to write."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import deepspeed
import deepspeed.ops
import torch
from filelock import FileLock, Timeout

from bayling_study.core.errors import StudyError
from bayling_study.stages.tuning.job import TrainingJob

WAIT_LIMIT = timedelta(hours=2)
"""How long processes wait for one another: the first one verifies a checkpoint and writes
the result alone, of 13 billion parameters 156 GB. A process that died is noticed by
torch.distributed.run within seconds, whatever this is."""
LOCK_SECONDS = 60.0  # how long workers of a killed run may take to save and end


def local_device() -> torch.device:
    """Returns this process's GPU, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


def start_processes() -> None:
    """Joins the process group, on CPU without anything that needs a compiler."""
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    if not torch.cuda.is_available():
        # `comm/torch.py` of DeepSpeed 0.19.8 compiles this extension at start wherever this table
        # says that it could; only inference's all-reduce uses it. The table is filled when it is
        # first read and then kept, so the entry holds. Were it renamed, training on a CPU would
        # need a C++ compiler and a minute, and give the same results.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(timeout=WAIT_LIMIT)


@contextmanager
def sole_writer(job: TrainingJob, patience: float = LOCK_SECONDS) -> Iterator[None]:
    """Holds the checkpoint folder against a second run (``StudyError`` if another run still writes
    there). Workers whose launcher was killed save after their step and end, so they are waited for,
    for ``patience`` seconds."""
    try:
        held = FileLock(job.folder / "lock").acquire(timeout=patience, poll_interval=0.2)
    except Timeout as error:
        what = f"another training run has been writing here for {patience:g} s"
        fix = "wait for it, or end its processes (tuning.worker)"
        raise StudyError(what, where=job.folder, fix=fix) from error
    with held:
        yield
