"""Loads a groupwise 8-bit checkpoint into a transformers model, tensor by tensor. The model is
built without weights and filled from the files. In ``streamed`` mode no 16-bit copy ever exists:
linear layers keep 8 bits and rebuild their weight while they multiply. In ``cached`` mode each
matrix is rebuilt once: the memory and the speed of a 16-bit model."""

from pathlib import Path
from typing import Any, Literal

import torch
from accelerate.utils import set_module_tensor_to_device  # type: ignore[import-untyped]
from transformers import GenerationConfig

from bayling_study.shared.checkpoints.skeleton import check_shapes, skeleton, stored_shapes
from bayling_study.shared.checkpoints.tensorfile import StoredTensor, read_header
from bayling_study.shared.quantised import groupwise
from bayling_study.shared.quantised.layout import INT8, SCALE, check_files, read_quantisation

Mode = Literal["cached", "streamed"]
"""What is kept in memory: the rebuilt matrices, or 8 bits."""


def load(
    path: Path, dtype: torch.dtype, mode: Mode = "cached", device: torch.device | str = "cpu",
    verify: bool = True,
) -> Any:  # fmt: skip
    """Loads a groupwise 8-bit checkpoint: a transformers model in evaluation mode, no gradients.
    ``dtype`` is the precision of everything that is not 8-bit, and of the products; the model goes
    to ``device`` one tensor after the other, with ``verify`` once the files have their recorded
    hashes (``StudyError``: a file is missing or changed, or does not fit the architecture)."""
    description = read_quantisation(path)
    group = description.group_size
    if verify:
        check_files(path, description)
    entries: dict[str, StoredTensor] = {}
    for name in description.files:
        entries.update(read_header(path / name))
    model = skeleton(path, dtype)
    needed = stored_shapes(model)
    for name in needed.keys() & {*description.quantised}:
        needed[name + INT8] = shape = needed.pop(name)
        needed[name + SCALE] = shape[0], groupwise.group_count(shape[1], group)
    check_shapes(needed, entries, path)
    for name in description.quantised:
        values, scale = (entries[name + part].read().to(device) for part in (INT8, SCALE))
        if mode == "streamed":
            layer = name.removesuffix(".weight")
            bias = model.get_submodule(layer).bias
            model.set_submodule(layer, groupwise.GroupwiseLinear(values, scale, group, bias))
            continue
        weight = torch.empty(values.shape, dtype=dtype, device=values.device)
        for rows in groupwise.row_blocks(*values.shape):
            weight[rows] = groupwise.dequantise(values[rows], scale[rows], group, dtype)
        set_module_tensor_to_device(model, name, device, weight)
    for name, entry in entries.items():
        if not name.endswith((INT8, SCALE)):
            set_module_tensor_to_device(model, name, device, entry.read())
    model.tie_weights()
    if (path / "generation_config.json").exists():
        model.generation_config = GenerationConfig.from_pretrained(path)
    return model.to(device).requires_grad_(False).eval()
