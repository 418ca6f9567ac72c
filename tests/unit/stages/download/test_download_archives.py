"""Archives that try to escape, bloat or lie are refused; wanted members arrive whole."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.stages.download import archives
from bayling_study.stages.download.archives import matcher, unpack


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, *entries: tarfile.TarInfo, content: bytes = b"text") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for entry in entries:
            entry.size = len(content) if entry.isreg() else 0
            archive.addfile(entry, io.BytesIO(content) if entry.isreg() else None)
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_only_wanted_members_are_written(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.whl", {"p/x/a.json": b"1", "p/x/y/b.json": b"2", "c": b"3"})
    facts = unpack(archive, tmp_path / "out", ("p/*/*.json",))
    assert [(fact.path, fact.bytes) for fact in facts] == [("p/x/a.json", 1)]
    assert facts[0].sha256 == hashlib.sha256(b"1").hexdigest()
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["a.json"]


def test_top_folder_of_an_sdist_is_dropped(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", entry("name-1.0/data/a.json"))
    facts = unpack(archive, tmp_path / "out", ("data/*.json",), strip_top=True)
    assert [fact.path for fact in facts] == ["data/a.json"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:evil"])
@pytest.mark.parametrize("strip", [False, True])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str, strip: bool) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", entry(f"top/{name}" if strip else name))
    if strip and name == "/evil":
        archive = make_tar(tmp_path / "a.tar.gz", entry("/top/evil"))
    with pytest.raises(StudyError, match="points outside"):
        unpack(archive, tmp_path / "deep" / "out", (), strip_top=strip)
    assert not list(tmp_path.rglob("evil"))
    assert not (tmp_path / "deep" / "out").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", entry("data", kind, link="/etc/passwd"))
    with pytest.raises(StudyError, match="link or device"):
        unpack(archive, tmp_path / "out", ())


def test_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("data")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(StudyError, match="link or device"):
        unpack(tmp_path / "a.zip", tmp_path / "out", ())


def test_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MINIMUM_LIMIT_BYTES", 1000)
    archive = make_zip(tmp_path / "a.zip", {"zeros": bytes(10_000_000)})
    with pytest.raises(StudyError, match="more than 50 times its size"):
        unpack(archive, tmp_path / "out", ())
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_pattern_without_a_member_is_an_error(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a.json": b"1"})
    with pytest.raises(StudyError, match=r"no member matches \['b.json'\]"):
        unpack(archive, tmp_path / "out", ("a.json", "b.json"))


def test_member_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", entry("a"), entry("a"))
    with pytest.raises(StudyError, match="occurs twice"):
        unpack(archive, tmp_path / "out", ())


@pytest.mark.parametrize("cut", [10, 200])
def test_damaged_archive_is_told(tmp_path: Path, cut: int) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", entry("a"), content=bytes(range(256)) * 40)
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(StudyError, match="damaged"):
        unpack(archive, tmp_path / "out", ())


def test_damaged_member_keeps_the_old_files(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a": b"good"})
    unpack(archive, tmp_path / "out", ())
    data = bytearray(make_zip(archive, {"a": b"text" * 100}).read_bytes())
    data[35] ^= 0xFF
    archive.write_bytes(data)
    with pytest.raises(StudyError, match="damaged"):
        unpack(archive, tmp_path / "out", ())
    assert (tmp_path / "out" / "a").read_bytes() == b"good"


def test_star_stays_in_a_folder_and_two_stars_do_not() -> None:
    assert matcher("a/*.json")("a/b.json") and not matcher("a/*.json")("a/b/c.json")
    assert matcher("a/**")("a/b/c.json") and not matcher("a/**")("b/a/c")
    assert matcher("**/c.json")("c.json") and matcher("**/c.json")("a/b/c.json")


def test_an_encrypted_archive_says_what_to_do(tmp_path: Path) -> None:
    """FLORES+ is a zip with a published password; the flag is all that tells it."""
    path = tmp_path / "flores.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("devtest/eng.devtest", "One.")
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StudyError, match="is encrypted") as caught:
        unpack(path, tmp_path / "out", ())
    assert "download.local" in caught.value.render()
