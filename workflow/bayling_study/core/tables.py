"""Tables that people edit: tab-separated, the columns named in the first line; or in YAML."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from bayling_study.core.errors import StudyError

SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C: eight times as fast


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields ``FILE:LINE`` and the cells by column of each row of a tab-separated table. The first
    line names the columns; empty lines and lines that begin with ``#`` are no rows. A line that is
    not as it should be is refused by number (``StudyError``)."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")  # a cell may hold U+2028
    except FileNotFoundError as error:
        raise StudyError("the table does not exist", where=path) from error
    except UnicodeDecodeError as error:
        raise StudyError(f"not UTF-8 text ({error.reason})", where=path) from error
    except OSError as error:  # a folder, or no permission
        raise StudyError(f"the table cannot be read: {error.strerror}", where=path) from error
    expected = "\t".join(columns)
    if lines[0] != expected:
        what = "the first line must name the columns"
        raise StudyError(what, where=f"{path}:1", fix=f"write: {expected}")
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != len(columns):
            what = f"{len(cells)} cells where {len(columns)} are needed"
            fix = "separate the columns by single tabs; an unknown value is an empty cell"
            raise StudyError(what, where=f"{path}:{number}", fix=fix)
        yield f"{path}:{number}", dict(zip(columns, cells, strict=True))


def beside(module: str) -> Any:
    """Returns what stands in the YAML file beside a module (its ``__file__``), under its name."""
    return yaml.load(Path(module).with_suffix(".yaml").read_text(encoding="utf-8"), SAFE_LOADER)
