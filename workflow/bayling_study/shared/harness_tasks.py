"""Loads a harness task by name with its rows taken from a fetched source. The definition is the
harness's own file, so prompt, choices and metrics are the harness's. Only where the rows come from
is replaced, by the harness's own seam for that (``custom_dataset``): no hub, no cache, no data-set
script."""

import csv
import logging
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from bayling_study.config.multiple_choice import HarnessSuite
from bayling_study.core import parquet
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, read_jsonl
from bayling_study.core.lookup import look_up
from bayling_study.core.tables import beside

SPLITS = ("fewshot_split", "training_split", "validation_split", "test_split")
"""Keys of a task for its splits, in the order in which the harness looks for examples in them."""
UNNAMED = "default"  # the hub's name for the only configuration of a data set


def harness_version() -> str:
    """Returns the version of lm-evaluation-harness."""
    return metadata.version("lm_eval")


@cache
def definitions(folder: str) -> dict[str, Path]:
    """Returns the harness's task definitions in one of its folders, task to file (``StudyError`` if
    it has no such folder)."""
    from lm_eval import tasks as upstream

    path = Path(upstream.__file__).parent / folder
    if ".." in Path(folder).parts or not path.is_dir():
        what = f"lm-evaluation-harness {harness_version()} has no task folder {folder!r}"
        fix = "the folder's path below lm_eval/tasks, such as belebele or okapi/arc_multilingual"
        raise StudyError(what, fix=fix)
    known = upstream.TaskManager(include_path=str(path), include_defaults=False)
    tasks = {name: one for name, one in known.task_index.items() if name in known.all_subtasks}
    return {name: Path(one.yaml_path) for name, one in tasks.items() if one.yaml_path}


def load_task(name: str, suite: HarnessSuite, root: Path) -> Any:
    """Returns a harness task (``lm_eval.api.task.ConfigurableTask``) over fetched rows. The suite
    gives the folder of definitions, the place of rows below the source's ``root`` and the number of
    examples (``StudyError`` if there is no such task, or the source lacks the rows)."""
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    logging.getLogger("lm_eval").setLevel(logging.ERROR)  # advice on prompts that are upstream's
    where = f"lm_eval/tasks/{suite.folder}"
    path = look_up("harness task", name, definitions(suite.folder), where)
    config = dict(load_yaml(path, resolve_func=True))
    for key in ("tag", "group", "task_list", "dataset_path", "dataset_kwargs"):
        config.pop(key, None)
    try:
        rows = _rows(config, suite, root)
        dataset_name = config.pop("dataset_name", None)
        config |= {"custom_dataset": lambda **_: rows, "num_fewshot": suite.num_fewshot}
        task = ConfigurableTask(config=config)
    except (AttributeError, LookupError, TypeError, ValueError, TemplateError) as error:
        what = f"the rows do not fit the harness task ({error!r})"
        fix = "a source in the layout that the task was written for"
        raise StudyError(what, where=f"{root} for {name}", fix=fix) from error
    task.config.dataset_name = dataset_name
    return task


def question_task(name: str, rows: list[dict[str, Any]]) -> Any:
    """Returns a harness task over the study's own questions. Each has ``text``, ``choices`` and
    ``gold`` (position of the right choice)."""
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    split = {"test": Dataset.from_list(rows)}
    # Letters are all of one length, by which acc_norm divides.
    letters = all(len(choice) == 1 for row in rows for choice in row["choices"])
    names = ["acc"] if letters else ["acc", "acc_norm"]
    metrics = [{"metric": one, "aggregation": "mean", "higher_is_better": True} for one in names]
    own = {"task": name, "custom_dataset": lambda **_: split}
    return ConfigurableTask(config={**beside(__file__), **own, "metric_list": metrics})


def signature(task: Any, chat: bool, shots: int) -> str:
    """Returns everything that decides a task's scores, for score files."""
    made = f"lm-eval:{harness_version()}|task:{task.config.task}|version:{task.VERSION}"
    return f"{made}|shots:{shots}|prompt:{'template' if chat else 'plain'}"


def _rows(config: dict[str, Any], suite: HarnessSuite, root: Path) -> dict[str, Any]:
    """Returns the splits that the task needs, and takes the others out of its definition. Without
    examples to show, the training rows (392,702 of XNLI) are not read."""
    from datasets import Dataset

    shown = "test_split" if config.get("test_split") else "validation_split"
    examples = [key for key in SPLITS if config.get(key)][:1] if suite.num_fewshot else []
    fewshot = config.get("fewshot_config")
    if not suite.num_fewshot and isinstance(fewshot, dict):
        config["fewshot_config"] = {k: v for k, v in fewshot.items() if k != "split"}
    wanted = {key: config.get(key) for key in (shown, *examples)}
    for key in SPLITS:
        config[key] = wanted.get(key)
    name = config.get("dataset_name") or UNNAMED
    splits = dict.fromkeys(filter(None, wanted.values()))
    return {s: Dataset.from_list(_read_split(root, suite.files, name, s)) for s in splits}


def _read_split(root: Path, pattern: str, config: str, split: str) -> list[dict[str, Any]]:
    wanted = pattern.format(config=config, split=split)
    files = sorted(path for path in root.glob(wanted) if path.is_file())
    rows = [row for path in files for row in _plain_rows(path)]
    if not rows:
        fix = "suites.SUITE.files: the place of the rows, with {config} and {split}"
        raise StudyError(f"no rows in {wanted}", where=root, fix=fix)
    return rows


def _plain_rows(path: Path) -> list[dict[str, Any]]:
    """Returns a file's rows (``StudyError`` if a value is bytes, a date or the like, which JSON
    does not have and prompts would show in Python's form)."""
    rows = read_rows(path)
    for number, row in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        if not isinstance(row, dict):
            raise StudyError("the row is not an object", where=where)
        for column, value in row.items():
            if name := _foreign(value):
                fix = "cast the column to text, or leave it out"
                raise StudyError(f"{column!r} holds {name}, not text", where=where, fix=fix)
    return rows


def _foreign(value: Any) -> str:
    """Returns the name of a type inside a value that JSON does not have, or nothing."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict | list):
        return next(filter(None, map(_foreign, inner)), "")
    return "" if value is None or isinstance(value, str | int | float) else type(value).__name__


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Reads the rows of a Parquet, JSON lines, JSON (a list) or CSV file (``StudyError`` if the
    suffix is none of these, or the content is not)."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return list(parquet.rows(path))
    if suffix == ".jsonl":
        return list(read_jsonl(path))
    if suffix == ".csv":
        try:
            with open(path, encoding="utf-8", newline="") as stream:
                return list(csv.DictReader(stream))
        except (csv.Error, UnicodeDecodeError) as error:
            raise StudyError(f"not CSV in UTF-8 ({error})", where=path) from error
    if suffix != ".json":
        raise StudyError("not a .parquet, .jsonl, .json or .csv file", where=path)
    rows = read_json(path)
    if not isinstance(rows, list):
        raise StudyError("not a list of rows", where=path)
    return rows
