"""Merges tuned checkpoints: their base plus their differences to it, combined, of whole weights; of
an adapter's two factors the mean would be another: a mean of products is no product of means."""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory
from bayling_study.shared.checkpoints.loading import check_weights
from bayling_study.shared.checkpoints.reading import open_checkpoint
from bayling_study.shared.checkpoints.shards import copy_companions, write_shards
from bayling_study.stages.deltas.arithmetic import grown
from bayling_study.stages.deltas.conversion import check_fit, write_card


def merge(
    base: Path, members: Mapping[str, Path], out: Path,
    method: str, weights: Sequence[float], density: float,
) -> dict[str, float]:  # fmt: skip
    """Writes the merged checkpoint, tensor by tensor; it appears whole or not at all
    (``StudyError`` if they do not fit together: names or shapes of tensors, or types). ``base`` and
    ``members`` (by name) are checkpoints in the hub's format; what stands beside the weights is the
    first member's. The rest is as in ``combined``. Returns the number of tensors."""
    before, opened = open_checkpoint(base), [*map(open_checkpoint, members.values())]
    kinds = [{name: (e.shape, e.dtype) for name, e in one.entries.items()} for one in opened]
    for one, kind in zip(opened, kinds, strict=True):
        check_fit(before, one)
        for name in (name for name in kind if kind[name] != kinds[0][name]):
            what = f"the tensor {name!r} is {kind[name]}, of the first member {kinds[0][name]}"
            fix = "members with the same added words and tuning.output_dtype"
            raise StudyError(what, where=one.folder, fix=fix)

    def make(name: str) -> Tensor:
        stored = [one.entries[name].read() for one in opened]
        own = grown(before.entries[name].read(), stored[0].shape[0])
        return combined(own, stored, method, weights, density)

    with atomic_directory(out) as folder:
        write_shards(opened[0], {name: kind[1] for name, kind in kinds[0].items()}, make, folder)
        copy_companions(opened[0].folder, folder)
        how = f"{method}, weights {list(weights)}, density {density:g} (of ties)"
        said = f"`{base.name}` plus the differences of {', '.join(members)} to it: {how}."
        write_card(folder, f"# Merged model\n\n{said} The first one's card follows.\n")
        check_weights(folder, opened[0].folder, "members whose weights are finite")
    return {"tensors": float(len(kinds[0]))}


def combined(
    base: Tensor, members: Sequence[Tensor], method: str, weights: Sequence[float], density: float
) -> Tensor:
    """Returns base plus the members' differences to it, in their type; all have one shape. How is
    told at the keys of ``MergedSystem``. What all members have alike they keep, unless weights
    change it: it would come back rounded, or trimmed."""
    from peft.utils import merge_utils  # late: it takes seconds, which deltas do not need

    changes, factors = [one.float() - base.float() for one in members], torch.tensor(weights)
    if method == "linear":
        change, keeps = merge_utils.task_arithmetic(changes, factors), math.isclose(sum(weights), 1)
    else:
        with warnings.catch_warnings(action="ignore"):  # that a density of 1 trims nothing
            change, keeps = merge_utils.ties(changes, factors, density), {*weights} == {1.0}
    alike = torch.stack([one == members[0] for one in members]).all(dim=0) & keeps
    return torch.where(alike, members[0], (base.float() + change).to(members[0].dtype))
