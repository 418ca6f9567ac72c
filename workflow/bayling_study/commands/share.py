"""One zip of a study's report with all files that its pages link to, to pass on or publish.

Unpacked anywhere, ``NAME/report/index.html`` opens with every link alive. The same report
makes the same bytes.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from lxml import html

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_file


def linked(page: Path) -> list[Path]:
    """Returns the files of this disk that a page links to, once each."""
    parser = html.HTMLParser(huge_tree=True, encoding="utf-8")
    links = html.document_fromstring(page.read_bytes(), parser=parser).iterlinks()
    local = (at for at in (urlsplit(link[2]) for link in links) if not (at.scheme or at.netloc))
    return list(dict.fromkeys(page.parent / unquote(at.path) for at in local if at.path))


def pack(study: Path, out: Path) -> int:
    """Writes the zip, whole or not at all; returns the number of its files (``StudyError`` if there
    is no report, or a page links to a file that is not in the study)."""
    root = study.resolve()
    if not (root / "report" / "index.html").is_file():
        raise StudyError("the study has no report yet", where=study, fix="make study")
    # hidden: what file managers and unfinished writing leave
    files = [f for f in (root / "report").rglob("[!.]*") if f.is_file()]
    for page in [file for file in files if file.suffix == ".html"]:
        for file in map(Path.resolve, linked(page)):
            if not (file.is_relative_to(root) and file.is_file()):
                what = f"{page.name} links to a file that is not in the study"
                raise StudyError(what, where=file, fix="run `make study` again")
            files.append(file)
    names = {f"{root.name}/{file.relative_to(root).as_posix()}": file for file in files}
    with atomic_file(out, "wb") as stream, ZipFile(stream, "w") as archive:
        for name, file in sorted(names.items()):
            entry = ZipInfo(name)  # dated 1980
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, file.read_bytes(), ZIP_DEFLATED)
    return len(names)


def main() -> None:
    """Packs the report of the study that the command line names."""
    out = cli.path("zip file to write")
    arguments = cli.command(__name__, study=cli.STUDY, out=out).parse_args()
    count = pack(arguments.study, arguments.out)
    print(f"{arguments.out}: {count:,} files; unpacked, open report/index.html in it")


if __name__ == "__main__":
    cli.run_program(main)
