"""Reading configuration files, and the settings files that stages are given. A settings file holds
the sections one stage reads and nothing else. Its name carries its content's hash, so that a job
reruns exactly when one of its own sections changes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bayling_study.config.checks import check_study
from bayling_study.config.comparison import with_seeds
from bayling_study.config.model import StudyConfig
from bayling_study.config.names import RENAMED
from bayling_study.config.yaml_files import read_yaml
from bayling_study.core.credentials import without_credentials
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.core.lookup import closest

ROOT = Path(__file__).resolve().parents[3]
"""The repository's root."""
DEFAULT_CONFIG = Path("config/config.yaml")
"""The embedded study."""
SHIPPED = {"download": "manifest", "report": "published", "environments": "comet_python"}
"""Section to its key that names a file of the repository."""


def load_config(*paths: Path, given: Mapping[str, Any] | None = None) -> StudyConfig:
    """Reads one or more YAML files, later ones overriding earlier ones key by key. The first is a
    study and named after its file, unless it neither names nor extends one: then all are laid over
    the embedded study. ``given`` overrides them (Snakemake's ``--config``). A ``StudyError`` says
    that a file is absent or not YAML, or that the merged values do not pass."""
    files = [(path, read_yaml(path)) for path in paths]
    if not files or not {"study", "extends"} & set(files[0][1]):
        files.insert(0, (ROOT / DEFAULT_CONFIG, read_yaml(ROOT / DEFAULT_CONFIG)))
    name = study_name(files[0][0])
    merged: dict[str, Any] = {}
    for path, values in [*files, ("--config", dict(given or {}))]:
        section = values.get("study")
        named = section.get("name", name) if isinstance(section, Mapping) else name
        if named != name:  # its results, tables and commands would be those of another study
            what = f"study.name is {named!r}, and a study is called as its file is: {name!r}"
            fix = f"leave out study.name, or copy the study to config/studies/{named}.yaml"
            raise StudyError(what, where=path, fix=fix)
        merged = merge(merged, with_extended(values))
    merged = merge(merged, {"study": {"name": name}})
    return parse_config(merged, where=", ".join(str(path) for path in paths) or "config")


def load_values(values: Mapping[str, Any]) -> StudyConfig:
    """Reads, as the first file of ``load_config``, what another workflow gives its module. There is
    no file whose name it could have: it names itself, or is called as what it extends."""
    if not {"study", "extends"} & set(values):
        values = {"extends": str(DEFAULT_CONFIG)} | dict(values)
    below = values.get("extends") or DEFAULT_CONFIG
    name = study_name(Path(str(below[0] if isinstance(below, list) else below)))
    return parse_config(merge({"study": {"name": name}}, values), where="config of the module")


def study_name(path: Path) -> str:
    """Returns the name of the study of a file: its own, and ``embedded`` of config/config.yaml."""
    return "embedded" if path.parts[-2:] == DEFAULT_CONFIG.parts else path.stem


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``base`` with ``override`` laid over it; mappings merge, all else is replaced."""
    result = dict(base)
    for key, value in override.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return result


def with_extended(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> dict[str, Any]:
    """Lays values over the files that they extend; ``null`` still stands for what it takes back:
    an entry goes, a key has its default.

    The paths are relative to the repository's root, wherever a program runs; a later file overrides
    an earlier one, and may extend others itself (``above`` are the files that led here). A study
    has no name from what it extends. A file that is absent, no config, or extends itself is a
    ``StudyError``.
    """
    own = dict(values)
    named = own.pop("extends", None) or []
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StudyError(f"{named!r} is not a file", where="extends", fix="extends: [FILE.yaml]")
    base: dict[str, Any] = {}
    for name in names:
        if name in above:
            raise StudyError(f"{name} extends itself", where=f"extends: {' -> '.join(above)}")
        below = _without_null(with_extended(read_yaml(ROOT / name), (*above, name)))
        if isinstance(below.get("study"), dict):
            below["study"].pop("name", None)
        base = merge(base, below)
    return merge(base, own)


def _without_null(values: Mapping[str, Any]) -> dict[str, Any]:
    kept = ((key, value) for key, value in values.items() if value is not None)
    return {key: _without_null(v) if isinstance(v, Mapping) else v for key, v in kept}


def parse_config(values: Mapping[str, Any], where: object = "config") -> StudyConfig:
    """Turns plain values into a checked ``StudyConfig``, once what they extend is laid below
    (``StudyError``: every wrong key with the reason and the line to write instead)."""
    whole = with_seeds(_without_null(with_extended(values)))
    config = _validated(whole, where)
    _refuse_switches(whole, config.model_dump(), where)
    for name, key in SHIPPED.items():  # the working folder may be another workflow's
        path = getattr(section := getattr(config, name), key)
        if not Path(path).exists() and (ROOT / path).exists():
            moved = section.model_copy(update={key: str(ROOT / path)})
            config = config.model_copy(update={name: moved})
    check_study(config, where)
    for name, own in ((n, getattr(each, "tuning", {})) for n, each in config.systems.items()):
        _refuse_switches(own, config.tuning_of(name).model_dump(), where, f"systems.{name}.tuning")
    return config


def _validated(values: Mapping[str, Any], where: object) -> StudyConfig:
    try:
        return StudyConfig.model_validate(values)
    except ValidationError as error:
        raise StudyError(describe(error), where=where) from error


def _refuse_switches(values: Any, parsed: Any, where: object, key: str = "") -> None:
    """Refuses ``true`` where a number is meant: it would count as 1."""
    if isinstance(values, bool) and isinstance(parsed, int | float) and parsed is not values:
        fix = f"{key.rpartition('.')[2]}: {parsed:g}   # or the number that is meant"
        raise StudyError(f"{key} is a number, not {str(values).lower()}", where=where, fix=fix)
    pairs: Any = ()
    if isinstance(values, Mapping) and isinstance(parsed, Mapping):
        pairs = [(name, values[name], parsed.get(name)) for name in values]
    elif isinstance(values, list) and isinstance(parsed, list | tuple):
        pairs = [(str(place), *two) for place, two in enumerate(zip(values, parsed, strict=False))]
    for name, inner, read in pairs:
        _refuse_switches(inner, read, where, f"{key}.{name}".lstrip("."))


def describe(error: ValidationError) -> str:
    """Renders pydantic's findings, one line each with the key, the reason and a suggestion."""
    found = [(".".join(map(str, finding["loc"])), finding) for finding in error.errors()]
    lines = [f"  {key}: {_reason(key, finding)}" for key, finding in found]
    return "\n".join([f"{error.error_count()} value(s) cannot be used", *lines])


def _reason(key: str, finding: Any) -> str:
    if moved := RENAMED.get(key):
        return f"this key is now called {moved}; write its value there"
    if finding["type"] == "extra_forbidden":
        near = closest(str(finding["loc"][-1]), _known_keys(finding["loc"][:-1]))
        message = "unknown key"
    elif finding["type"] == "union_tag_invalid":
        near = closest(finding["ctx"]["tag"], _quoted(finding["ctx"]["expected_tags"]))
        message = f"unknown kind {finding['ctx']['tag']!r}, not {finding['ctx']['expected_tags']}"
    else:
        near = closest(str(finding["input"]), _quoted(finding.get("ctx", {}).get("expected", "")))
        message = f"{finding['msg']} (got {without_credentials(repr(finding['input']))})"
    return f"{message}; write {near!r} instead" if near else message


def _quoted(text: str) -> list[str]:
    """Returns the values in single quotes: pydantic lists what it would take as text."""
    return re.findall(r"'([^']*)'", text)


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """Returns the keys allowed at a place of the configuration, or nothing if it is dynamic."""
    model: Any = StudyConfig
    for part in location:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return []
        model = field.annotation
    return list(getattr(model, "model_fields", {}))


def load_settings(path: Path | None, *sections: str, operations: Path | None = None) -> StudyConfig:
    """Reads the settings files of a job: what decides its bytes, and how its work is done. Sections
    that the files do not hold have their defaults in the result and must not be read; name those
    that are read (``StudyError``: such a one is not in the files, or a value does not pass)."""
    values: dict[str, Any] = read_json(path) if path else {}
    if operations:
        added = read_json(operations)
        known = values.get("systems", {})
        systems = {name: keys for name, keys in added.get("systems", {}).items() if name in known}
        values = merge(values, {**added, "systems": systems})
    where = path or operations
    if missing := [section for section in sections if section not in values]:
        raise StudyError(f"sections are missing: {', '.join(missing)}", where=where)
    return _validated(values, where)
