"""Fetches one source of the table into ``resources/download/ID-HASH``.

Produces the upstream files in ``OUT/files`` and, last, ``OUT/manifest.json`` with the hash of each.
A complete, undamaged download is recognised and left alone; an interrupted one goes on; a damaged
one is fetched again. Run as ``python -m bayling_study.stages.download --help``.
"""

import logging
import shutil
import time
from pathlib import Path

from bayling_study.config import load_settings
from bayling_study.config.rehearsal import RehearsalSection
from bayling_study.config.study import DownloadSection
from bayling_study.core import cli
from bayling_study.core.disk import bytes_in, check_space
from bayling_study.core.files import read_json
from bayling_study.core.lookup import look_up
from bayling_study.shared.sources.fetched import MANIFEST
from bayling_study.shared.sources.table import SourceRow, known_sources
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.download import local
from bayling_study.stages.download import lock as locks
from bayling_study.stages.download.fetchers import FETCHERS, NO_SPACE, UNPACKED_FACTOR
from bayling_study.stages.download.hub import is_commit
from bayling_study.stages.download.receipt import intact, write_receipt
from bayling_study.stages.download.request import DownloadRequest
from bayling_study.stages.download.transfer import Policy

LOG = logging.getLogger("bayling_study.stages.download")

COMMAND_LINE = cli.command(
    __name__,
    **cli.JOB,
    operations=cli.OPERATIONS,
    source=cli.option("id of a source", required=True),
    out=cli.path("folder to write"),
)


def main() -> None:
    """Fetches the source, or finds that it is there."""
    options = COMMAND_LINE.parse_args()
    settings = load_settings(None, "download", operations=options.operations)
    where = f"{settings.download.manifest} and sources"
    row = look_up("source", options.source, known_sources(settings), where)
    # A download belongs to all studies.
    with run_record(options.record, "download", row.id, "shared", options.code) as run:
        run.parameters({"source": row.model_dump(mode="json", exclude={"note"})})
        start = time.monotonic()
        ensure(row, options.out, settings.download, settings.rehearsal)
        receipt = read_json(options.out / MANIFEST)
        run.parameters({"pin": receipt["pin"], "listing": receipt["listing"]})
        files, seconds = receipt["files"], time.monotonic() - start
        size = sum(item["bytes"] for item in files)
        run.metrics({"files": len(files), "bytes": size, "seconds": seconds})
        run.output("manifest", options.out / MANIFEST)


def ensure(
    row: SourceRow, out: Path, section: DownloadSection, rehearsal: RehearsalSection | None = None
) -> None:
    """Makes ``out`` a complete, verified copy of the source, or its first rows in a rehearsal
    (``StudyError`` if it cannot be had, or is not what was pinned or locked)."""
    if (rehearsal or row.id not in section.local) and intact(out, row, None):
        LOG.info("%s is complete", row.id)  # also a local source that a bundle brought
        return
    path = local.local_path(row, section.local)
    if rehearsal:
        from bayling_study.stages.download.partly import fetch_part  # its Parquet takes 0.1 s

        (out / MANIFEST).unlink(missing_ok=True)
        fetch_part(make_request(row, out, section, None), path, rehearsal)
        LOG.info("%s: the first %d rows of each file", row.id, row.first)
        return
    root = path if path and path.is_dir() else None
    if (root or not path) and intact(out, row, root):  # a file may be another one by now
        LOG.info("%s is complete", row.id)
        return
    if root:
        facts, checked = local.take_local_folder(root, row, out)
        write_receipt(out, row, facts, "local", root=str(root), checked=checked)
        LOG.info("%s: %d files of %s; %s", row.id, len(facts), root, checked)
        return
    (out / MANIFEST).unlink(missing_ok=True)
    lock = locks.read_lock(locks.lock_path(out))
    request = make_request(row, out, section, lock)
    if not path and row.bytes:  # the disk is looked at before the transfer
        out.mkdir(parents=True, exist_ok=True)
        whole = row.kind == "hub"  # and no archive
        held = bytes_in(request.files if whole else request.raw)
        needed = row.bytes if whole else UNPACKED_FACTOR * row.bytes
        check_space(out, needed - held, row.id, NO_SPACE)
    fetched = local.take_local_file(path, request) if path else FETCHERS[row.kind](request)
    pin = "table" if row.sha256 else "lock"
    if pin == "lock" and lock is None:
        origin = locks.LOCAL_COPY if path else ""
        lock = locks.Lock(row.id, fetched.revision, fetched.sha256, fetched.bytes, origin)
        locks.write_lock(locks.lock_path(out), lock)
    locks.write_listing(locks.listing_path(out), fetched.facts)
    extra = {"revision": fetched.revision, "location": fetched.location}
    write_receipt(out, row, fetched.facts, pin, **extra)
    shutil.rmtree(request.raw, ignore_errors=True)
    LOG.info("%s: %d files, pinned by %s", row.id, len(fetched.facts), pin)


def make_request(
    row: SourceRow, out: Path, section: DownloadSection, lock: locks.Lock | None
) -> DownloadRequest:
    """Joins what the table, the lock and the config say of a source. A hub's branch goes on; the
    commit that was locked is the one to fetch."""
    locked = lock.revision if lock else ""
    moves = row.kind == "hub" and not is_commit(row.revision)
    return DownloadRequest(
        row,
        out,
        sha256=row.sha256 or (lock.sha256 if lock else ""),
        revision=(locked or row.revision) if moves else (row.revision or locked),
        policy=Policy(section.retries, section.timeout, section.slowest),
        mirrors=section.mirrors,
    )


if __name__ == "__main__":
    cli.run_program(main)
