"""Section ``rehearsal``: the study is one in small, made from the first rows of every source."""

from typing import Annotated

from pydantic import Field, StringConstraints

from bayling_study.config.base import Section


class RehearsalSection(Section):
    """What a rehearsal is one of, and how much of each source it reads.

    ``make rehearse`` writes this section; a study itself has none.
    """

    of: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    """First digits of the hash of the configuration that is rehearsed."""
    rows: int = Field(default=40, gt=0)
    """Rows that are kept of each file of a source."""
    file_megabytes: int = Field(default=4, gt=0)
    """What is read of one file at most, where its server and its format allow a part."""
    source_megabytes: int = Field(default=64, gt=0)
    """What is read of one source at most, but for the first pages of each Parquet file; an archive
    of no more is read whole."""
