"""The machine or the cluster that a study is planned for."""

from __future__ import annotations

from dataclasses import dataclass

from bayling_study.errors import StudyError
from bayling_study.plan.training import Tuning
from bayling_study.sizing.choice import Room
from bayling_study.sizing.host import host_bytes

GIBIBYTE = 1 << 30


@dataclass(frozen=True)
class Machine:
    """Where training runs.

    Attributes:
        processes: one for each GPU, or one where there is none.
        device_bytes: memory of a GPU, or none where processes share the host's.
        host_bytes: memory of the machine, or none where it is not known.
        name: for the reader.
    """

    processes: int
    device_bytes: int | None
    host_bytes: int | None
    name: str

    @property
    def room(self) -> Room:
        """The same for the choice of settings: one machine with all processes."""
        return Room(self.processes, self.processes, self.device_bytes, self.host_bytes)


def machine(gpus: int | None, gpu_gib: float | None, processes: int | None) -> Machine:
    """Returns the cluster that is described, or this machine.

    Raises:
        StudyError: only one of the number and the memory of GPUs is given.
    """
    if (gpus is None) != (gpu_gib is None):
        raise StudyError(
            "the number and the memory of GPUs go together", fix="--gpus 8 --gpu-gib 80"
        )
    if gpus is not None and gpu_gib is not None:
        if gpus < 1 or gpu_gib <= 0:
            raise StudyError("there must be a GPU with some memory", fix="--gpus 8 --gpu-gib 80")
        name = f"{gpus} GPUs of {gpu_gib:g} GiB"
        return Machine(gpus, int(gpu_gib * GIBIBYTE), None, name)
    return this_machine(processes)


def this_machine(processes: int | None) -> Machine:
    """Returns this machine: its GPUs, or its host where it has none."""
    import torch

    host = host_bytes()
    count = torch.cuda.device_count()
    if count:
        memory = min(torch.cuda.get_device_properties(n).total_memory for n in range(count))
        name = f"this machine, {count} GPUs of {memory / GIBIBYTE:.0f} GiB"
        return Machine(processes or count, int(memory), host, name)
    name = f"this machine, no GPU, {processes or 1} process(es), {host / GIBIBYTE:.0f} GiB"
    return Machine(processes or 1, None, host, name)


def check_memory(where: Machine, tuning: Tuning) -> None:
    """Compares a training job with the memory there is.

    Raises:
        StudyError: names what is too large and what to change.
    """
    need = tuning.memory
    host = where.processes * need.host
    if where.device_bytes is None:
        host += where.processes * need.device
    elif need.device > where.device_bytes:
        _refuse(tuning.system, "each process needs", need.device, where.device_bytes, where)
    if where.host_bytes is not None and host > where.host_bytes:
        _refuse(tuning.system, "all processes need", host, where.host_bytes, where)


def _refuse(system: str, subject: str, need: int, there: int, where: Machine) -> None:
    raise StudyError(
        f"tuning {system!r} does not fit: {subject} {need / GIBIBYTE:.1f} GiB, "
        f"there are {there / GIBIBYTE:.1f} ({where.name})",
        where="tuning",
        fix="tuning: {zero_stage: 3, offload: optimizer, gradient_checkpointing: true}\n"
        "or plan for the cluster that trains: make plan PLAN='--gpus 8 --gpu-gib 80'",
    )
