"""Is an input still what its job wrote, and may a job write where it was told to?

A flipped bit, or a file somebody edited, would go into every number made from it. So each job
compares what it is about to read with its writer's record, and a source's files with its manifest.
A program started by hand, or a rule with a slip in it, must not replace what another job made, nor
what it reads itself. Standard library only: the COMET environment uses this module too.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from bayling_study.core.disk import damage
from bayling_study.core.errors import StudyError
from bayling_study.core.files import file_hashes, landing, read_json
from bayling_study.shared.sources.fetched import MANIFEST
from bayling_study.shared.tracking.jobs import Reference, read_job, touches

RUNS = "runs"


def check_input(path: Path, sha256: str, files: Mapping[str, str] | None = None) -> None:
    """Compares an input with the records of those who wrote it (``StudyError`` if it changed). What
    no record names (a user's own file) passes. ``sha256`` is the hash that
    ``core.files.sha256_path`` takes now, ``files`` that of each file of a folder, if taken."""
    whole = Path(path).resolve()
    runs = records_above(whole)
    written = _written(runs) if runs else {}
    now = {whole / name: digest for name, digest in (files or {}).items()} | {whole: sha256}
    for file, digest in now.items():
        sha, output = written.get(file, (digest, None))
        if output is None or sha == digest:
            continue
        if not (file.is_dir() and output.files):
            _changed(f"SHA-256 {digest[:12]}, written {sha[:12]}", file, output)
        _check_folder(output, file_hashes(whole) if files is None else files)
    folder = path if path.is_dir() else path.parent
    if path in (folder, folder / MANIFEST) and (folder / MANIFEST).is_file():
        check_source(folder)


def _check_folder(output: Reference, found: Mapping[str, str]) -> None:
    """Refuses (``StudyError``) a folder of which a file was changed, added or is gone; with an
    added one it is as good as it was: its result need not be made again."""
    if gone := [name for name in output.files if name not in found]:
        _changed("the file is gone", output.path / gone[0], output)
    for name, digest in found.items():
        sha = output.files.get(name, digest)
        if sha != digest:
            _changed(f"SHA-256 {digest[:12]}, written {sha[:12]}", output.path / name, output)
    if added := [name for name in found if name not in output.files]:
        what = f"{len(added)} file(s) of somebody else lie in the result {output.shown}"
        file, elsewhere = output.path / added[0], output.path.parent.parent
        fix = f"move them elsewhere, and start again:\nmv {file} {elsewhere}/"
        raise StudyError(what, where=file, fix=fix)


def _changed(how: str, file: Path, output: Reference) -> NoReturn:
    what = f"it is not what its job wrote: damaged, or changed by hand ({how})"
    fix = "put back the file as it was; or delete the result, and the next run makes it again:\n"
    raise StudyError(what, where=file, fix=f"{fix}rm -r {output.shown}")


def check_source(download: Path) -> None:
    """Refuses (``StudyError``) a fetched source with other files than its manifest says."""
    manifest = read_json(download / MANIFEST)
    root = Path(manifest["root"]) if manifest.get("root") else download / "files"
    for entry in manifest.get("files", []):
        path = root / entry["path"]
        if problem := damage(path, entry.get("bytes"), entry.get("sha256", "")):
            fix = f"delete its folder, and the next run fetches it again: rm -r {download}"
            raise StudyError(f"the source's file {problem}", where=path, fix=fix)


@lru_cache(maxsize=4)
def _written(runs: Path) -> dict[Path, tuple[str, Reference]]:
    """Returns what the finished jobs of a folder of records wrote: each file and folder with its
    hash and the output that it is or lies in."""
    found: dict[Path, tuple[str, Reference]] = {}
    for output in finished_outputs(runs):
        found[output.path] = (output.sha256, output)
        found |= {output.path / name: (sha, output) for name, sha in output.files.items()}
    return found


def records_above(path: Path) -> Path | None:
    """Returns the nearest folder of run records above a resolved path, if there is one."""
    return next((parent / RUNS for parent in path.parents if (parent / RUNS).is_dir()), None)


def finished_outputs(runs: Path, but: Path | None = None) -> list[Reference]:
    """Returns what the finished jobs of a folder of records wrote, but for one record's."""
    jobs = [read_job(path) for path in sorted(runs.glob("*/*.json")) if path != but]
    done = [job for job in jobs if job.record.get("state") == "finished"]
    return [output for job in done for output in job.outputs()]


def check_record(path: Path) -> None:
    """Refuses (``StudyError``) a run record's path where something else is."""
    if landing(path).exists():
        try:
            read_job(path)
        except StudyError as error:
            what = f"a run record would replace it, and {error.what}"
            fix = "--record with the path of a new file"
            raise StudyError(what, where=path, fix=fix) from error


def check_free(out: Path | None, record: Path) -> None:
    """Refuses (``StudyError``) an ``--out`` that is, holds or lies in what another job wrote; the
    earlier output of this run record's own job may be replaced."""
    if out is None:
        return
    whole = landing(out).resolve()
    runs = records_above(whole)
    for output in finished_outputs(runs, but=record.resolve()) if runs else []:
        if touches(output.path, whole):
            what = f"another job wrote {output.shown} there, which would be replaced"
            fix = "another path; or the --record of the job whose output it is"
            raise StudyError(what, where=f"--out {out}", fix=fix)


def check_apart(out: Path | None, path: Path) -> None:
    """Refuses (``StudyError``) to write over, around or into what the job reads."""
    if out is not None and touches(landing(out).resolve(), path.resolve()):
        what = f"the input {path} would be replaced or changed"
        raise StudyError(what, where=f"--out {out}", fix="another path for --out")
