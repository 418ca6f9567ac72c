"""Finished weights, kept as hard links beside the work in progress.

Snakemake deletes a job's declared folder before the job starts. A job that a cluster's queue
starts a second time, because a new Snakemake knew nothing of a killed one's jobs, would so delete
the finished model and train it again. The links take no room while the model stands; a second job
with the same settings, data and code takes the model from there at once, with the measurements
of the training that made it.
"""

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bayling_study.core.files import atomic_directory, file_hashes, read_json, write_json
from bayling_study.shared.tracking.record import RunRecord

log = logging.getLogger(__name__)

FOLDER, FACTS = "finished", "finished.json"
CARRIED = ("parameters", "metrics", "history", "usage")
"""Parts of the training's run record that the report reads."""


def keep(run: RunRecord, out: Path, folder: Path) -> None:
    """Links the finished model's files below a folder of work; those of other settings go. ``run``
    has noted ``out`` as its output ``checkpoint``. Without hard links nothing is kept."""
    for older in folder.parent.glob(f"*/{FOLDER}"):
        shutil.rmtree(older)
    files: dict[str, str] = run.data["outputs"]["checkpoint"]["files"]
    try:
        _link(files, out, folder / FOLDER)
    except OSError as error:
        log.warning("%s: not kept as hard links: %s", out, error)
        return
    carried = {key: run.data[key] for key in CARRIED}
    write_json(folder / FACTS, {"code": run.data["code"], "files": files, **carried})


def hand_over(run: RunRecord, out: Path, folder: Path) -> bool:
    """Puts a kept model of the same code to ``out``; tells whether there was a whole one."""
    links = folder / FOLDER
    if not links.is_dir() or not (folder / FACTS).exists():
        return False
    facts: dict[str, Any] = read_json(folder / FACTS)
    if facts["code"] != run.data["code"] or facts["files"] != file_hashes(links):
        return False
    _link(facts["files"], links, out)
    run.data.update({key: facts[key] for key in CARRIED})
    run.parameters({"taken_from": str(links)})
    log.warning(
        "%s: finished before with the same settings, data and code; taken from there. "
        "To train again, delete that folder",
        links,
    )
    return True


def _link(names: Iterable[str], source: Path, target: Path) -> None:
    """Makes ``target`` a folder of hard links to files of ``source``; whole or not at all."""
    with atomic_directory(target) as made:
        for name in names:
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(source / name, made / name)
