"""Makes a delta: target minus base for every tensor, with a manifest that proves the way back."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, write_json
from bayling_study.shared.checkpoints.reading import open_checkpoint
from bayling_study.shared.checkpoints.shards import copy_companions, tensor_hash, write_shards
from bayling_study.stages.deltas import arithmetic
from bayling_study.stages.deltas.fitting import check_fit

MANIFEST = "delta.json"
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
"""Types of a delta; fp16 is what the authors release."""
NAMES = {dtype: name for name, dtype in DTYPES.items()}
CARD = """# Difference to {base}

Not a model by itself. The weights are those of the tuned model minus those of its base
`{base}`; all else here is the tuned model's own. To restore it:

    python -m bayling_study.stages.deltas apply --base BASE --delta THIS --out OUT

{exact}
"""


def make_delta(base: Path, target: Path, out: Path, kind: str = "fp16") -> dict[str, float]:
    """Writes the delta folder; it appears whole or not at all.

    Args:
        base, target: checkpoints in the hub's format.
        out: folder to write.
        kind: type of the delta, a key of ``DTYPES``.

    Returns:
        tensors, elements, elements that the way back changes, and by how much at most.

    Raises:
        StudyError: the two do not fit together, or the type is too narrow for a difference.
    """
    before, after = open_checkpoint(base), open_checkpoint(target)
    check_fit(before, after)
    tensors: dict[str, dict[str, Any]] = {}

    def difference(name: str) -> Tensor:
        stored, theirs = before.entries[name].read(), after.entries[name].read()
        own = arithmetic.grown(stored, theirs.shape[0])
        delta = arithmetic.difference(theirs, own, DTYPES[kind])
        lost = arithmetic.loss(theirs, own, delta)
        if lost.infinite:
            raise StudyError(
                f"{lost.infinite} differences of {name!r} are too large for {kind}",
                where=target,
                fix="--dtype fp32",
            )
        tensors[name] = {
            "dtype": NAMES[theirs.dtype],
            "base": tensor_hash(stored),
            "target": tensor_hash(theirs),
            **asdict(lost),
        }
        return delta

    with atomic_directory(out) as folder:
        dtypes = dict.fromkeys(after.entries, DTYPES[kind])
        for name, digest in write_shards(after, dtypes, difference, folder).items():
            tensors[name]["delta"] = digest
        copy_companions(target, folder)
        facts = _facts(tensors, {name: entry.shape for name, entry in after.entries.items()})
        write_json(folder / MANIFEST, {"format": 1, "dtype": kind, "tensors": tensors})
        _write_card(folder, base.name, facts)
    return facts


def _facts(tensors: dict[str, dict[str, Any]], shapes: dict[str, Any]) -> dict[str, float]:
    elements = sum(torch.Size(shape).numel() for shape in shapes.values())
    return {
        "tensors": float(len(tensors)),
        "elements": float(elements),
        "inexact": float(sum(row["inexact"] for row in tensors.values())),
        "largest_error": max(row["largest"] for row in tensors.values()),
    }


def _write_card(folder: Path, base: str, facts: dict[str, float]) -> None:
    """Puts a notice before the tuned model's card, whose header with the licence stays first."""
    exact = "The way back is exact."
    if facts["inexact"]:
        share = facts["inexact"] / facts["elements"]
        exact = f"The way back rounds {share:.2%} of the weights, by {facts['largest_error']:.2g} "
        exact += "at most."
    notice = CARD.format(base=base, exact=exact)
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    header = ""
    if text.startswith("---\n") and "\n---\n" in text[4:]:
        header, _, text = text[4:].partition("\n---\n")
        header = f"---\n{header}\n---\n\n"
    card.write_text(f"{header}{notice}\n{text.lstrip()}".rstrip() + "\n", encoding="utf-8")
