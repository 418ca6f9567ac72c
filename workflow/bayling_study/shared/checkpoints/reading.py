"""Opens a checkpoint in the hub's format and tells where each tensor's bytes are. Safetensors with
or without an index, or ``.bin`` files in PyTorch's zip format. No weight is read here, and nothing
is ever executed (``.bin`` goes through ``torch.load(weights_only=True)``)."""

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.checkpoints.skeleton import check_shapes, skeleton, stored_shapes
from bayling_study.shared.checkpoints.tensorfile import StoredTensor, read_header

SAFETENSORS = ("model.safetensors.index.json", "model.safetensors")
PICKLED = ("pytorch_model.bin.index.json", "pytorch_model.bin")
RECOMPUTED = "rotary_emb.inv_freq"
"""Buffers that old Llama checkpoints store; every version computes them itself."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that fits its architecture: a transformers model without weights. ``entries``
    are all tensors that it needs, in the order of the files; those that are tied to another one are
    not stored."""

    folder: Path
    entries: dict[str, StoredTensor]
    model: Any

    @property
    def nbytes(self) -> int:
        """Returns the number of weight bytes that will be read."""
        return sum(entry.nbytes for entry in self.entries.values())


def open_checkpoint(folder: Path) -> Checkpoint:
    """Opens a checkpoint and checks it against its architecture (``StudyError``: a file is missing,
    truncated or contradicts itself, the architecture is unknown, or a tensor is missing,
    superfluous or of the wrong shape)."""
    model = skeleton(folder, torch.float32)
    stored = stored_tensors(folder)
    entries = {name: entry for name, entry in stored.items() if not name.endswith(RECOMPUTED)}
    _drop_tied_copies(entries, model.all_tied_weights_keys)
    check_shapes(stored_shapes(model), entries, folder)
    return Checkpoint(folder, entries, model)


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """Returns where each tensor of a checkpoint is, in the order of the files (``StudyError``: a
    file is missing, truncated or contradicts itself or the index)."""
    kinds = ((SAFETENSORS, read_header), (PICKLED, read_pickled))
    found = [kind for kind in kinds if any((folder / name).is_file() for name in kind[0])]
    if not found:
        fix = f"one of: {', '.join(SAFETENSORS + PICKLED)}"
        raise StudyError("no weights found", where=folder, fix=fix)
    (index, single), reader = found[0]
    indexed = _read_index(folder / index) if (folder / index).is_file() else {}
    entries: dict[str, StoredTensor] = {}
    for file in sorted(set(indexed.values())) or [folder / single]:
        more = reader(file)
        if twice := sorted(set(more) & set(entries)):
            raise StudyError(f"the tensor {twice[0]!r} is stored twice", where=file)
        entries.update(more)
    for name, file in indexed.items():
        if name not in entries or entries[name].file != file:
            raise StudyError(f"the index promises the tensor {name!r} here", where=file)
    return entries


def _read_index(path: Path) -> dict[str, Path]:
    values = read_json(path)
    mapping = values.get("weight_map") if isinstance(values, dict) else None
    if not isinstance(mapping, dict) or not mapping:
        raise StudyError("the index has no weight_map", where=path)
    for name in mapping.values():
        if not isinstance(name, str) or name != Path(name).name:
            raise StudyError(f"{name!r} is not a plain file name", where=path)
    missing = sorted({name for name in mapping.values() if not (path.parent / name).is_file()})
    if missing:
        what = f"{len(missing)} shard(s) of the index are missing: {', '.join(missing[:3])}"
        raise StudyError(what, where=path, fix="fetch the checkpoint again")
    return {tensor: path.parent / name for tensor, name in mapping.items()}


def read_pickled(file: Path) -> dict[str, StoredTensor]:
    """Reads where each tensor of a ``.bin`` file is, without reading the tensors (``StudyError``:
    the file is no zip archive, is truncated, holds anything but tensors, or one is not contiguous).
    Under a fake-tensor mode ``torch.load`` builds shapes only and notes each storage's offset in
    the file; the zip entries are stored uncompressed."""
    if not zipfile.is_zipfile(file):
        raise StudyError("not a PyTorch zip file (truncated, or from before torch 1.6)", where=file)
    try:
        with FakeTensorMode():
            state = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        raise StudyError(f"the file cannot be read ({error})", where=file) from error
    if not isinstance(state, dict):
        raise StudyError("the file is not a mapping of names to tensors", where=file)
    entries = {}
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise StudyError(f"the entry {name!r} is not a named tensor", where=file)
        if not value.is_contiguous():
            raise StudyError(f"the tensor {name!r} is not stored row by row", where=file)
        start = value.untyped_storage()._checkpoint_offset
        offset = start + value.storage_offset() * value.element_size()
        entries[name] = StoredTensor(file, value.dtype, tuple(value.shape), offset)
    return entries


def _drop_tied_copies(entries: dict[str, StoredTensor], tied: dict[str, str]) -> None:
    """Removes the second copy of a tied parameter; two different ones are an error."""
    for name, original in tied.items():
        if (copy := entries.pop(name, None)) is None:
            continue
        same = original in entries and copy.dtype == entries[original].dtype
        if not same or not torch.equal(copy.read(), entries[original].read()):
            what = f"config.json ties {name!r} to {original!r}, but their values differ"
            fix = '"tie_word_embeddings": false in config.json, if both are meant'
            raise StudyError(what, where=copy.file, fix=fix)
