"""Room on disks, and files that differ from what was noted of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.core.disk import bytes_in, check_space, damage
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_file


def test_a_disk_that_is_too_small_is_refused(tmp_path: Path) -> None:
    check_space(tmp_path, 1, "a job", "less")
    with pytest.raises(StudyError, match=r"a job needs 1152921504\.61 GB, .* are free") as caught:
        check_space(tmp_path, 1 << 60, "a job", "a larger disk")
    assert (caught.value.where, caught.value.fix) == (str(tmp_path), "a larger disk")


def test_a_folder_holds_its_files_bytes(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"45")
    assert bytes_in(tmp_path) == 5
    assert bytes_in(tmp_path / "none") == 0


def test_each_kind_of_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"whole")
    digest = sha256_file(path)
    assert damage(path, 5, digest) == damage(path, None, "") == ""
    assert damage(path, 6, digest) == "has 5 bytes in place of 6"
    path.write_bytes(b"other")
    changed = "is damaged: its SHA-256 differs"
    assert damage(path, 5, digest) == damage(path, None, digest) == changed
    path.unlink()
    assert damage(path, None, "") == "is missing"
