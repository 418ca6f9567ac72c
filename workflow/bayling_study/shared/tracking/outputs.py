"""May a job write where it was told to?

A program started by hand, or a rule with a slip in it, must not replace what another job made, nor
what it reads itself. Standard library only: the COMET environment uses this module too.
"""

from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.files import landing
from bayling_study.shared.tracking.inputs import finished_outputs, records_above
from bayling_study.shared.tracking.jobs import read_job, touches


def check_record(path: Path) -> None:
    """Checks that a run record replaces nothing but a run record.

    Raises:
        StudyError: something else is there.
    """
    if landing(path).exists():
        try:
            read_job(path)
        except StudyError as error:
            what = f"a run record would replace it, and {error.what}"
            fix = "--record with the path of a new file"
            raise StudyError(what, where=path, fix=fix) from error


def check_free(out: Path | None, record: Path) -> None:
    """Checks that the path of ``--out`` replaces nothing that another job made.

    The earlier output of the job's own run record may be replaced.

    Raises:
        StudyError: it is, holds or lies in the output of another record.
    """
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
    """Checks that a job does not write over, around or into what it reads.

    Raises:
        StudyError: it would.
    """
    if out is not None and touches(landing(out).resolve(), path.resolve()):
        what = f"the input {path} would be replaced or changed"
        raise StudyError(what, where=f"--out {out}", fix="another path for --out")
