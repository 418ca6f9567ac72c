"""Input that was made to do harm: archives, model headers, text and file names."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bayling_study.core.files import write_json
from helpers.download_server import served
from helpers.sandbox import ROOT, Sandbox
from helpers.tiny import write_foundation

HUGE = (1 << 62) + 7


def safetensors(header: bytes, length: int | None = None, data: bytes = b"\0" * 64) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensor(**facts: object) -> bytes:
    return json.dumps(
        {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **facts}}
    ).encode()


MODELS = {
    "a header as long as the disk": safetensors(b"{}", length=HUGE),
    "a header that is no JSON": safetensors(b"{" * 400),
    "a tensor outside the file": safetensors(tensor(data_offsets=[0, HUGE])),
    "a tensor that ends before it begins": safetensors(tensor(data_offsets=[16, 0])),
    "a shape of astronomic size": safetensors(tensor(shape=[HUGE, HUGE])),
    "a pickle in its place": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "nothing": b"",
}
GGUF = {
    "astronomically many tensors": b"GGUF" + struct.pack("<IQQ", 3, HUGE, 0),
    "astronomically many keys": b"GGUF" + struct.pack("<IQQ", 3, 0, HUGE),
    "a name as long as the disk": b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, HUGE) + b"name",
    "an unknown version": b"GGUF" + struct.pack("<IQQ", 77, 0, 0),
    "another magic": b"GGML" + struct.pack("<IQQ", 3, 0, 0),
    "a header cut short": b"GGUF" + b"\x03",
}


def run_foundation(download: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Runs the conversion with little memory and little time."""
    command = [
        sys.executable,
        "-m",
        "bayling_study.stages.foundation",
        "--download",
        download,
    ]
    command += ["--record", out.with_name("record.json"), "--out", out]
    limited = ["bash", "-c", 'ulimit -v 12000000; exec timeout 120 "$@"', "bash", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    return subprocess.run(
        list(map(str, limited)), env=environment, capture_output=True, text=True, timeout=150
    )


def download_with(folder: Path, name: str, content: bytes) -> Path:
    """Returns a download of a model one of whose files is hostile."""
    files = folder / "download" / "files"
    write_foundation(files)
    if name.endswith(".gguf"):
        for path in files.iterdir():
            path.unlink()
    (files / name).write_bytes(content)
    names = sorted(path.name for path in files.iterdir())
    manifest = {"source": {"id": "hostile"}, "files": [{"path": name} for name in names]}
    write_json(files.parent / "manifest.json", manifest)
    return files.parent


@pytest.mark.slow
@pytest.mark.fault("a safetensors file with {what}")
@pytest.mark.parametrize("what", MODELS)
def test_hostile_safetensors_are_told_in_one_message(tmp_path, what):
    refused(tmp_path, download_with(tmp_path, "model.safetensors", MODELS[what]))


@pytest.mark.slow
@pytest.mark.fault("a GGUF file with {what}")
@pytest.mark.parametrize("what", GGUF)
def test_hostile_gguf_headers_are_told_in_one_message(tmp_path, what):
    refused(tmp_path, download_with(tmp_path, "model.gguf", GGUF[what]))


def refused(folder: Path, download: Path) -> None:
    done = run_foundation(download, folder / "out")
    assert done.returncode == 2, done.stderr[-3000:]
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()


def tar_with(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, link
        entry.size = 4 if kind == tarfile.REGTYPE else 0
        archive.addfile(entry, io.BytesIO(b"evil") if entry.size else None)
    return buffer.getvalue()


def zip_with(name: str, link: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (0o120777 if link else 0o100644) << 16
        archive.writestr(entry, "/etc/passwd" if link else "evil")
    return buffer.getvalue()


ARCHIVES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "an absolute path (tar)": ("a.tar.gz", lambda: tar_with("/tmp/bayling-evil")),
    "a path that climbs (tar)": ("a.tar.gz", lambda: tar_with("top/../../../bayling-evil")),
    "a symbolic link out of the folder": (
        "a.tar.gz",
        lambda: tar_with("top/link", tarfile.SYMTYPE, "/etc/passwd"),
    ),
    "a hard link out of the folder": (
        "a.tar.gz",
        lambda: tar_with("top/link", tarfile.LNKTYPE, "../../../etc/passwd"),
    ),
    "a device": ("a.tar.gz", lambda: tar_with("top/device", tarfile.CHRTYPE)),
    "an absolute path (zip)": ("a.zip", lambda: zip_with("/tmp/bayling-evil")),
    "a path that climbs (zip)": ("a.zip", lambda: zip_with("../../bayling-evil")),
    "a symbolic link (zip)": ("a.zip", lambda: zip_with("link", link=True)),
}


@pytest.mark.slow
@pytest.mark.fault("an archive with {what}")
@pytest.mark.parametrize("what", ARCHIVES)
def test_an_archive_writes_nothing_outside_its_folder(tmp_path, what):
    name, make = ARCHIVES[what]
    with served({f"/{name}": make()}) as site:
        row = (
            "id\tkind\tlocation\trevision\tfiles\tsha256\tbytes\tlicence\tgated\tconfirmed\tnote\n"
        )
        row += f"evil\turl\t{site.url}/{name}\t\t**\t\t\tCC0-1.0\tno\t\t\n"
        (tmp_path / "sources.tsv").write_text(row, encoding="utf-8")
        operations = {"download": {"manifest": str(tmp_path / "sources.tsv")}}
        write_json(tmp_path / "operations.json", operations)
        out = tmp_path / "inside" / "evil"
        command = [sys.executable, "-m", "bayling_study.stages.download", "--source", "evil"]
        command += ["--operations", str(tmp_path / "operations.json"), "--out", str(out)]
        command += ["--record", str(tmp_path / "record.json")]
        before = set(tmp_path.rglob("*"))
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "no_proxy": "127.0.0.1"},
        )  # fmt: skip
    assert done.returncode == 2, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    assert not (out / "manifest.json").exists()
    written = set(tmp_path.rglob("*")) - before
    assert not [path for path in written if path.is_symlink()]
    assert not [
        path for path in written if "evil" in path.name and out not in (path, *path.parents)
    ]
    assert not Path("/tmp/bayling-evil").exists()


NASTY = [
    "\u202egnirts desrever\u202c is read backwards here",
    "zero\u200bwidth\u200djoiners and\ufeff marks in words",
    "<script>alert('x')</script> & <b onmouseover=x> in text",
    "combining a\u0301\u0302\u0303\u0304 marks and \U0001f469\u200d\U0001f4bb people",
    "line\u2028separators and\u0085next lines in one string",
    "quotes ' \" ` $(reboot) ; rm -rf / | tee in a string",
]


@pytest.mark.long
@pytest.mark.fault("Unicode of every kind in text, spaces and quotes in the folder's name")
def test_text_and_folder_names_of_every_kind(tmp_path):
    def poison(config: dict) -> None:
        catalogue = root / "upstream/catalogues/homeassistant/components/part_0/translations"
        for path in catalogue.glob("*.json"):
            values = json.loads(path.read_text(encoding="utf-8"))
            entries = values["config"]["step"]["user"]["data"]
            entries |= {f"nasty_{i}": text for i, text in enumerate(NASTY)}
            path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")

    root = tmp_path / "a study's «数据» folder"
    sandbox = Sandbox.make(root, poison)
    status, output = sandbox.run()
    assert status == 0, output[-4000:]
    page = (sandbox.study / "report" / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
