"""Restores a target from its base and a delta, ours or a released one."""

from pathlib import Path

from torch import Tensor

from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, read_json
from bayling_study.shared.checkpoints.loading import check_weights
from bayling_study.shared.checkpoints.reading import open_checkpoint
from bayling_study.shared.checkpoints.shards import copy_companions, tensor_hash, write_shards
from bayling_study.stages.deltas import arithmetic
from bayling_study.stages.deltas.making import DTYPES, MANIFEST, check_fit


def apply_delta(base: Path, delta: Path, out: Path) -> dict[str, float]:
    """Writes base plus delta as an ordinary checkpoint; it appears whole or not at all.

    A delta of our own carries hashes: base and delta must be the ones it was made from and with,
    and a target that can be restored exactly must come back so. A released delta has none: names
    and shapes are checked, and its target has the delta's own type, as with the authors' script.

    Returns:
        tensors, and how many of them were verified by a hash.

    Raises:
        StudyError: the two do not fit together, a hash differs, or sums are no numbers.
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
        if known:
            _check(known[name]["base"], own, f"the tensor {name!r} of the base", base)
            _check(known[name]["delta"], stored, f"the tensor {name!r} of the delta", delta)
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


def _check(expected: str, tensor: Tensor, what: str, where: Path) -> None:
    if tensor_hash(tensor) != expected:
        raise StudyError(
            f"{what} is not the one that the delta was made with",
            where=where,
            fix="give the same base in the same files, or fetch the delta again",
        )
