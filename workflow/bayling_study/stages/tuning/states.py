"""Training states on disk, readable by any number of processes and at any ZeRO stage.

ZeRO gives each process a shard of every parameter's fp32 weight and of Adam's two moments. Each
process writes its own shards, with the parameter's name and the offset in it, and reads back
whatever covers the shards it owns then. DeepSpeed's own checkpoints are bound to the number of
processes, and its universal form is a second copy made by a separate program; both are pickles,
these files are safetensors.

The 16-bit weights are not stored: ZeRO casts them from the fp32 weights after every step, and so
does ``load``. Parameters that are not trained are the foundation's.

DeepSpeed has no public way to read or set a process's own states at stages 1 and 2, nor to give
states to an optimiser before its first step. So five functions here use attributes of DeepSpeed
0.19.8 that another version may rename; each says which, and what would go wrong.
``test_tuning_stage`` and ``test_tuning_paths`` run them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from deepspeed.utils import (
    safe_get_local_fp32_param,
    safe_get_local_optimizer_state,
    safe_set_local_fp32_param,
    safe_set_local_optimizer_state,
)
from safetensors import safe_open
from safetensors.torch import save_file

from bayling_study.core.errors import StudyError

WEIGHT = "weight"
KEYS = (WEIGHT, "exp_avg", "exp_avg_sq")
"""What is stored of every trained parameter, in fp32; the moments by Adam's names in torch."""
STATE_BYTES = 4 * len(KEYS)  # bytes per trained parameter on disk
FILE_BYTES = 1 << 29  # size at which a process begins a new file; bounds the copies in host memory


@dataclass(frozen=True)
class StateShard:
    """The part of a parameter that this process owns: ``count`` elements of it, flattened."""

    name: str
    parameter: Any
    start: int
    count: int

    def read(self, key: str) -> torch.Tensor:
        """Returns a state as fp32 [count]."""
        if hasattr(self.parameter, "ds_id"):  # ZeRO 3; its last part is padded
            return _local(self.parameter, key)[: self.count]
        return _mapping(self.parameter).get_hp_fragment(None if key == WEIGHT else key)

    def write(self, key: str, values: torch.Tensor) -> None:
        """Sets a state from fp32 [count]."""
        if not hasattr(self.parameter, "ds_id"):
            self.read(key).data.copy_(values)
            return
        padded = torch.zeros_like(_local(self.parameter, key))
        padded[: self.count] = values
        if key == WEIGHT:
            safe_set_local_fp32_param(self.parameter, padded)
        else:
            safe_set_local_optimizer_state(self.parameter, padded, key)


def _local(parameter: Any, key: str) -> torch.Tensor:
    if key == WEIGHT:
        return safe_get_local_fp32_param(parameter)
    return safe_get_local_optimizer_state(parameter, key)


def _mapping(parameter: Any) -> Any:
    """Returns ZeRO 1 and 2's link to the fp32 states, or none where another process has them."""
    # `utils/mixed_precision_linkage.py` sets `_hp_mapping` on each parameter when the optimiser
    # starts; `get_hp_fragment` and `lp_fragment_address` are its fields. The public
    # `safe_get_full_*` gather the whole parameter on every process instead. Without the
    # attribute this fails at once; with another meaning of `start`, a resumed run would differ.
    return parameter._hp_mapping


def shards(engine: Any) -> Iterator[StateShard]:
    """Yields what this process owns, in the order of the model's parameters."""
    rank = torch.distributed.get_rank()
    for name, parameter in engine.module.named_parameters():
        if not parameter.requires_grad:
            continue
        if hasattr(parameter, "ds_id"):
            # ZeRO 3 pads a parameter to a multiple of the processes and cuts it in rank order
            # (`runtime/zero/partition_parameters.py`): all pieces have the size of
            # `ds_tensor`, and `ds_numel` is the length without the padding. With another division,
            # files of other numbers of processes would be put together wrongly.
            size = parameter.ds_tensor.ds_numel
            start = rank * size
            count = min(size, parameter.ds_numel - start)
        elif _mapping(parameter) is None:
            continue
        else:
            address = _mapping(parameter).lp_fragment_address
            start, count = address.start, address.numel
        if count > 0:
            yield StateShard(name, parameter, start, count)


def save(engine: Any, folder: Path) -> None:
    """Writes this process's shards as ``states-RANK-NUMBER.safetensors``."""
    prefix = f"states-{torch.distributed.get_rank():05d}"
    batch: list[StateShard] = []
    number = held = 0
    for shard in shards(engine):
        batch.append(shard)
        held += STATE_BYTES * shard.count
        if held >= FILE_BYTES:
            _write(batch, folder / f"{prefix}-{number:03d}.safetensors")
            batch, number, held = [], number + 1, 0
    if batch:
        _write(batch, folder / f"{prefix}-{number:03d}.safetensors")


def _write(batch: list[StateShard], path: Path) -> None:
    states = ((f"{one.name}:{key}", one.read(key)) for one in batch for key in KEYS)
    tensors = {name: state.detach().cpu().contiguous() for name, state in states}
    ranges = {shard.name: [shard.start, shard.count] for shard in batch}
    save_file(tensors, path, metadata={"ranges": json.dumps(ranges)})


Stored = tuple[Path, int, int]
"""A shard on disk: its file, and start and count of its elements in the parameter."""


def load(engine: Any, folder: Path, step: int) -> None:
    """Sets all states from the files that ``save`` of any number of processes wrote (``StudyError``
    if part of a parameter is in no file). ``engine`` has started and made no step; Adam corrects
    its moments by the ``step`` done."""
    _make_states(engine.optimizer, step)
    index = _index(folder)
    for shard in shards(engine):
        for key in KEYS:
            shard.write(key, _read(index.get(shard.name, []), shard, key, folder))
    _refresh_weights(engine.optimizer)


def _index(folder: Path) -> dict[str, list[Stored]]:
    index: dict[str, list[Stored]] = {}
    for path in sorted(folder.glob("states-*.safetensors")):
        with safe_open(path, "pt") as file:
            ranges = json.loads(file.metadata()["ranges"])
        for name, (start, count) in ranges.items():
            index.setdefault(name, []).append((path, start, count))
    return index


def _read(stored: list[Stored], shard: StateShard, key: str, folder: Path) -> torch.Tensor:
    """Puts a shard together from what overlaps it on disk."""
    values = torch.empty(shard.count, dtype=torch.float32)
    found = 0
    for path, start, count in stored:
        first = max(start, shard.start)
        last = min(start + count, shard.start + shard.count)
        if first < last:
            with safe_open(path, "pt") as file:
                part = file.get_slice(f"{shard.name}:{key}")[first - start : last - start]
                values[first - shard.start : last - shard.start] = part
            found += last - first
    if found != shard.count:
        what = f"the checkpoint lacks part of {shard.name}:{key}"
        fix = f"delete {folder.parent} to start from the beginning"
        raise StudyError(what, where=folder, fix=fix)
    return values


def _flat_weights(optimizer: Any) -> list[torch.Tensor]:
    """Returns the flat fp32 tensors of which torch's optimiser has states."""
    # Each of DeepSpeed's three optimisers has a list of its own name. A renamed one ends in
    # the TypeError below, never in an optimiser without moments.
    for name in (
        "fp32_partitioned_groups_flat",  # ZeRO 3
        "single_partition_of_fp32_groups",  # ZeRO 1 and 2
        "fp32_groups_flat_partition",  # ZeRO 1 in bf16
    ):
        if hasattr(optimizer, name):
            return list(getattr(optimizer, name))
    raise TypeError(f"{type(optimizer).__name__} has no flat weights")


def _make_states(optimizer: Any, step: int) -> None:
    """Gives the optimiser the states that its first step would make."""
    inner = optimizer.optimizer
    # torch makes a parameter's states at its first step, and DeepSpeed links them to the model's
    # parameters only then. Here there is no first step, so both are done by hand: the keys are
    # torch's (`step`, `exp_avg`, `exp_avg_sq`). If DeepSpeed linked them under another name,
    # `_mapping(...).get_hp_fragment` would raise a ValueError in `load`.
    for flat in _flat_weights(optimizer):
        state = inner.state[flat]
        # torch counts in a tensor on the device (fused), DeepSpeed's CPU form in an int.
        torch_form = isinstance(inner, torch.optim.AdamW)
        state["step"] = torch.tensor(float(step), device=flat.device) if torch_form else step
        for key in KEYS[1:]:
            state[key] = torch.zeros_like(flat)
    if hasattr(optimizer, "_lazy_init_hp_params_optimizer_state"):
        optimizer._lazy_init_hp_params_optimizer_state()


def _refresh_weights(optimizer: Any) -> None:
    """Casts the model's weights from the fp32 ones."""
    # As each optimiser does at the end of its own step: `update_lp_params` at stages 1 and 2;
    # at stage 3 `runtime/zero/stage3.py` has no such method, so its lists are copied here and
    # the persistent parameters gathered. If this were left out or incomplete, the first step of
    # a resumed run would start from the foundation's weights.
    if hasattr(optimizer, "update_lp_params"):
        optimizer.update_lp_params()
        return
    flats = zip(_flat_weights(optimizer), optimizer.fp16_partitioned_groups_flat, strict=True)
    for number, (full, half) in enumerate(flats):
        half.data.copy_(full.data)
        optimizer._unflatten_partitioned_parameters(number)
    small = optimizer.persistent_parameters  # too small to be shared out: whole everywhere
    if small:
        small[0].partition(small)
        small[0].all_gather(small)
