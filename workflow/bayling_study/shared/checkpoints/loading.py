"""Loads a checkpoint whole or not at all, and checks one without loading it. transformers 5.23
fills a tensor that it does not find with random numbers, warns and goes on. Here its own account
decides, so that what it knows how to read (a tied output layer that is absent, rotary frequencies
that are stored, names without the model's prefix) stays readable."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from bayling_study.core.errors import StudyError
from bayling_study.core.progress import Progress
from bayling_study.shared.checkpoints.reading import stored_tensors
from bayling_study.shared.checkpoints.tensorfile import StoredTensor

AGAIN = "fetch or make the checkpoint again"
NAMED = 5  # tensors that a message names


def load_whole(path: Path, **options: Any) -> Any:
    """Loads a causal language model with transformers, without remote code or pickled weights;
    ``options`` are further arguments of ``from_pretrained`` (``StudyError``: files and
    ``config.json`` differ in a tensor or its shape, or cannot be loaded; names the tensors)."""
    safe = {} if "gguf_file" in options else {"use_safetensors": True}
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            path,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are counted instead, with all others
            output_loading_info=True,
            **safe,
            **options,
        )
    except (OSError, ImportError, KeyError, ValueError) as error:
        what = f"transformers cannot load the checkpoint ({type(error).__name__}: {error})"
        raise StudyError(what, where=path, fix=AGAIN) from error
    others = sorted(found["mismatched_keys"])
    shapes = [f"{name} (stored {tuple(own)}, needed {tuple(need)})" for name, own, need in others]
    faults = {
        "missing": sorted(found["missing_keys"]),
        "of another shape": shapes,
        "unknown to the architecture": sorted(found["unexpected_keys"]),
        "not loaded": list(found["error_msgs"]),
    }
    told = [f"{len(names)} {what}: {_first(names)}" for what, names in faults.items() if names]
    if told:
        what = f"the weights do not fit config.json; tensors {'; '.join(told)}"
        fix = "fetch the checkpoint again, or give the config.json that belongs to it"
        raise StudyError(what, where=path, fix=fix)
    return model


def check_weights(folder: Path, origin: Path | None = None, fix: str = AGAIN) -> None:
    """Checks a safetensors checkpoint: its names and shapes with its config.json, its values. Names
    and shapes come from the headers; values are read in blocks of 16 MiB. ``origin`` is what it was
    made from, if a message is to name that; ``fix``, what helps against NaN (``StudyError``: a
    shard is absent, a tensor is missing, superfluous, of another shape or holds values that are no
    numbers; names the tensors)."""
    entries = stored_tensors(folder)
    load_whole(folder, device_map="meta", dtype="auto")
    floating = {name: entry for name, entry in entries.items() if entry.dtype.is_floating_point}
    total = sum(entry.nbytes for entry in floating.values())
    with Progress("checking weights", total, "B") as progress:
        bad = [name for name, entry in floating.items() if not _is_finite(entry, progress)]
    if bad:
        what = f"{len(bad)} tensors hold NaN or infinite values: {_first(bad)}"
        raise StudyError(what, where=origin or folder, fix=fix)


def _is_finite(entry: StoredTensor, progress: Progress) -> bool:
    """Looks at the extremes alone, which NaN takes over: 30 times as fast as ``isfinite``."""
    finite = True
    for block in entry.blocks():
        finite = finite and bool(torch.isfinite(torch.stack(block.aminmax())).all())
        progress.update(block.nbytes)
    return finite


def _first(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
