"""Which keys of the configuration decide the bytes of which job, and which decide none.

A job's settings file holds the first and is named after their hash, so that a change of any other
key starts nothing again. Keys that say how work is done (how often a checkpoint is written, how
many requests are in flight) reach jobs in a file of their own, ``operations-HASH.json``, whose path
is a resource: Snakemake runs no job again because a resource changed.

``tests/rules/test_keys.py`` changes every key and compares the jobs that run again with a table.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from bayling_study.config.model import StudyConfig
from bayling_study.core.files import sha256_json, write_json
from bayling_study.core.tables import beside

HASH_DIGITS = 12
_KEYS: dict[str, Any] = beside(__file__)
READ: dict[str, list[str]] = _KEYS["read"]
UNREAD: dict[str, list[str]] = _KEYS["unread"]
OPERATIONAL, WORKFLOW, SEEDLESS = (_KEYS[key] for key in ("operational", "workflow", "seedless"))
ANSWERING = "systems.*.answering"  # how systems are asked, which no stage but generation does
STAND_IN = "unread"  # value of a key that a stage does not read and that has no default


class Settings:
    """Writes the settings files of one study into a folder."""

    def __init__(self, config: StudyConfig, folder: Path) -> None:
        self._config = config
        self._plain: dict[str, Any] = config.model_dump(mode="json")
        self._folder = folder

    def stage(self, stage: str, system: str = "", **only: Iterable[str]) -> Path:
        """Writes the settings of one job of a stage of ``READ`` and returns the file's path. The
        sections ``tuning`` and ``generation`` are those of the ``system``; ``only`` holds, by
        section, the entries that this job reads (of ``synthesis``, mixtures)."""
        plain = self._with_own_of(system)
        values: dict[str, Any] = {}
        for path in READ[stage]:
            copy_key(plain, values, path.split("."))
        for section, names in only.items():
            inner = section == "synthesis"
            holder, key = (values[section], "mixtures") if inner else (values, section)
            holder[key] = {name: holder[key][name] for name in names}
        for pattern in (*OPERATIONAL, *WORKFLOW):
            if pattern not in READ[stage]:
                drop_key(values, pattern.split("."))
        if not stage.startswith("generation"):
            drop_key(values, ANSWERING.split("."))
        for key in UNREAD.get(stage, ()):
            drop_key(values, ["suites", "*", key])
        keys = ("name",) if stage in SEEDLESS else ("name", "seed")
        named = {key: plain["study"][key] for key in keys}
        if stage == "tuning" and system:
            named["seed"] = self._config.training_seed(system)
        values["study"] = {**values.get("study", {}), **named}
        return self._write(stage.removesuffix(".elsewhere").replace(".", "-"), values)

    def operations(self, system: str = "") -> Path:
        """Writes the keys that decide no byte (a tuned system's own values of them)."""
        plain = self._with_own_of(system)
        values: dict[str, Any] = {}
        for pattern in OPERATIONAL:
            copy_key(plain, values, pattern.split("."))
        return self._write("operations", values)

    def _with_own_of(self, system: str) -> dict[str, Any]:
        if not system:
            return self._plain
        own = self._config.tuning_of(system), self._config.generation_of(system)
        tuning, generation = (section.model_dump(mode="json") for section in own)
        return {**self._plain, "tuning": tuning, "generation": generation}

    def _write(self, name: str, values: Mapping[str, Any]) -> Path:
        """Writes a file named after its content, once."""
        path = self._folder / f"{name}-{sha256_json(values)[:HASH_DIGITS]}.json"
        if not path.exists():
            write_json(path, values)
        return path


def copy_key(source: Mapping[str, Any], target: dict[str, Any], path: list[str]) -> None:
    """Copies what a path leads to, ``*`` being every entry; a path that leads nowhere copies
    nothing."""
    first, *rest = path
    for name in (key for key in source if first in ("*", key)):
        if not rest:
            target[name] = deepcopy(source[name])
        elif isinstance(source[name], Mapping):
            inner: dict[str, Any] = target.get(name) or {}
            copy_key(source[name], inner, rest)
            if inner:
                target[name] = inner


def drop_key(values: dict[str, Any], path: list[str]) -> None:
    """Removes what a path leads to, ``*`` being every entry."""
    first, *rest = path
    for name in [key for key in values if first in ("*", key)]:
        if rest and isinstance(values[name], dict):
            drop_key(values[name], rest)
        elif not rest and name in ("judge", "baseline"):
            values[name] = STAND_IN
        elif not rest:
            del values[name]
