"""The run record: what a job did, with what, and how it went. One JSON file per job
(``runs/STAGE/NAME.json``), the source of truth for MLflow and the report. It is rewritten
atomically, so a reader always sees a whole record, also of a job that was killed. Standard library
only: the COMET environment uses this module too."""

import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayling_study.core.claims import claimed
from bayling_study.core.credentials import masked
from bayling_study.core.errors import StudyError
from bayling_study.core.files import file_hashes, sha256_file, sha256_listing, write_json
from bayling_study.core.progress import Progress
from bayling_study.shared.tracking import host, inputs
from bayling_study.shared.tracking.code import PACKAGE, code_hash
from bayling_study.shared.tracking.usage import Usage

SCHEMA = 1
FLUSH_SECONDS = 5.0
REPOSITORY = Path(__file__).resolve().parents[4]


class RunRecord:
    """A run record under construction, written as ``data``; use ``run_record`` to open one."""

    def __init__(self, path: Path, stage: str, name: str, study: str, code: str) -> None:
        self.path = Path(path)
        self._out, settings = _given("--out"), _given("--settings")
        self._flushed = 0.0
        self.data: dict[str, Any] = {
            "schema": SCHEMA,
            "uid": uuid.uuid4().hex,
            "study": study,
            "stage": stage,
            "name": name,
            "state": "running",
            "start": time.time(),
            "end": None,
            "command": host.command_line(),
            "settings": _reference(settings, None) if settings and settings.is_file() else {},
            "code": code,
            "commit": host.git_commit(REPOSITORY),
            "packages": host.package_versions(),
            "host": host.host_facts(),
            **{"parameters": {}, "metrics": {}, "history": []},
            **{"inputs": {}, "outputs": {}, "artefacts": []},
            **{"usage": {}, "error": None},
        }
        self.usage: Usage | None = None

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Adds parameters; nested mappings become dotted keys."""
        self.data["parameters"].update(flatten(values))

    def input(self, name: str, path: Path, sha256: str | None = None) -> None:
        """Notes an input by name; its hash is computed unless given (``StudyError`` if it is not
        what the job that wrote it left, see ``inputs``, or this job would write over it)."""
        reference = _reference(path, sha256)
        self.data["inputs"][name] = {"path": reference["path"], "sha256": reference["sha256"]}
        inputs.check_apart(self._out, Path(path))
        inputs.check_input(Path(path), reference["sha256"], reference.get("files"))

    def output(self, name: str, path: Path, sha256: str | None = None) -> None:
        """Notes an output that is complete on disk; of a folder, each file's hash too."""
        self.data["outputs"][name] = _reference(path, sha256)

    def artefact(self, path: Path) -> None:
        """Notes a file that people open (table, figure, audit)."""
        self.data["artefacts"].append(str(path))

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Notes metrics: final values without ``step``, a point of a curve with it."""
        if step is None:
            self.data["metrics"].update(values)
        else:
            self.data["history"] += [{"step": step, "time": time.time(), "values": dict(values)}]
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes the record as it stands."""
        self.data["host"]["peak_memory_bytes"] = host.peak_memory_bytes()
        if self.usage is not None:
            self.data["usage"] = self.usage.summary()
        write_json(self.path, masked(self.data))
        self._flushed = time.monotonic()

    def close(self, state: str, error: str | None = None) -> None:
        """Writes the record's final state: ``finished``, ``failed`` or ``interrupted``."""
        if self.usage is not None:
            self.usage.close()
        self.data.update(state=state, end=time.time(), error=error)
        Progress.job = ""
        self.flush()


@contextmanager
def run_record(path: Path, stage: str, name: str, study: str, code: str) -> Iterator[RunRecord]:
    """Opens a run record and closes it as ``finished`` or, on an exception, ``failed``. Raises a
    ``StudyError`` if the record or the output would replace what is not this job's, other code runs
    than the job was planned with, or the same job is at work elsewhere."""
    _check_code(code)
    inputs.check_record(path)
    inputs.check_free(_given("--out"), path)
    with claimed(Path(path)):
        record = RunRecord(path, stage, name, study, code)
        Progress.job = stage if name == stage else f"{stage} {name}"
        record.flush()
        record.usage = Usage()
        try:
            yield record
        except KeyboardInterrupt:
            record.close("interrupted", "interrupted by the user")
            raise
        except SystemExit as error:
            record.close("finished" if not error.code else "interrupted", f"exit {error.code}")
            raise
        except BaseException as error:
            record.close("failed", error.render() if isinstance(error, StudyError) else repr(error))
            raise
        record.close("finished")


def _check_code(planned: str) -> None:
    """Refuses (``StudyError``) other code than the job was planned with, as of another clone."""
    program = host.program()
    now = code_hash(program) if planned and program.startswith(f"{PACKAGE}.stages.") else planned
    if now != planned:
        what = f"the code of {program} is not what the job was planned with (now {now})"
        fix = "start the study again, and the job is planned with the present code"
        raise StudyError(what, where=f"--code {planned}", fix=fix)


def _given(option: str) -> Path | None:
    """Returns the path that this program's command line gives for an option."""
    return Path(sys.argv[sys.argv.index(option) + 1]) if option in sys.argv[:-1] else None


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turns nested mappings into one with dotted keys; other values stay as they are."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _reference(path: Path, sha256: str | None) -> dict[str, Any]:
    if sha256 is None and not Path(path).is_file():
        files = file_hashes(path)
        return {"path": str(path), "sha256": sha256_listing(files), "files": files}
    return {"path": str(path), "sha256": sha256 or sha256_file(path)}
