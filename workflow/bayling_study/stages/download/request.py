"""What a fetcher is asked for and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.receipt import FileFact
from bayling_study.stages.download.transfer import Policy


@dataclass(frozen=True)
class DownloadRequest:
    """One source to fetch into the folder ``out``. The hash to insist on and the revision to fetch
    are the row's, else the lock's, else empty; ``mirrors`` maps prefixes of locations to their
    replacements."""

    row: SourceRow
    out: Path
    sha256: str = ""
    revision: str = ""
    policy: Policy = field(default_factory=Policy)
    mirrors: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> Path:
        """Where the wanted files go."""
        return self.out / "files"

    @property
    def raw(self) -> Path:
        """Where archives and unfinished transfers are; removed after success."""
        return self.out / "raw"

    def mirrored(self, location: str) -> str:
        """Returns a location with the longest matching mirror prefix replaced."""
        prefix = max(filter(location.startswith, self.mirrors), key=len, default="")
        return self.mirrors.get(prefix, prefix) + location.removeprefix(prefix)


@dataclass(frozen=True)
class Fetched:
    """What was fetched: the kept files, and what the table's columns mean for a source's kind.
    ``bytes`` are those of the archive or file, or of all files for kinds of many files;
    ``location`` is the place taken, of a row that names several."""

    facts: list[FileFact]
    sha256: str
    bytes: int
    revision: str = ""
    location: str = ""
