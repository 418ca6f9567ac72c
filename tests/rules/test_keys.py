"""What a change of each key of the configuration starts again: every key, against a written table.

``touches.yaml`` names every field of every section. For each, one change is made to the study
of ``every_kind.yaml``, and the jobs whose own parameters, inputs or outputs then differ must be
those of the rules that the table names. What is made from their results follows by the DAG.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from snakemake.api import SnakemakeApi
from snakemake.parser import parse
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)

from bayling_study.config.document import inner_models
from bayling_study.config.model import StudyConfig

pytestmark = pytest.mark.first
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOUCHES: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "touches.yaml").read_text("utf-8"))
STUDY: dict[str, Any] = yaml.safe_load((HERE / "every_kind.yaml").read_text("utf-8"))

Jobs = dict[tuple[str, str], tuple[Any, ...]]
"""Rule and wildcards of each job, and what Snakemake compares with the last run's."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with the repository's configuration and no results."""
    made = tmp_path_factory.mktemp("keys")
    for name in ("config", ".venv"):
        (made / name).symlink_to(ROOT / name)
    (made / "copies").mkdir()
    (made / "copies" / "model.ckpt").touch()
    for name in ("sources.tsv", "published.tsv"):
        shutil.copy(ROOT / "config" / name, made / "copies")
    before, kept, path = Path.cwd(), dict(os.environ), list(sys.path)
    yield made
    os.chdir(before)
    os.environ.clear()
    os.environ.update(kept)
    sys.path[:] = path


@pytest.fixture(scope="module", autouse=True)
def _quick_parser() -> Iterator[None]:
    """Snakemake parses each file of rules once, not once a key: they do not change here. And what
    there is before the first key is not looked through for garbage at each."""
    known: dict[tuple[str, int], tuple[tuple[str, int], dict[int, int]]] = {}

    def parsed(path: Any, workflow: Any, linemap: dict[int, int], rulecount: int) -> Any:
        key = path.get_path_or_uri(secret_free=True), rulecount
        if key not in known:
            found = parse(path, workflow, linemap=linemap, rulecount=rulecount)
            known[key] = found, dict(linemap)
        code, lines = known[key]
        linemap.update(lines)
        return code

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("snakemake.workflow.parse", parsed)
        gc.freeze()
        yield
        gc.unfreeze()


def jobs_of(values: dict[str, Any], folder: Path) -> Jobs:
    """Returns the jobs of a study; nothing is run."""
    path = folder / "every.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(configfiles=[path]),
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )
        dag = workflow.dag(DAGSettings(targets={"study"}))
        with contextlib.redirect_stdout(io.StringIO()):
            dag.printrulegraph()
        found: Jobs = {}
        for job in workflow._workflow.dag.jobs:
            parameters = {key: str(value) for key, value in job.params.items()}
            files = (sorted(map(str, job.input)), sorted(map(str, job.output)))
            found[job.rule.name, str(sorted(job.wildcards_dict.items()))] = (parameters, *files)
    return found


@pytest.fixture(scope="module")
def base(folder: Path) -> Jobs:
    return jobs_of(STUDY, folder)


def changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Returns a copy with one value replaced; list entries are addressed by their number."""
    result = copy.deepcopy(values)
    inner: Any = result
    *parents, last = path.split(".")
    for name in parents:
        inner = inner[int(name)] if isinstance(inner, list) else inner.setdefault(name, {})
    inner[int(last) if isinstance(inner, list) else last] = value
    return result


def touched(entry: dict[str, Any], base: Jobs, folder: Path) -> set[str]:
    """Returns the rules with a job that differs, is new or is gone after an entry's change."""
    values = STUDY
    for path, value in entry["change"].items():
        values = changed(values, path, value)
    after = jobs_of(values, folder)
    return {key[0] for key in {*base, *after} if base.get(key) != after.get(key)}


def fields() -> set[str]:
    """Returns ``MODEL.FIELD`` of every field of every section."""
    found: set[type[BaseModel]] = set()
    pending: list[type[BaseModel]] = [StudyConfig]
    while pending:
        model = pending.pop()
        if model not in found:
            found.add(model)
            for field in model.model_fields.values():
                pending += inner_models(field.annotation)
    return {f"{model.__name__}.{name}" for model in found for name in model.model_fields}


def test_the_table_has_a_row_for_every_key() -> None:
    assert set(TOUCHES) == fields()


@pytest.mark.parametrize("key", TOUCHES)
def test_a_key_touches_the_jobs_of_the_table(key: str, base: Jobs, folder: Path) -> None:
    entry = TOUCHES[key]
    if "untried" in entry:
        assert len(entry["untried"]) > 10  # a reason, in words
        return
    assert touched(entry, base, folder) == set(entry["touches"])


def test_the_same_study_has_the_same_jobs(base: Jobs, folder: Path) -> None:
    assert len(base) > 40
    assert jobs_of(STUDY, folder) == base
