"""A training process among others: its device, its group, its right to write."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bayling_study.errors import StudyError
from bayling_study.tuning.job import Job


def local_device() -> torch.device:
    """Returns this process's GPU, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


def start_processes() -> None:
    """Joins the process group, on CPU without anything that needs a compiler."""
    import deepspeed
    import deepspeed.ops

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    if not torch.cuda.is_available():
        # Only inference's all-reduce uses this extension, but it would always be compiled.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed()


@contextmanager
def sole_writer(job: Job) -> Iterator[None]:
    """Holds the checkpoint folder against a second run.

    Raises:
        StudyError: another run, perhaps one whose launcher was killed, still writes there.
    """
    with open(job.folder / "lock", "w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StudyError("another training run writes here", where=job.folder) from error
        yield
