"""Runs an export: read a tensor, encode it, write it; the folder appears whole or not at all."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from bayling_study.core.disk import check_space
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, remove_leftovers, write_json, write_text
from bayling_study.core.progress import Progress
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.shared.checkpoints.shards import copy_companions
from bayling_study.stages.export.encoding import TensorError, error_report
from bayling_study.stages.export.plan import Format, Shard

ERROR_FILE = "error.json"
SPARE_BYTES = 64 << 20  # room left for the tokenizer and the report


def export(checkpoint: Checkpoint, form: Format, out: Path) -> Any:
    """Exports a checkpoint to ``out``; returns the error report, as written to ``error.json``
    (``StudyError`` if a tensor cannot be exported, or the disk is too small or fills up). An
    interrupted export starts from scratch: one takes seconds to minutes, and what stood at ``out``
    before stays until the new folder is complete."""
    shards = form.plan()
    files = [shard.file for shard in shards]
    out.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(out)
    needed = sum(file.size for file in files) + SPARE_BYTES
    check_space(out.parent, needed, "the export", "make room or write somewhere else")
    errors: dict[str, TensorError] = {}
    progress = Progress("weights", checkpoint.nbytes, "B")

    def parts(shard: Shard) -> Iterator[tuple[str, Tensor]]:
        for source, names in shard.sources.items():
            entry = checkpoint.entries[source]
            try:
                encoded = form.encode(source, entry.read())
            except StudyError as error:
                where = error.where or entry.file
                raise StudyError(error.what, where=where, fix=error.fix) from error
            yield from zip(names, encoded.blobs, strict=True)
            errors[source] = encoded.error
            progress.update(entry.nbytes)

    try:
        with progress, atomic_directory(out) as folder:
            for shard in shards:
                shard.file.write(folder, parts(shard))
            report = error_report([errors[name] for name in checkpoint.entries])
            write_json(folder / ERROR_FILE, report)
            copy_companions(checkpoint.folder, folder)
            write_text(folder / "README.md", form.finish(folder, files))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        what = f"the disk is full ({error.strerror})"
        raise StudyError(what, where=out.parent, fix="make room and start again") from error
    return report
