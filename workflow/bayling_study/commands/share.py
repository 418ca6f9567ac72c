"""One zip of a study's report with all files that its pages link to, to pass on or publish.

    python -m bayling_study.commands.share --study results/NAME --out NAME-report.zip

Unpacked anywhere, ``NAME/report/index.html`` opens with every link alive. The same report
makes the same bytes.
"""

from __future__ import annotations

import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_file

DATE = (1980, 1, 1, 0, 0, 0)
"""Of every file in a zip: the earliest that its format knows."""
MODE = 0o100644 << 16
"""A plain file that everybody may read."""


class _Links(HTMLParser):
    """The files that a page names: links, scripts, pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]


def linked(page: Path) -> list[Path]:
    """Returns the files of this disk that a page links to, once each."""
    parser = _Links()
    parser.feed(page.read_text(encoding="utf-8"))
    local = (urlsplit(link) for link in parser.found)
    paths = [unquote(at.path) for at in local if at.path and not (at.scheme or at.netloc)]
    return list(dict.fromkeys(page.parent / path for path in paths))


def contents(study: Path) -> dict[str, Path]:
    """Returns what is packed: its name in the zip, sorted, and where it is.

    Raises:
        StudyError: there is no report, a file of it is gone, or a link leads out of the study.
    """
    root, report = study.resolve(), study.resolve() / "report"
    if not (report / "index.html").is_file():
        raise StudyError("the study has no report yet", where=study, fix="make study")
    hidden = "."  # what file managers and unfinished writing leave
    files = {p for p in report.rglob("*") if p.is_file() and not p.name.startswith(hidden)}
    for page in sorted(report.rglob("*.html")):
        for path in linked(page):
            file = path.resolve()
            if not file.is_relative_to(root):
                raise StudyError(f"{page.name} links to a file outside the study", where=path)
            if not file.is_file():
                what = f"{page.name} links to a file that is not there"
                raise StudyError(what, where=file, fix="run `make study` again")
            files.add(file)
    names = {f"{study.resolve().name}/{path.relative_to(root).as_posix()}": path for path in files}
    return dict(sorted(names.items()))


def pack(study: Path, out: Path) -> int:
    """Writes the zip, whole or not at all; returns the number of its files.

    Raises:
        StudyError: as ``contents``.
    """
    files = contents(study)
    with atomic_file(out, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, path in files.items():
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, MODE
            entry.create_system = 3  # Unix, also where Python runs elsewhere
            archive.writestr(entry, path.read_bytes())
    return len(files)


def main() -> None:
    """Packs the report of the study that the command line names."""
    out = cli.path("zip file to write")
    arguments = cli.command(__name__, study=cli.STUDY, out=out).parse_args()
    count = pack(arguments.study, arguments.out)
    size = arguments.out.stat().st_size / 2**20
    print(f"{arguments.out}: {count:,} files, {size:.1f} MiB; open its report/index.html")


if __name__ == "__main__":
    cli.run_program(main)
