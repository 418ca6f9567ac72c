"""A model without weights: what tensors an architecture has, for planning and for filling. The
checkpoint's own ``config.json`` decides; no code that lies beside a checkpoint is ever run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights  # type: ignore[import-untyped]
from transformers import AutoConfig, AutoModelForCausalLM

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.checkpoints.tensorfile import StoredTensor


def skeleton(checkpoint: Path, dtype: torch.dtype) -> Any:
    """Builds the model of a checkpoint with its parameters on the meta device; buffers that are
    computed and not stored (rotary frequencies) are real (``StudyError``: ``config.json`` is absent
    or broken, or names an unknown architecture)."""
    where = checkpoint / "config.json"
    values = read_json(where)
    kind = values.get("model_type") if isinstance(values, dict) else None
    try:
        config = AutoConfig.from_pretrained(checkpoint, trust_remote_code=False)
        with init_empty_weights(include_buffers=False):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
    except (KeyError, TypeError, ValueError, OSError, AttributeError) as error:
        what = f"the architecture {kind!r} cannot be built ({type(error).__name__}: {error})"
        fix = "use a causal language model that the installed transformers knows"
        raise StudyError(what, where=where, fix=fix) from error
    return model.eval()


def stored_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every tensor that a checkpoint must hold: tied ones only once."""
    tied, tensors = model.all_tied_weights_keys, model.state_dict().items()
    return {name: tuple(value.shape) for name, value in tensors if name not in tied}


def check_shapes(
    needed: Mapping[str, tuple[int, ...]], entries: Mapping[str, StoredTensor], where: Path
) -> None:
    """Compares the tensors that files hold with those that are needed (``StudyError``: names the
    first that is missing, superfluous or of another shape)."""
    found = {name: entry.shape for name, entry in entries.items()}
    wrong = sorted(name for name in {**needed, **found} if needed.get(name) != found.get(name))
    if wrong:
        shapes = f"stored {found.get(wrong[0])}, needed {needed.get(wrong[0])}"
        what = f"{len(wrong)} tensor(s) do not fit config.json, first {wrong[0]!r}: {shapes}"
        raise StudyError(what, where=where)
