"""Reading YAML so that no value means something else than its writer saw. YAML 1.1, which Snakemake
and PyYAML read, takes ``no`` for false, ``0123`` for 83 and ``1:30`` for 90, and lets the second of
two equal keys win silently. Here each of these is an error with its line and the text to write."""

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, ScalarNode

from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import closest
from bayling_study.core.tables import SAFE_LOADER

PLAIN_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)")


class StrictLoader(SAFE_LOADER):  # type: ignore[misc]
    """PyYAML's safe loader, in C where it has that, without the conversions that surprise."""


def _refuse(node: ScalarNode, what: str, write: str) -> None:
    raise yaml.constructor.ConstructorError(None, None, f"{what}; write {write}", node.start_mark)


def _mapping(loader: StrictLoader, node: MappingNode) -> dict[Any, Any]:
    lines: dict[Any, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if key in lines:
            _refuse(key_node, f"the key {key!r} stands in line {lines[key]} already", "it once")
        lines[key] = key_node.start_mark.line + 1
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))


def _switch(loader: StrictLoader, node: ScalarNode) -> bool:
    if node.value.lower() not in ("true", "false"):
        means = str(yaml.SafeLoader.bool_values[node.value.lower()]).lower()
        what = f"YAML reads {node.value} as {means}"
        _refuse(node, what, f'"{node.value}" for the word, {means} for the switch')
    return str(node.value).lower() == "true"


def _integer(loader: StrictLoader, node: ScalarNode) -> int:
    if not PLAIN_INTEGER.fullmatch(node.value):
        means = yaml.SafeLoader("").construct_yaml_int(node)
        what = f"YAML reads {node.value} as {means}"
        _refuse(node, what, f'"{node.value}" for the text, or the number without zero or colon')
    return int(loader.construct_yaml_int(node))


def _date(loader: StrictLoader, node: ScalarNode) -> None:
    _refuse(node, f"YAML reads {node.value} as a date", f'"{node.value}"')


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
StrictLoader.add_constructor("tag:yaml.org,2002:bool", _switch)
StrictLoader.add_constructor("tag:yaml.org,2002:int", _integer)
StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _date)


def read_yaml(path: Path, loader: Any = StrictLoader) -> dict[str, Any]:
    """Reads a YAML mapping, of an empty file an empty one; ``loader`` is PyYAML's own for files of
    others, which are written for it (``StudyError``: the file is absent, is not UTF-8 YAML, is not
    a mapping, or holds a value that YAML reads otherwise than it looks)."""
    try:
        value = yaml.load(Path(path).read_text(encoding="utf-8"), loader)
    except FileNotFoundError as error:
        raise StudyError("the config file does not exist", where=path, fix=_others(path)) from error
    except UnicodeDecodeError as error:
        what = f"not UTF-8 text (byte {error.start}: {error.reason})"
        raise StudyError(what, where=path, fix="save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise StudyError(f"not valid YAML: {error.problem}", where=f"{path}:{line}") from error
    except yaml.YAMLError as error:
        raise StudyError(f"not valid YAML: {error}", where=path) from error
    except (OSError, ValueError, RecursionError) as error:  # a folder, or no name of a file at all
        raise StudyError(f"no config file: {error}", where=repr(str(path))) from error
    if not isinstance(value, dict | None):
        raise StudyError("a config file is a mapping of sections", where=path)
    return value or {}


def _others(path: Path) -> str | None:
    """Returns which studies there are, where one was asked for that is not."""
    known = sorted(file.stem for file in path.parent.glob("*.yaml"))
    if path.parent.name != "studies" or not known:
        return None
    near = closest(path.stem, known)
    return f"STUDY={near or known[0]}; the studies are {', '.join(['embedded', *known])}"
