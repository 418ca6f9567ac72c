"""Results that other settings or other code made, told from the run records.

Snakemake knows with which parameters it made a file from its own notes in ``.snakemake``. They are
gone where results were moved, copied into another clone or renamed, and a changed learning rate
would then start nothing. The run records lie with the results and say the same: what they show to
be outdated gets a modification time before all others, which Snakemake understands everywhere.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from bayling_study.shared.tracking.jobs import RecordedJob, read_job

LOGGER = logging.getLogger(__name__)
OUTDATED = 1.0
"""Modification time, in seconds, of an output to be made again (to Snakemake, 0 is none)."""
TIMESTAMP = ".snakemake_timestamp"  # file in a folder whose time Snakemake takes for the folder's
SHOWN = 5
SettingsOf = Callable[[str, str], str]
CodeOf = Callable[[str], str]


def mark_outdated(study: Path, settings: SettingsOf, code: CodeOf) -> None:
    """Compares each finished record of a study with what its job would be given now: the file of
    ``settings`` by stage and name, the hash of ``code`` by stage. Says which are outdated. One that
    is up to date again (a key was set back) gets its job's time."""
    outdated = []
    for job in map(read_job, sorted((study / "runs").glob("*/*.json"))):
        if job.record.get("state") != "finished":
            continue
        differs = _difference(job, settings, code)
        outdated += [f"{job.title} ({differs})"] if differs else []
        for output in job.outputs():
            _set_time(output.path, bool(differs), job.record["end"])
    if outdated:
        more = f" and {len(outdated) - SHOWN} more" if len(outdated) > SHOWN else ""
        listed = ", ".join(outdated[:SHOWN])
        LOGGER.warning("made otherwise than they would be now: %s%s", listed, more)


def _difference(job: RecordedJob, settings: SettingsOf, code: CodeOf) -> str:
    """Returns in words what a job was given that it would not be given now; nothing if none. A
    record of what the configuration no longer holds is up to date."""
    stage, name = job.record["stage"], job.record["name"]
    if stage == "comet":
        stage, name = f"comet.{name}", ""
    elif stage == "judging":
        name = next((one.path.stem for one in job.inputs() if one.name == "prompts"), "")
    given = job.record.get("settings", {}).get("path")
    try:
        now = Path(settings(stage, name)).name if given else ""
    except (KeyError, AssertionError):
        return ""
    found = {
        "settings": given and Path(given).name != now,
        "code": job.record.get("code") not in ("", code(stage)),
    }
    return " and ".join(what for what, differs in found.items() if differs)


def _set_time(path: Path, outdated: bool, end: float) -> None:
    """Gives an output that is there its job's time, or that of what is outdated, if it has not."""
    file = path / TIMESTAMP if (path / TIMESTAMP).is_file() else path
    if file.exists() and (file.stat().st_mtime == OUTDATED) != outdated:
        os.utime(file, (OUTDATED, OUTDATED) if outdated else (end, end))
