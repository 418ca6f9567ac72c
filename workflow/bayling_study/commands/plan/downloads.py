"""What a study downloads: sizes, licences, what is gated, what is there already."""

from collections.abc import Iterable
from statistics import mean
from typing import NamedTuple

from bayling_study.commands.plan.arithmetic import HALF
from bayling_study.config.sources import PINNED_KINDS
from bayling_study.config.systems import FoundationSystem
from bayling_study.dag.layout import Layout
from bayling_study.dag.shapes import foundation_model
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.lock import lock_path, read_lock

WEIGHTS = (".safetensors", ".bin", ".ckpt", ".gguf")


class Download(NamedTuple):
    """One source to download, with its row in the table of sources."""

    row: SourceRow
    bytes: int | None  # size of the transfer; none where there is nothing to estimate it from
    origin: str
    """Nothing of a size that the table or a lock states, ``shape`` where it follows from the
    model's (16-bit weights, once), ``estimate`` where it is that of sources like it."""
    state: str  # ``there``, ``local`` (a folder of the user, used in place) or ``missing``

    @property
    def left(self) -> int:
        """Returns the bytes still to be transferred, as far as known."""
        return (self.bytes or 0) if self.state == "missing" else 0

    @property
    def guessed(self) -> int:
        """Returns how much of ``left`` is only an estimate from other sources."""
        return self.left if self.origin == "estimate" else 0

    @property
    def scratch(self) -> int:
        """Returns what an archive takes beside its unpacked files until it is removed."""
        return self.left if self.row.kind in PINNED_KINDS else 0


def downloads(layout: Layout) -> list[Download]:
    """Returns all sources of a study, in the order of use."""
    names = layout.names(FoundationSystem)
    found = {layout.system(n, FoundationSystem).source: foundation_model(layout, n) for n in names}
    weights = {n: HALF * m.shape.parameters() for n, m in found.items() if m.shape}
    table = layout.sources.values()
    result = []
    for source in layout.used_sources():
        row = layout.row(source)
        lock = read_lock(lock_path(layout.download(source)))
        known = row.bytes or (lock.bytes if lock else None)
        shape = weights.get(source)
        origin = "" if known else "shape" if shape else "estimate"
        state = "local" if source in layout.config.download.local else "missing"
        state = "there" if layout.manifest(source).is_file() else state
        result.append(Download(row, known or shape or typical_bytes(row, table), origin, state))
    return result


def typical_bytes(row: SourceRow, table: Iterable[SourceRow]) -> int | None:
    """Returns the mean size of those sources of a table that are like one, where any states it.
    Like it are those of its kind, on the hub further told into models and data sets and by whether
    weights are among the files; where none of them has a size, all that are not models. A local
    folder is not copied and has none."""
    sized = [other for other in table if other.bytes and row.kind != "local"]
    near = [other.bytes for other in sized if _family(other) == _family(row)]
    rest = [other.bytes for other in sized if not other.location.startswith("models/")]
    found = [size for size in near or rest if size]
    return round(mean(found)) if found else None


def _family(row: SourceRow) -> tuple[str, ...]:
    if row.kind != "hub":
        return (row.kind,)
    weights = not row.files or any(pattern.endswith(WEIGHTS) for pattern in row.files)
    return row.kind, row.location.partition("/")[0], "weights" if weights else ""
