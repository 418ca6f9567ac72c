"""The memory that a job may use of its machine."""

import os
from pathlib import Path

OWN = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")


def host_bytes(own: Path = OWN, groups: Path = GROUPS) -> int:
    """Returns the machine's memory, or the smallest limit that is set for this job. A scheduler or
    a container limits the control group of a job, which the file ``own`` names, or one above it
    (``memory.max`` of Linux' cgroups v2, mounted at ``groups``)."""
    lines = own.read_text().splitlines() if own.is_file() else []
    names = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    group = groups / (names[0] if names else "")
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in (group, *group.parents):
        limit = folder / "memory.max"
        text = limit.read_text().strip() if limit.is_file() else "max"
        limits += [int(text)] if text.isdigit() else []
        if folder == groups:
            break
    return min(limits)
