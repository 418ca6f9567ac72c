"""Makes a delta, with a manifest that proves the way back, and restores a target from one."""

from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bayling_study.config.rehearsal import WARNING, rehearsed_at
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, read_json, write_json
from bayling_study.shared.checkpoints.loading import check_weights
from bayling_study.shared.checkpoints.reading import Checkpoint, open_checkpoint
from bayling_study.shared.checkpoints.shards import copy_companions, tensor_hash, write_shards
from bayling_study.stages.deltas import arithmetic

MANIFEST = "delta.json"
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
"""Types of a delta; fp16 is what the authors release."""
NAMES = {dtype: name for name, dtype in DTYPES.items()}
CARD = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")


def make_delta(base: Path, target: Path, out: Path, kind: str = "fp16") -> dict[str, float]:
    """Writes the delta folder; it appears whole or not at all (``StudyError`` if the two do not fit
    together, or the type is too narrow for a difference). ``base`` and ``target`` are checkpoints
    in the hub's format, ``kind`` a key of ``DTYPES``. Returns tensors, elements, elements that the
    way back changes, and by how much at most."""
    before, after = open_checkpoint(base), open_checkpoint(target)
    check_fit(before, after)
    tensors: dict[str, dict[str, Any]] = {}

    def difference(name: str) -> Tensor:
        stored, theirs = before.entries[name].read(), after.entries[name].read()
        own = arithmetic.grown(stored, theirs.shape[0])
        delta = arithmetic.difference(theirs, own, DTYPES[kind])
        lost = arithmetic.loss(theirs, own, delta)
        if lost.infinite:
            what = f"{lost.infinite} differences of {name!r} are too large for {kind}"
            raise StudyError(what, where=target, fix="--dtype fp32")
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
        facts = {
            "tensors": float(len(tensors)),
            "elements": float(sum(prod(entry.shape) for entry in after.entries.values())),
            "inexact": float(sum(row["inexact"] for row in tensors.values())),
            "largest_error": max(row["largest"] for row in tensors.values()),
        }
        write_json(folder / MANIFEST, {"format": 1, "dtype": kind, "tensors": tensors})
        write_card(folder, CARD.format(base=base.name, exact=_exactness(facts)))
    return facts


def apply_delta(base: Path, delta: Path, out: Path) -> dict[str, float]:
    """Writes base plus delta as an ordinary checkpoint; it appears whole or not at all
    (``StudyError`` if the two do not fit together, a hash differs, or sums are no numbers). Returns
    the number of tensors, and of those verified by a hash.

    A delta of our own carries hashes: base and delta must be the ones it was made from and with,
    and a target that can be restored exactly must come back so. A released delta has none: names
    and shapes are checked, and its target has the delta's own type, as with the authors' script.
    """
    before, change = open_checkpoint(base), open_checkpoint(delta)
    check_fit(before, change)
    manifest = delta / MANIFEST
    known = dict(read_json(manifest)["tensors"]) if manifest.exists() else {}
    entries = change.entries
    dtypes = {
        name: DTYPES[known[name]["dtype"]] if known else entry.dtype
        for name, entry in entries.items()
    }

    def target(name: str) -> Tensor:
        own, stored = before.entries[name].read(), entries[name].read()
        for kind, tensor, where in (("base", own, base), ("delta", stored, delta)):
            if known and tensor_hash(tensor) != known[name][kind]:
                what = f"the tensor {name!r} of the {kind} is not the one "
                what += "that the delta was made with"
                fix = "give the same base in the same files, or fetch the delta again"
                raise StudyError(what, where=where, fix=fix)
        return arithmetic.restored(arithmetic.grown(own, stored.shape[0]), stored, dtypes[name])

    with atomic_directory(out) as folder:
        hashes = write_shards(change, dtypes, target, folder)
        exact = [name for name, row in known.items() if not row["inexact"]]
        for name in exact:
            if hashes[name] != known[name]["target"]:
                raise StudyError(f"the tensor {name!r} was not restored exactly", where=delta)
        copy_companions(delta, folder)
        fix = "give the base that the delta was made from, or fetch both again"
        check_weights(folder, delta, fix)
    return {"tensors": float(len(entries)), "verified": float(len(exact))}


def _exactness(facts: dict[str, float]) -> str:
    share, most = facts["inexact"] / facts["elements"], facts["largest_error"]
    rounded = f"rounds {share:.2%} of the weights, by {most:.2g} at most"
    return f"The way back {rounded if share else 'is exact'}."


def write_card(folder: Path, notice: str) -> None:
    """Puts a notice before the tuned model's card, whose header with the licence stays first."""
    notice = f"> {WARNING}\n\n{notice}" if rehearsed_at(folder) else notice
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    header = ""
    if text.startswith("---\n") and "\n---\n" in text[4:]:
        header, _, text = text[4:].partition("\n---\n")
        header = f"---\n{header}\n---\n\n"
    card.write_text(f"{header}{notice}\n{text.lstrip()}".rstrip() + "\n", encoding="utf-8")


def check_fit(base: Checkpoint, other: Checkpoint) -> None:
    """Checks that another checkpoint (a target or a delta) has the base's tensors (``StudyError``
    names the first that is only on one side or of another shape). Embedding and output layer may
    have more rows than the base: words that were added to the vocabulary."""
    if alone := sorted(set(base.entries) ^ set(other.entries)):
        side = base if alone[0] in base.entries else other
        raise StudyError(f"only one side has the tensor {alone[0]!r}", where=side.folder)
    model = other.model  # embedding and output layer have a row for each word
    words = (model.get_input_embeddings(), model.get_output_embeddings())
    named = model.named_modules()
    vocabulary = {f"{name}.weight" for name, module in named if any(module is w for w in words)}
    for name, entry in other.entries.items():
        mine = base.entries[name].shape
        longer = entry.shape[0] >= mine[0] and entry.shape[1:] == mine[1:]
        if entry.shape != mine and not (name in vocabulary and longer):
            what = f"the tensor {name!r} has the shape {entry.shape}, the base has {mine}"
            fix = "give the base that the model was tuned from"
            raise StudyError(what, where=other.folder, fix=fix)
