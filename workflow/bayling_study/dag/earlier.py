"""Results of earlier versions, whose folders had other names: never mixed with new ones."""

from pathlib import Path

from bayling_study.core.errors import StudyError

RESULTS = (
    *("instructions", "tuned", "int8", "exports", "outputs", "scores"),
    *("restored", "comet-embedded"),
)
"""Folders of a study that only versions up to 0.1 wrote."""
DOWNLOADS = "downloads"
"""Folder of resources that those versions wrote; what is in it is still good."""


def check_earlier(study: Path, resources: Path) -> None:
    """Refuses to go on over what an earlier version left, before any job.

    Raises:
        StudyError: says which folders there are and the commands that set them aside, or
            that let downloads be used again.
    """
    found = [name for name in RESULTS if (study / name).is_dir()]
    if found:
        what = f"results of an earlier version are here ({', '.join(found)}); folders are now "
        what += "named after the stage that writes them (CHANGELOG.md)"
        fix = f"mv {study} {study}-0.1   # kept, and readable with the version that made them"
        raise StudyError(what, where=study, fix=fix)
    old, new = resources / DOWNLOADS, resources / "download"
    if old.is_dir() and not any(new.glob("*")):
        records = resources / "runs" / "download"
        ways = [f"rmdir {new}"] if new.is_dir() else []
        ways.append(f"mv {old} {new}")
        if any(records.glob("*.json")):
            ways.append(f"sed -i 's#{old}/#{new}/#g' {records}/*.json")
        what = "downloads of an earlier version are here; they can be used again"
        raise StudyError(what, where=old, fix="\n".join(ways))
