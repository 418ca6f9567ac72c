"""Loads a groupwise 8-bit checkpoint into a transformers model, tensor by tensor.

The model is built without weights and filled from the files. In ``streamed`` mode no 16-bit copy
ever exists: linear layers keep 8 bits and rebuild their weight while they multiply. In
``cached`` mode each matrix is rebuilt once: the memory and the speed of a 16-bit model.
"""

from pathlib import Path
from typing import Any, Literal

import torch
from accelerate.utils import set_module_tensor_to_device  # type: ignore[import-untyped]
from torch import nn
from transformers import GenerationConfig

from bayling_study.shared.checkpoints.skeleton import check_shapes, skeleton
from bayling_study.shared.checkpoints.tensorfile import StoredTensor, read_header
from bayling_study.shared.quantised.groupwise import (
    GroupwiseLinear,
    dequantise,
    group_count,
    row_blocks,
)
from bayling_study.shared.quantised.layout import (
    INT8,
    SCALE,
    Quantisation,
    check_files,
    read_quantisation,
)

Mode = Literal["cached", "streamed"]


def load(
    path: Path,
    dtype: torch.dtype,
    mode: Mode = "cached",
    device: torch.device | str = "cpu",
    verify: bool = True,
) -> Any:
    """Loads a groupwise 8-bit checkpoint.

    Args:
        path: folder with ``quantization.json``.
        dtype: precision of everything that is not 8-bit, and of the products.
        mode: ``streamed`` keeps 8 bits in memory, ``cached`` the rebuilt matrices.
        device: where the model goes, one tensor after the other.
        verify: compare the files with their recorded hashes first.

    Returns:
        The transformers model in evaluation mode, without gradients.

    Raises:
        StudyError: a file is missing or changed, or does not fit the architecture.
    """
    path = Path(path)
    description = read_quantisation(path)
    if verify:
        check_files(path, description)
    entries: dict[str, StoredTensor] = {}
    for name in description.files:
        entries.update(read_header(path / name))
    model = skeleton(path, dtype)
    _check_complete(model, description, entries, path)
    for name in description.quantised:
        _fill_matrix(model, name, entries, description.group_size, dtype, mode, device)
    for name, entry in entries.items():
        if not name.endswith((INT8, SCALE)):
            set_module_tensor_to_device(model, name, device, entry.read())
    model.tie_weights()
    if (path / "generation_config.json").exists():
        model.generation_config = GenerationConfig.from_pretrained(path)
    return model.to(device).requires_grad_(False).eval()


def _check_complete(
    model: Any, description: Quantisation, entries: dict[str, StoredTensor], path: Path
) -> None:
    """Every parameter must be stored once, with its shape, and nothing else may be."""
    expected: dict[str, tuple[int, ...]] = {}
    quantised = set(description.quantised)
    for name, value in model.state_dict().items():
        shape = tuple(value.shape)
        if name in quantised:
            expected[name + INT8] = shape
            expected[name + SCALE] = (shape[0], group_count(shape[1], description.group_size))
        elif name not in description.tied:
            expected[name] = shape
    check_shapes(expected, entries, path)


def _fill_matrix(
    model: nn.Module,
    name: str,
    entries: dict[str, StoredTensor],
    group: int,
    dtype: torch.dtype,
    mode: Mode,
    device: torch.device | str,
) -> None:
    values = entries[name + INT8].read().to(device)
    scale = entries[name + SCALE].read().to(device)
    layer = name.removesuffix(".weight")
    if mode == "streamed":
        linear = model.get_submodule(layer)
        model.set_submodule(layer, GroupwiseLinear(values, scale, group, linear.bias))
        return
    weight = torch.empty(values.shape, dtype=dtype, device=values.device)
    for rows in row_blocks(*values.shape):
        weight[rows] = dequantise(values[rows], scale[rows], group, dtype)
    set_module_tensor_to_device(model, name, device, weight)
