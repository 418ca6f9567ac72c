"""How much disk each stage needs at its peak, and whether it is free."""

import shutil
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from bayling_study.commands.plan.arithmetic import HALF, TOKEN_BYTES, checkpoint_bytes, export_bytes
from bayling_study.commands.plan.downloads import Download
from bayling_study.config.systems import DeltaSystem, FoundationSystem, Int8System, TunedSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.records import grouped
from bayling_study.dag.chain import mixture_tokens
from bayling_study.dag.layout import Layout
from bayling_study.shared.sizing.memory import WEIGHT_BYTES
from bayling_study.shared.sizing.shape import Shape

TABLE_SIZES = "or write sizes that you know into the column bytes of download.manifest"
BIGGER = "study: {results: /BIGGER/DISK/results, resources: /BIGGER/DISK/resources}"


class Need(NamedTuple):
    """Bytes that one job adds to a folder's disk: for good, and as scratch while it runs."""

    stage: str
    folder: Path
    stays: int
    scratch: int = 0
    saving: str = ""  # a change of the config that makes it smaller
    guessed: int = 0  # how much of what stays is the estimated size of downloads


def disk_needs(
    layout: Layout, sources: Sequence[Download], shapes: dict[str, Shape | None]
) -> list[Need]:
    """Returns what systems of known shape have still to write, in the order of the stages."""
    fetch = sum(source.left for source in sources)
    archives = max((source.scratch for source in sources), default=0)
    guessed = sum(source.guessed for source in sources)
    needs = [Need("download", layout.resources, fetch, archives, guessed=guessed)]
    if not (layout.study / "corpora" / "parallel.parquet").exists():
        # Cleaned rows are about as large as the compressed files that they come from.
        read = set(layout.config.corpora.sources)
        size = sum(source.bytes or 0 for source in sources if source.row.id in read)
        needs += [Need("corpora", layout.study, size)] if read else []
    for name, shape in shapes.items():
        if shape is not None and not layout.checkpoint(name).is_dir():
            needs += _system_needs(layout, name, shape)
    return list(dict.fromkeys(needs))  # systems share foundations and mixtures


def _system_needs(layout: Layout, name: str, shape: Shape) -> list[Need]:
    config, folder = layout.config, layout.study
    system, half = config.systems[name], HALF * shape.parameters()
    if isinstance(system, FoundationSystem):
        # A checkpoint in the hub's format is linked, one in GGUF rewritten in 16 bits.
        linked = layout.row(system.source).kind == "hub"
        there = linked or layout.foundation(name).is_dir()
        made = Need(f"foundation {system.source}", layout.resources, 0 if there else half)
        return [made, *([Need(f"vocabulary {name}", folder, half)] if system.vocabulary else [])]
    if isinstance(system, TunedSystem):
        tuning = config.tuning_of(name)
        count = tuning.keep_checkpoints + 1
        weights = WEIGHT_BYTES[tuning.output_dtype] * shape.parameters()
        data = round(TOKEN_BYTES * mixture_tokens(layout, name)[0])
        checkpoints = count * checkpoint_bytes(shape, tuning)
        saving = "tuning: {keep_checkpoints: 1}" if tuning.keep_checkpoints > 1 else ""
        return [
            Need(f"synthesis {system.mixture}", folder, data),
            Need(f"tuning {name}", folder, weights, checkpoints, saving),
            *([Need(f"delta {name}", folder, half)] if system.delta else []),
        ]
    if system.kind == "merged":  # in its members' type
        width = WEIGHT_BYTES[config.tuning_of(system.of[0]).output_dtype]
        return [Need(f"merge {name}", folder, width * shape.parameters())]
    if isinstance(system, DeltaSystem):
        return [Need(f"restore {name}", folder, half)]
    if isinstance(system, Int8System):
        size = export_bytes(shape, system.format, config.export.group_size)
        return [Need(f"export {name}", folder, size)]
    return []  # in another precision a system's checkpoint is its base's


def peaks(needs: Sequence[Need]) -> list[int]:
    """Returns the bytes above today's at each stage's peak: all that stays so far, and scratch."""
    held = accumulate(need.stays for need in needs)
    return [above + need.scratch for above, need in zip(held, needs, strict=True)]


def check_disk(needs: Sequence[Need]) -> None:
    """Checks that the free space of each disk holds the peak (``StudyError``: what to change)."""
    for group in grouped(needs, lambda need: existing(need.folder).stat().st_dev).values():
        folder = existing(group[0].folder)
        free = shutil.disk_usage(folder).free
        highest = peaks(group)
        worst = max(range(len(group)), key=highest.__getitem__)
        if highest[worst] > free:
            guessed = sum(need.guessed for need in group)
            what = f"{highest[worst] / 1e9:.1f} GB are needed at the peak ({group[worst].stage})"
            what += f", of it {guessed / 1e9:.1f} GB by estimate" if guessed else ""
            what += f", {free / 1e9:.1f} GB are free"
            ways = [*(need.saving for need in group), BIGGER, TABLE_SIZES if guessed else ""]
            raise StudyError(what, where=folder, fix="\n".join(filter(None, ways)))


def existing(folder: Path) -> Path:
    """Returns a folder or its nearest parent that exists."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())
