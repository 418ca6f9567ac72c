"""What a fetcher is asked for and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.receipt import FileFact
from bayling_study.stages.download.transfer import Policy


@dataclass(frozen=True)
class DownloadRequest:
    """One source to fetch.

    Attributes:
        row: the source.
        out: the download's folder; files go to ``out/files``, unfinished things to ``out/raw``.
        sha256: the hash to insist on: the row's, else the lock's, else empty.
        revision: the revision to fetch: the row's, else the lock's, else empty.
        policy: patience of transfers.
        mirrors: location prefix to its replacement.
    """

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
        prefixes = [prefix for prefix in self.mirrors if location.startswith(prefix)]
        if not prefixes:
            return location
        prefix = max(prefixes, key=len)
        return self.mirrors[prefix] + location.removeprefix(prefix)


@dataclass(frozen=True)
class Fetched:
    """What was fetched.

    Attributes:
        facts: the kept files.
        sha256: hash in the sense of the table's column for this kind.
        bytes: size of the archive or file, or of all files for kinds of many files.
        revision: the revision that was fetched; may be empty.
    """

    facts: list[FileFact]
    sha256: str
    bytes: int
    revision: str = ""
