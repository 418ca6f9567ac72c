"""Runs an export: read a tensor, encode it, write it, note it; then put all in place at once."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, sha256_file, write_json
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.stages.export.encoding import error_report
from bayling_study.stages.export.journal import BOOKKEEPING, Journal, open_journal
from bayling_study.stages.export.plan import Format, Plan

ERROR_FILE = "error.json"
PROGRESS_SECONDS = 5.0
log = logging.getLogger(__name__)


def export(checkpoint: Checkpoint, form: Format, out: Path, identity: dict[str, Any]) -> Any:
    """Exports a checkpoint to ``out``; the folder appears whole at the end or not at all.

    Args:
        checkpoint: what to export; it is only read.
        form: the format.
        out: folder to make; an earlier one is replaced at the end.
        identity: settings and code that decide the bytes, for resuming.

    Returns:
        The error report, as written to ``error.json``.

    Raises:
        StudyError: a tensor cannot be exported, or the disk is full. The
            finished part stays beside ``out`` for the next attempt.
    """
    plan = form.plan()
    identity = identity | {"input": checkpoint.fingerprint()}
    with open_journal(out, plan, identity) as journal:
        _write_tensors(checkpoint, form, plan, journal)
        hashes = {file.name: sha256_file(journal.folder / file.name) for file in plan.files}
        report = error_report(journal.finished[name] for name in checkpoint.places)
        write_json(journal.folder / ERROR_FILE, report)
        form.finish(journal.folder, hashes)
        _put_in_place(journal.folder, out)
    return report


def _write_tensors(checkpoint: Checkpoint, form: Format, plan: Plan, journal: Journal) -> None:
    if journal.finished:
        log.info("%d of %d tensors are already written", len(journal.finished), len(plan.tasks))
    meter = Progress(checkpoint, len(plan.tasks))
    for task in plan.tasks:
        place = checkpoint.places[task.source]
        if task.source in journal.finished:
            meter.skip(place.nbytes)
            continue
        try:
            encoded = form.encode(task.source, place.read())
        except StudyError as error:
            raise StudyError(error.what, where=error.where or place.file, fix=error.fix) from error
        journal.write(task, encoded)
        meter.step(place.nbytes)


def _put_in_place(work: Path, out: Path) -> None:
    """Moves the finished files into ``out`` in one rename and drops the work folder."""
    with atomic_directory(out) as scratch:
        for file in work.iterdir():
            if file.name not in BOOKKEEPING:
                os.replace(file, scratch / file.name)
    for name in BOOKKEEPING:
        (work / name).unlink(missing_ok=True)
    work.rmdir()


class Progress:
    """Says every few seconds how far the export is, how fast, and how long it will take."""

    def __init__(self, checkpoint: Checkpoint, tensors: int) -> None:
        self.total = checkpoint.nbytes
        self.tensors = tensors
        self.done = self.fresh = self.count = 0
        self.start = self.spoken = time.monotonic()

    def skip(self, nbytes: int) -> None:
        """Counts a tensor that an earlier attempt wrote; it does not count for the rate."""
        self.done += nbytes
        self.count += 1

    def step(self, nbytes: int) -> None:
        """Counts a tensor that was just written."""
        self.skip(nbytes)
        self.fresh += nbytes
        now = time.monotonic()
        if now - self.spoken > PROGRESS_SECONDS or self.count == self.tensors:
            self.spoken = now
            log.info("%s", self.line(now - self.start))

    def line(self, seconds: float) -> str:
        """Renders the state after ``seconds`` of this attempt."""
        rate = self.fresh / max(seconds, 1e-9)
        left = (self.total - self.done) / rate if rate else float("inf")
        return (
            f"{self.count}/{self.tensors} tensors, {self.done / 1e6:.0f} of "
            f"{self.total / 1e6:.0f} MB, {rate / 1e6:.0f} MB/s, {left:.0f} s left"
        )
