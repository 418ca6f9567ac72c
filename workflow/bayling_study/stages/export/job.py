"""Runs an export, several tensors at once; the folder appears whole or not at all."""

import errno
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bayling_study.core.disk import check_space
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, remove_leftovers, write_json, write_text
from bayling_study.core.progress import Progress
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.shared.checkpoints.shards import copy_companions, tensor_bytes
from bayling_study.stages.export.encoding import TensorError, error_report
from bayling_study.stages.export.plan import Format, Shard

ERROR_FILE = "error.json"
SPARE_BYTES = 64 << 20  # room left for the tokenizer and the report
THREADS = 2  # more would have more tensors in memory than the job is granted


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
    errors: list[TensorError] = []
    progress = Progress("weights", checkpoint.nbytes, "B")

    def encode(folder: Path, shard: Shard, source: str) -> TensorError:
        entry = checkpoint.entries[source]
        places = [shard.file.offsets[name] for name in shard.sources[source]]

        def put(part: int, values: torch.Tensor) -> None:
            stream.seek(places[part])
            places[part] += stream.write(tensor_bytes(values))

        try:
            with open(folder / shard.file.name, "rb+") as stream:
                return form.encode(source, entry.read(), put)
        except StudyError as error:
            raise StudyError(error.what, where=error.where or entry.file, fix=error.fix) from error

    try:
        with progress, atomic_directory(out) as folder, ExitStack() as stack:
            # A thread for each tensor: to divide every operation takes more of a processor.
            threads = min(THREADS, torch.get_num_threads())
            pool = ThreadPoolExecutor(threads, "", torch.set_num_threads, (1,))
            stack.callback(pool.shutdown, cancel_futures=True)
            for shard in shards:
                shard.file.begin(folder)
                for error in pool.map(partial(encode, folder, shard), shard.sources):
                    errors.append(error)
                    progress.update(checkpoint.entries[error.tensor].nbytes)
            report = error_report(errors)
            write_json(folder / ERROR_FILE, report)
            copy_companions(checkpoint.folder, folder)
            write_text(folder / "README.md", form.finish(folder, files))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        what = f"the disk is full ({error.strerror})"
        raise StudyError(what, where=out.parent, fix="make room and start again") from error
    return report
