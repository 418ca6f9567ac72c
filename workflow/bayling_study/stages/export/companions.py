"""What an export says of itself beside the weights: precision in the config, a short card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bayling_study.core.files import read_json, write_json, write_text
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.stages.export.encoding import kept_dtype

DTYPE_NAMES = {torch.float16: "float16", torch.bfloat16: "bfloat16", torch.float32: "float32"}


def amend_config(
    checkpoint: Checkpoint, folder: Path, precision: str, values: Mapping[str, Any]
) -> None:
    """Sets keys of the copied ``config.json``, and the precision of most unquantised tensors."""
    config = read_json(folder / "config.json")
    config.pop("torch_dtype", None)
    dtypes = [entry.dtype for entry in checkpoint.entries.values()]
    stored = [kept_dtype(dtype, precision) for dtype in dtypes if dtype.is_floating_point]
    config |= {"dtype": DTYPE_NAMES[max(set(stored), key=stored.count)], **values}
    write_json(folder / "config.json", config)


def write_card(folder: Path, title: str, text: str) -> None:
    """Writes the folder's README."""
    write_text(folder / "README.md", f"# {title}\n\n{text.strip()}\n")
