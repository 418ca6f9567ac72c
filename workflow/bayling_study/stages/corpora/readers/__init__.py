"""Readers of upstream formats, found by the name that the config uses.

A reader is a function of the download's folder and its section of the config; it yields raw rows,
one at a time and in a stable order. It judges form only: where rows stand alone, one that does not
fit is handed on as an ``OddRow``; else a file that is not what the format says is refused
(``StudyError``). Whether a row is worth keeping is decided later.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

PLACES = {
    "homeassistant": "json_catalogues.read_homeassistant",
    "json": "json_catalogues.read",
    "muse": "lexicons.read_muse",
    "cc-cedict": "lexicons.read_cedict",
    "cldr": "lexicons.read_cldr",
}
"""Module and function of readers that are not ``read`` of a module of their name."""


def reader_named(name: str) -> Callable[[Path, Any], Iterator[Any]]:
    """Returns a reader by its name, which the config has already checked; its module is imported
    only when it is asked for."""
    module, _, function = PLACES.get(name, f"{name.replace('-', '_')}.read").partition(".")
    found: Callable[[Path, Any], Iterator[Any]]
    found = getattr(import_module(f"{__name__}.{module}"), function)
    return found
