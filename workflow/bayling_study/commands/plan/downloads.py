"""What a study downloads: sizes, licences, what is gated, what is there already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bayling_study.commands.plan.arithmetic import HALF
from bayling_study.commands.plan.shapes import foundation_model
from bayling_study.config.systems import FoundationSystem
from bayling_study.dag.layout import Layout
from bayling_study.shared.sources.table import PINNED_KINDS, SourceRow, source_row


@dataclass(frozen=True)
class Download:
    """One source.

    Attributes:
        row: its row in the table of sources.
        bytes: size of the transfer, or none where nobody knows before it is done.
        estimated: the size follows from the model's shape (16-bit weights, once).
        state: ``there``, ``local`` (a folder of the user, used in place) or ``missing``.
    """

    row: SourceRow
    bytes: int | None
    estimated: bool
    state: str

    @property
    def left(self) -> int:
        """Returns the bytes still to be transferred, as far as known."""
        return (self.bytes or 0) if self.state == "missing" else 0

    @property
    def scratch(self) -> int:
        """Returns what an archive takes beside its unpacked files until it is removed."""
        return self.left if self.row.kind in PINNED_KINDS else 0


def downloads(layout: Layout) -> list[Download]:
    """Returns all sources of a study, in the order of use."""
    table = Path(layout.config.download.manifest)
    weights = _weight_bytes(layout)
    result = []
    for source in layout.used_sources():
        row = source_row(table, source)
        size = row.bytes or weights.get(source)
        state = _state(layout, source)
        result.append(Download(row, size, row.bytes is None and size is not None, state))
    return result


def _state(layout: Layout, source: str) -> str:
    if layout.manifest(source).is_file():
        return "there"
    return "local" if source in layout.config.download.local else "missing"


def _weight_bytes(layout: Layout) -> dict[str, int]:
    """Returns the weights' size of each foundation whose shape is known."""
    sizes = {}
    for name, system in layout.config.systems.items():
        if isinstance(system, FoundationSystem):
            model = foundation_model(layout, name)
            if model.shape is not None:
                sizes[system.source] = HALF * model.shape.parameters()
    return sizes
