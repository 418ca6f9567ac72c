"""Names in archives and folders that mean one place twice, none, or another than they say."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.stages.download.archives import unpack
from bayling_study.stages.download.receipt import describe_files

NOT_UTF8 = b"na\xefve.txt".decode("utf-8", "surrogateescape")


def tar_with(path: Path, *names: str, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(name) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(name.encode("utf-8", "surrogateescape")))
    return path


def zip_with(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path


@pytest.mark.parametrize("make", [tar_with, zip_with])
@pytest.mark.parametrize("names", [("x", "./x"), ("t//x", "t/x"), ("t/./x", "t/x")])
def test_one_place_under_two_names_is_refused(tmp_path: Path, make, names) -> None:
    with pytest.raises(StudyError, match="occurs twice"):
        unpack(make(tmp_path / "a", *names), tmp_path / "out", ())


@pytest.mark.parametrize("make", [tar_with, zip_with])
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a/b/c")])
def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path, make, names) -> None:
    with pytest.raises(StudyError, match="another member is a folder or file"):
        unpack(make(tmp_path / "a", *names), tmp_path / "out", ())
    assert not (tmp_path / "out").exists()


def test_odd_slashes_and_dots_give_the_plain_name(tmp_path: Path) -> None:
    facts = unpack(tar_with(tmp_path / "a", "./x", "t//y", "t/./z"), tmp_path / "out", ("t/*", "x"))
    assert [fact.path for fact in facts] == ["t/y", "t/z", "x"]


def test_a_name_that_is_absolute_without_its_top_folder_stays_inside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    archive = tar_with(tmp_path / "a", f"top/{outside}")  # top//tmp/…
    facts = unpack(archive, tmp_path / "out", (), strip_top=True)
    assert [fact.path for fact in facts] == [str(outside).lstrip("/")]
    assert not outside.exists()


def test_names_that_differ_in_case_are_two_files(tmp_path: Path) -> None:
    facts = unpack(tar_with(tmp_path / "a", "A.txt", "a.txt"), tmp_path / "out", ())
    assert [fact.path for fact in facts] == ["A.txt", "a.txt"]


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is not UTF-8") as caught:
        unpack(tar_with(tmp_path / "a", NOT_UTF8), tmp_path / "out", ())
    assert "rename the file" in caught.value.render()
    folder = tmp_path / "folder"
    folder.mkdir()
    Path(folder, NOT_UTF8).write_text("x")
    with pytest.raises(StudyError, match="is not UTF-8"):
        describe_files(folder)


def test_a_device_node_is_refused(tmp_path: Path) -> None:
    archive = tar_with(tmp_path / "a", "null", kind=tarfile.CHRTYPE)
    with pytest.raises(StudyError, match="link or device"):
        unpack(archive, tmp_path / "out", ())


def test_a_zip_that_says_utf8_of_other_bytes_is_damaged(tmp_path: Path) -> None:
    archive = zip_with(tmp_path / "a.zip", "é.txt")
    archive.write_bytes(archive.read_bytes().replace("é".encode(), b"\xff\xfe"))
    with pytest.raises(StudyError, match="the archive is damaged"):
        unpack(archive, tmp_path / "out", ())


@pytest.mark.parametrize("make", [tar_with, zip_with])
def test_flipped_bytes_never_end_in_a_librarys_error(tmp_path: Path, make) -> None:
    whole = make(tmp_path / "whole", *(f"data/{n}é.txt" for n in range(4))).read_bytes()
    rng, refused = random.Random(5), 0
    for number in range(200):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 2, 8))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        archive = tmp_path / f"{number}"
        archive.write_bytes(content)
        try:
            unpack(archive, tmp_path / "out", ())
        except StudyError:
            refused += 1
    assert refused > 20
