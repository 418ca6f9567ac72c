"""The granted processes and memory, and the settings that follow from them."""

import logging
import math
from pathlib import Path
from typing import Any

import torch

from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.sizing import choice
from bayling_study.shared.sizing.choice import CORES, Budget, Choice
from bayling_study.shared.sizing.host import host_bytes
from bayling_study.shared.sizing.memory import packed_length
from bayling_study.shared.sizing.shape import Shape
from bayling_study.stages.tuning.attention import kernel
from bayling_study.stages.tuning.packing import check_batch

log = logging.getLogger(__name__)


def check_grant(tuning: TuningSection, local: int, nodes: int) -> None:
    """Checks, before anything is read, that ``local`` processes of each node can share a step
    (``StudyError`` if there are no GPUs where they are asked for, fewer than processes, or too
    small a batch, with the nearest values that work)."""
    count = torch.cuda.device_count()
    if tuning.device == "cuda" and count == 0:
        raise StudyError("no GPU was granted", where="tuning.device: cuda", fix="device: auto")
    if count and local > count:
        what = f"{count} GPUs cannot hold {local} processes"
        raise StudyError(what, where="--processes", fix=f"--processes {count}")
    check_batch(tuning.batch, local * nodes, tuning.batch_tokens, tuning.max_length)
    kernel(tuning, torch.cuda.is_available())


def memory_budget(processes: int, local: int) -> Budget:
    """Returns the memory of this machine for ``local`` of ``processes`` processes."""
    count = torch.cuda.device_count()
    sizes = [torch.cuda.get_device_properties(number).total_memory for number in range(count)]
    return Budget(processes, local, min(sizes, default=None), host_bytes())


def model_shape(foundation: Path) -> Shape | None:
    """Returns the shape that a checkpoint's ``config.json`` tells, if it is Llama's kind."""
    try:
        return Shape.from_config(read_json(foundation / "config.json"))
    except KeyError:
        return None


def uniform_loss(foundation: Path) -> float:
    """Returns the loss, in nats a token, of a model to which all tokens are equally likely."""
    return math.log(read_json(foundation / "config.json")["vocab_size"])


def settle(tuning: TuningSection, foundation: Path, budget: Budget, mean_length: float) -> Choice:
    """Returns the settings without ``auto``, by the memory plan (``StudyError`` if nothing that
    ``auto`` may become fits, or the shape is not known). Settings that were written out count even
    where the plan finds them too large; it says so. ``mean_length`` are the tokens of a
    conversation on average."""
    shape = model_shape(foundation)
    if shape is None:
        known = "models with Llama's architecture, by the keys of their config.json"
        raise StudyError(f"the memory plan only knows {known}", where=foundation)
    step = tuning.batch_tokens or tuning.batch * mean_length
    found = choice.choose(shape, tuning, budget, kernel(tuning, budget.device is not None), step)
    if "auto" in (tuning.zero_stage, tuning.offload):
        choice.check(found, budget)
    elif not found.fits:
        log.warning("by the memory plan, these settings do not fit: %s", found.need)
    return found


def facts(found: Choice) -> dict[str, Any]:
    """Returns the choice as the run record keeps it: what ``auto`` became, and bytes planned. With
    the device's name, for numbers of one device say nothing of another."""
    tuning, sizes = found.tuning, {**found.need._asdict(), "device": found.need.device}
    plan: dict[str, Any] = {"zero_stage": tuning.zero_stage, "offload": tuning.offload}
    plan |= {"micro_batch_tokens": packed_length(tuning), "bytes": sizes}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else CORES
    return {"device": device, "plan": plan}
