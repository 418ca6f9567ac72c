"""How much of a disk the study will fill, and how much of it this user may fill."""

import getpass
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bayling_study.commands.plan.disk import Need, disk_needs, existing, peaks
from bayling_study.commands.plan.downloads import downloads
from bayling_study.commands.preflight.slurm import ask
from bayling_study.dag.rules import Dag
from bayling_study.dag.shapes import study_models

MINIMUM = 10**9
"""Bytes that must be free whatever the plan says: logs, run records, reports."""
QUOTA_SECONDS = 30.0
UNITS = {"": 1024, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5}
SIZE = r"(\d+(?:\.\d+)?)([KMGTPBkmgtpb]?)\*?"
ROW = re.compile(rf"\s{SIZE}\s+{SIZE}\s+{SIZE}(?:\s|$)")
"""Space used, soft and hard limit, as ``quota`` and ``lfs quota`` both have them in a row."""


class Quota(NamedTuple):
    """What a quota program says about a disk: its line, blanks joined, and the bytes left."""

    row: str
    left: float | None
    """Bytes that may still be written; none where there is no limit."""


def needs(dag: Dag) -> list[Need]:
    """Returns what the plan says is still to be written."""
    layout = dag.layout
    shapes = {name: model.shape for name, model in study_models(layout).items()}
    return disk_needs(layout, downloads(layout), shapes)


def peak(planned: Sequence[Need], folder: Path) -> int:
    """Returns the bytes that the study will need, at least, on the disk of a folder."""
    disk = existing(folder).stat().st_dev
    here = [need for need in planned if existing(need.folder).stat().st_dev == disk]
    return max([MINIMUM, *peaks(here)])


def quotas(folder: Path) -> list[Quota]:
    """Asks the quota programs about the disk of a folder; one that is not here, or knows no quota
    of that disk, adds nothing."""
    place = existing(folder)
    mount = next(one for one in (place, *place.parents) if one.is_mount())
    own = ("quota", "-s", "-w", "-f", str(mount))
    lustre = ("lfs", "quota", "-h", "-u", getpass.getuser(), str(place))
    # ``quota`` fails where a limit is passed, and tells it.
    return [row for one in (own, lustre) for row in parse(ask(*one, seconds=QUOTA_SECONDS)[1])]


def parse(text: str) -> list[Quota]:
    """Reads the rows of ``quota -s -w`` or ``lfs quota -h``; a limit of 0 is none."""
    # lfs breaks a row behind a long name.
    joined = re.sub(r"(?m)^(\s*/\S+)\n(?=\s+\d)", r"\1 ", text)
    found = []
    for line in joined.splitlines():
        row = ROW.search(line)
        if row is None:
            continue
        used, *limits = (float(row[place]) * UNITS[row[place + 1].upper()] for place in (1, 3, 5))
        written = [limit for limit in limits if limit]
        left = max(0.0, min(written) - used) if written else None
        found.append(Quota(" ".join(line.split()), left))
    return found
