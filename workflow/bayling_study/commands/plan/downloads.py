"""What a study downloads: sizes, licences, what is gated, what is there already."""

from __future__ import annotations

from dataclasses import dataclass

from bayling_study.commands.plan.arithmetic import HALF
from bayling_study.commands.plan.shapes import foundation_model
from bayling_study.config.systems import FoundationSystem
from bayling_study.dag.layout import Layout
from bayling_study.shared.sources.table import PINNED_KINDS, SourceRow


@dataclass(frozen=True)
class Download:
    """One source to download, with its row in the table of sources."""

    row: SourceRow
    bytes: int | None
    """Size of the transfer; none where nobody knows before it is done."""
    estimated: bool
    """The size follows from the model's shape (16-bit weights, once)."""
    state: str
    """``there``, ``local`` (a folder of the user, used in place) or ``missing``."""

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
    weights = _weight_bytes(layout)
    result = []
    for source in layout.used_sources():
        row = layout.row(source)
        size = row.bytes or weights.get(source)
        state = "local" if source in layout.config.download.local else "missing"
        state = "there" if layout.manifest(source).is_file() else state
        result.append(Download(row, size, row.bytes is None and size is not None, state))
    return result


def _weight_bytes(layout: Layout) -> dict[str, int]:
    """Returns the weights' size of each foundation whose shape is known."""
    found = {name: foundation_model(layout, name).shape for name in layout.names(FoundationSystem)}
    return {
        layout.system(name, FoundationSystem).source: HALF * shape.parameters()
        for name, shape in found.items()
        if shape is not None
    }
