"""Checks the machine that Snakemake runs on: disk, quota, tracking store, network for downloads."""

import getpass
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bayling_study.commands.plan.disk import BIGGER, Need, check_disk, disk_needs, existing, peaks
from bayling_study.commands.plan.downloads import downloads
from bayling_study.commands.preflight.outcome import Outcome, failed, note, ok
from bayling_study.commands.preflight.probe import reachable
from bayling_study.commands.preflight.slurm import ask
from bayling_study.commands.rehearse.overlay import overlay_path, rehearsed
from bayling_study.commands.rehearse.page import PASSED
from bayling_study.config import StudyConfig
from bayling_study.config.yaml_files import read_yaml
from bayling_study.core.errors import StudyError
from bayling_study.dag.rules import Dag
from bayling_study.dag.shapes import study_models
from bayling_study.shared.sources.gates import check_gates, page
from bayling_study.shared.sources.table import SourceRow

HIDDEN = (Path("/tmp"), Path("/var/tmp"))
"""HTCondor's default MOUNT_UNDER_SCRATCH: each job has folders of its own in their places."""
MINIMUM = 10**9  # bytes that must be free whatever the plan says: logs, run records, reports
QUOTA_SECONDS = 30.0
UNITS = {"": 1024, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5}
SIZE = r"(\d+(?:\.\d+)?)([KMGTPBkmgtpb]?)\*?"
ROW = re.compile(rf"\s{SIZE}\s+{SIZE}\s+{SIZE}(?:\s|$)")
"""Space used, soft and hard limit, as ``quota`` and ``lfs quota`` both have them in a row."""


def here(dag: Dag) -> Iterator[Outcome]:
    """Checks this machine: disk, tracking store, network for downloads."""
    planned = needs(dag)
    yield disk(dag, planned)
    yield from quota(dag, planned)
    yield tracking(dag)
    yield from gates(dag.layout.missing_sources())
    yield from rehearsal(dag.config)
    if all(one.state != "missing" for one in downloads(dag.layout)):
        yield ok("downloads", "all sources are present")
    for url in addresses(dag):
        if not reachable(url):
            fix = "run make fetch where there is a network, or download.mirrors / download.local"
            yield failed("downloads", f"cannot reach {urlsplit(url).hostname} from here", fix)


def rehearsal(study: StudyConfig) -> Iterator[Outcome]:
    """Tells whether this very configuration has been rehearsed, and how that ended."""
    fix = f"make rehearse STUDY={study.study.name}"
    path = overlay_path(study)
    page = path.parent / study.study.name / "rehearsal.txt"
    if study.rehearsal:
        return
    if not path.is_file() or not page.is_file():
        yield note("rehearsal", "this configuration has had none", fix)
    elif read_yaml(path)["rehearsal"]["of"] != rehearsed(study):
        yield note("rehearsal", "the last one was of another configuration", fix)
    else:
        said = page.read_text(encoding="utf-8").splitlines()[1]
        yield ok("rehearsal", said) if said == PASSED else note("rehearsal", said, f"see {page}")


def gates(missing: Sequence[SourceRow]) -> Iterator[Outcome]:
    """Tells of the gated sources still to be fetched: their terms, and whether a token is set."""
    gated = ", ".join(f"{row.id} ({page(row)}, {row.licence})" for row in missing if row.gated)
    found = f"a token is set; whether its account has accepted the terms shows then: {gated}"
    try:
        check_gates(missing)
        if gated:
            yield note("gated sources", found, "accept them on the page of each on the hub")
    except StudyError as error:
        yield failed("gated sources", error.what, error.fix or "")


def addresses(dag: Dag) -> list[str]:
    """Returns one URL for each host that the study downloads from."""
    rows = (one.row for one in downloads(dag.layout) if one.state == "missing")
    urls = (row.location for row in rows if "://" in row.location)
    return list({urlsplit(url).hostname: url for url in urls}.values())


def disk(dag: Dag, planned: Sequence[Need]) -> Outcome:
    """Compares the disks with the plan, and with a minimum where nothing large is left to do."""
    try:
        check_disk(planned)
    except StudyError as error:
        return failed("disk", f"{error.where}: {error.what}", error.fix or "")
    free = shutil.disk_usage(existing(dag.layout.study)).free
    return room("disk", free, peak(planned, dag.layout.study))


def room(check: str, free: float, need: float) -> Outcome:
    """Compares bytes that are free with bytes that the study needs."""
    text = f"{free / 1e9:.1f} GB are free, {need / 1e9:.1f} GB are needed (make plan)"
    if free < need:
        return failed(check, text, f"{BIGGER}, or remove files there")
    return ok(check, text)


def quota(dag: Dag, planned: Sequence[Need]) -> Iterator[Outcome]:
    """Tells the quotas of the study's disks, and judges what is left of them."""
    seen = set()
    for folder in (dag.layout.study, dag.layout.resources):
        need = peak(planned, folder)
        for found in quotas(folder):
            if found.row in seen:
                continue
            seen.add(found.row)
            if found.left is not None and found.left < need:
                left = f"{found.left / 1e9:.1f} GB are left of it, {need / 1e9:.1f} are needed"
                yield failed("quota", f"{found.row}: {left}", f"ask the site for more, or {BIGGER}")
            else:
                yield ok("quota", found.row)
    if not seen:
        yield note("quota", "neither quota nor lfs reports a limit; the site may have other tools")


def tracking(dag: Dag) -> Outcome:
    """Checks that the tracking store can be reached from here, where it is written."""
    uri = dag.tracking_uri()
    if not uri.startswith(("http://", "https://")):
        return ok("tracking", "a file of the study")
    if reachable(uri):
        return ok("tracking", f"{urlsplit(uri).hostname} answers")
    fix = "tracking.uri; leave it out for a file of the study and send it later (make track)"
    return failed("tracking", f"{urlsplit(uri).hostname} does not answer", fix)


def hidden(dag: Dag) -> Iterator[Outcome]:
    """Names each folder of the study that HTCondor's jobs would not see."""
    needed = {"study.results": dag.layout.study, "study.resources": dag.layout.resources}
    needed |= {"this folder": Path.cwd(), "Python's environment": Path(sys.prefix)}
    for name, folder in needed.items():
        if any(folder.resolve().is_relative_to(place) for place in HIDDEN):
            what = f"{name}: {folder} is hidden from jobs, which get a /tmp of their own"
            yield failed("shared files", what, "a folder that all nodes share: not below /tmp")


class Quota(NamedTuple):
    """What a quota program says about a disk: its line, blanks joined, and the bytes left."""

    row: str
    left: float | None  # bytes that may still be written; none where there is no limit


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
        if (row := ROW.search(line)) is None:
            continue
        used, *limits = (float(row[place]) * UNITS[row[place + 1].upper()] for place in (1, 3, 5))
        written = [limit for limit in limits if limit]
        left = max(0.0, min(written) - used) if written else None
        found.append(Quota(" ".join(line.split()), left))
    return found
