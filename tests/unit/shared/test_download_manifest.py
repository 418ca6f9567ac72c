"""The table of sources: the real one is valid, and each mistake is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.config.model import StudyConfig
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.shared.sources.table import COLUMNS, read_sources, row_hash
from helpers import ROOT

GOOD = {
    "id": "set",
    "kind": "url",
    "location": "https://example.org/set.tsv",
    "revision": "",
    "files": "",
    "sha256": "a" * 64,
    "bytes": "12",
    "licence": "CC0",
    "gated": "no",
    "confirmed": "files columns: the package; size: index",
    "note": "",
}


def table(path: Path, *rows: dict[str, str]) -> Path:
    lines = ["\t".join(COLUMNS), *("\t".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def of_table(path: Path) -> StudyConfig:
    return StudyConfig.model_validate({"download": {"manifest": str(path)}})


def test_the_real_table_is_valid_and_packages_are_pinned() -> None:
    rows = read_sources(ROOT / "config" / "sources.tsv")
    assert {"smollm2", "homeassistant", "llamafactory", "bayling-release"} <= set(rows)
    assert all(rows[name].sha256 for name in ("smollm2", "homeassistant", "llamafactory"))


def test_a_row_is_read(tmp_path: Path) -> None:
    row = read_sources(table(tmp_path / "s.tsv", GOOD))["set"]
    assert (row.bytes, row.gated) == (12, False)
    assert row.confirmed == "files columns: the package; size: index"


@pytest.mark.parametrize(
    ("changes", "column", "message"),
    [
        ({"kind": "urll"}, "kind", "write 'url' instead"),
        ({"sha256": "ABC"}, "sha256", "64 lower-case hex digits"),
        ({"bytes": "1.5e3x"}, "bytes", "whole number"),
        ({"bytes": "-4"}, "bytes", "greater than 0"),
        ({"gated": "maybe"}, "gated", "neither yes nor no"),
        ({"licence": ""}, "licence", "'unknown'"),
        ({"confirmed": "all of it"}, "confirmed", "write it as in 'files columns: the package"),
        ({"confirmed": "colums: index"}, "confirmed", "write it as in"),
        ({"kind": "hub", "location": "models/a/b;c/d"}, "kind", "models/OWNER/NAME"),
        ({"id": "No Spaces"}, "id", "lower-case"),
        ({"files": "../x"}, "files", "inside the archive"),
        ({"location": "ftp://x/y"}, "kind", "http or https"),
        ({"kind": "git", "revision": "main"}, "kind", "commit id"),
        ({"kind": "hub", "location": "a/b"}, "kind", "models/OWNER/NAME"),
        ({"kind": "pip-wheel", "revision": "1", "sha256": ""}, "kind", "needs revision, sha256"),
    ],
)
def test_a_wrong_cell_is_named(
    tmp_path: Path, changes: dict[str, str], column: str, message: str
) -> None:
    path = table(tmp_path / "s.tsv", {**GOOD, **changes})
    with pytest.raises(StudyError) as caught:
        read_sources(path)
    assert f"{path}:2, column {column}" in caught.value.render()
    assert message in caught.value.render()


def test_wrong_header_wrong_width_and_double_id_are_named(tmp_path: Path) -> None:
    path = tmp_path / "s.tsv"
    path.write_text("id,kind\n")
    with pytest.raises(StudyError, match="name the columns"):
        read_sources(path)
    table(path, GOOD).write_text(path.read_text() + "only\ttwo\n")
    with pytest.raises(StudyError, match=r"s.tsv:3: 2 cells where 11"):
        read_sources(path)
    with pytest.raises(StudyError, match=r"s.tsv:3, column id: the id 'set' occurs twice"):
        read_sources(table(path, GOOD, GOOD))
    with pytest.raises(StudyError, match="does not exist"):
        read_sources(tmp_path / "absent.tsv")


def test_unknown_source_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="write 'catalogue' instead"):
        Layout(of_table(table(tmp_path / "s.tsv", GOOD | {"id": "catalogue"}))).row("catalogu")


def test_the_table_is_read_once_for_all_questions(tmp_path: Path) -> None:
    path = table(tmp_path / "s.tsv", GOOD)
    layout = Layout(of_table(path))
    (name,) = layout.sources
    path.unlink()
    assert layout.row(name).id == name
    assert layout.download(name).name.startswith(f"{name}-")


def test_row_hash_follows_the_bytes_and_nothing_else(tmp_path: Path) -> None:
    def hash_of(**changes: str) -> str:
        return row_hash(read_sources(table(tmp_path / "s.tsv", {**GOOD, **changes}))["set"])

    assert len(hash_of()) == 8
    assert hash_of(note="new words", licence="MIT", confirmed="") == hash_of()
    others = [hash_of(sha256="b" * 64), hash_of(revision="2"), hash_of(files="a/*")]
    assert len({hash_of(), *others}) == 4
