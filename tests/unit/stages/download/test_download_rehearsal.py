"""Sources fetched in part: what is kept of each kind, what it costs, and what is told."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.rehearsal import RehearsalSection
from bayling_study.config.study import DownloadSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.shared.sources.table import COLUMNS, SourceRow
from bayling_study.stages.download.__main__ import ensure
from helpers import ROOT
from helpers.download_cases import COMMIT, row, sha, tar_of
from helpers.download_server import Handler, Site, served

SMALL = RehearsalSection(of="0" * 12, rows=3, file_megabytes=1, source_megabytes=1)


@pytest.fixture
def site() -> Iterator[Site]:
    with served({}) as running:
        yield running


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "resources" / "download" / "set-12345678"


def lines(count: int, name: str = "line") -> bytes:
    return "".join(f"{name} {number}\n" for number in range(count)).encode()


def fetch(
    source: SourceRow, out: Path, section: RehearsalSection = SMALL, **download: Any
) -> dict[str, Any]:
    """Fetches the first rows; returns the receipt."""
    part = source.model_copy(update={"first": section.rows})
    ensure(part, out, DownloadSection(retries=1, **download), section)
    receipt: dict[str, Any] = read_json(out / "manifest.json")
    assert receipt["pin"] == "rehearsal"
    assert not (out.parent.parent / "sources.lock").exists()
    return receipt


def kept(rows: int | None, more: bool, budget: bool = False) -> dict[str, Any]:
    return {"rows": rows, "more": more, "budget": budget}


def cuts(receipt: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {key: value for key, value in cut.items() if key != "bytes"}
        for name, cut in receipt["cut"]["files"].items()
    }


def test_a_text_is_read_until_its_rows_are_there(site: Site, out: Path) -> None:
    site.files["/set.txt"] = lines(2_000_000)
    receipt = fetch(row("url", f"{site.url}/set.txt"), out)
    assert (out / "files/set.txt").read_bytes() == lines(3)
    assert cuts(receipt) == {"set.txt": kept(3, more=True)}
    assert 0 < receipt["cut"]["bytes"] < 1_000_000 < len(site.files["/set.txt"])


def test_the_second_call_asks_nobody_and_the_same_rows_have_the_same_bytes(
    site: Site, out: Path, tmp_path: Path
) -> None:
    site.files["/set.tsv.gz"] = gzip.compress(lines(5000))
    source = row("url", f"{site.url}/set.tsv.gz")
    first = fetch(source, out)
    assert gzip.decompress((out / "files/set.tsv.gz").read_bytes()) == lines(4)
    asked = len(site.ranges)
    assert fetch(source, out) == first and len(site.ranges) == asked
    again = fetch(source, tmp_path / "other" / "download" / "set-12345678")
    assert again["files"] == first["files"] and len(site.ranges) > asked


def test_parquet_of_an_address_is_read_by_ranges(site: Site, out: Path) -> None:
    table = pa.table({"text": [f"row {number} {'x' * 40}" for number in range(200_000)]})
    table = table.replace_schema_metadata({"huggingface": "{}"})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=50_000, compression="none", use_dictionary=False)
    site.files["/set.parquet"] = sink.getvalue()
    receipt = fetch(row("url", f"{site.url}/set.parquet"), out, SMALL)
    part = pq.ParquetFile(out / "files/set.parquet")
    assert part.read().to_pylist() == table.slice(0, 3).to_pylist()
    assert part.schema_arrow.equals(table.schema, check_metadata=True)
    assert receipt["cut"]["bytes"] < len(sink.getvalue()) / 5
    assert any(asked.startswith("bytes=") for asked in site.ranges)


def parquet(rows: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": [f"row {number}" for number in range(rows)]}), sink)
    return sink.getvalue()


@pytest.mark.parametrize("name", ["set.parquet", "set.zip"])
def test_a_server_without_ranges_gives_the_whole_if_it_is_small(
    site: Site, out: Path, name: str
) -> None:
    site.ranged = False
    site.files[f"/{name}"] = parquet(100) if name == "set.parquet" else zip_of({"a.txt": lines(9)})
    receipt = fetch(row("url", f"{site.url}/{name}"), out)
    assert [cut["rows"] for cut in cuts(receipt).values()] == [3]
    assert receipt["cut"]["bytes"] == len(site.files[f"/{name}"])


def test_a_server_that_tells_no_size_gives_the_whole(site: Site, out: Path) -> None:
    def sizeless(handler: Handler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", "bytes 0-0/*")
        handler.send_header("Content-Length", "1")
        handler.end_headers()
        handler.wfile.write(b"P")

    site.files["/set.parquet"] = parquet(100)
    site.faults = [sizeless]
    receipt = fetch(row("url", f"{site.url}/set.parquet"), out)
    assert pq.read_metadata(out / "files/set.parquet").num_rows == 3
    assert receipt["cut"]["bytes"] == len(site.files["/set.parquet"])


@pytest.mark.parametrize("name", ["set.parquet", "set.zip"])
def test_a_server_that_forgets_its_ranges_is_told(site: Site, out: Path, name: str) -> None:
    site.files[f"/{name}"] = parquet(100) if name == "set.parquet" else zip_of({"a.txt": lines(9)})

    def forget(handler: Handler) -> None:
        site.ranged = False
        handler.serve()

    site.faults = [lambda handler: handler.serve(), forget]
    with pytest.raises(StudyError, match=f"{name}: the transfer failed .the file changed"):
        fetch(row("url", f"{site.url}/{name}"), out)


def test_a_server_without_ranges_and_a_large_archive_are_told(site: Site, out: Path) -> None:
    site.ranged = False
    site.files["/set.zip"] = zip_of({"a.txt": lines(300_000)}, zipfile.ZIP_STORED)
    with pytest.raises(StudyError, match=r"set.zip: more than 1 MB must be read") as error:
        fetch(row("url", f"{site.url}/set.zip"), out)
    assert "rehearsal.source_megabytes" in str(error.value)


def zip_of(members: dict[str, bytes], way: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_the_sides_of_a_large_zip_are_cut_by_ranges_and_stay_parallel(
    site: Site, out: Path
) -> None:
    sides = {"N.a-b.a": lines(200_000, "a"), "N.a-b.b": lines(200_000, "b"), "README": b"all\n" * 9}
    site.files["/set.zip"] = zip_of(sides, zipfile.ZIP_STORED)
    receipt = fetch(row("url", f"{site.url}/set.zip", files=("N.*", "README")), out)
    assert (out / "files/N.a-b.a").read_bytes() == lines(3, "a")
    assert (out / "files/N.a-b.b").read_bytes() == lines(3, "b")
    assert (out / "files/README").read_bytes() == sides["README"]
    assert receipt["cut"]["bytes"] < len(site.files["/set.zip"]) / 2


def test_a_side_that_its_budget_ends_shortens_the_other(site: Site, out: Path) -> None:
    long = b"".join(b"%d%s\n" % (number, b"x" * 450_000) for number in range(3))
    site.files["/set.zip"] = zip_of({"a": lines(9), "b": long})
    receipt = fetch(row("url", f"{site.url}/set.zip"), out)
    assert (out / "files/a").read_bytes() == lines(2)
    assert (out / "files/b").read_bytes() == long[: long.index(b"2x")]
    assert cuts(receipt) == {"a": kept(2, True, True), "b": kept(2, True, True)}


@pytest.mark.parametrize("name", ["../a.txt", "/a.txt"])
def test_a_member_that_leaves_the_folder_is_refused(site: Site, out: Path, name: str) -> None:
    site.files["/set.zip"] = zip_of({name: lines(9)})
    with pytest.raises(StudyError, match="points outside the folder"):
        fetch(row("url", f"{site.url}/set.zip"), out)


def test_archives_of_a_repository_are_read_whole_and_every_file_is_cut(
    site: Site, out: Path
) -> None:
    members = {"data/a.jsonl": b'{"n": 1}\n' * 9, "exp/a.hypo": lines(9), "LICENSE": lines(9)}
    archive = tar_of({f"repo-{COMMIT}/{name}": content for name, content in members.items()})
    site.files[f"/repo/archive/{COMMIT}.tar.gz"] = archive
    source = row("git", f"{site.url}/repo", revision=COMMIT, files=("data/**", "exp/**", "LICENSE"))
    receipt = fetch(source, out)
    assert cuts(receipt) == {
        "data/a.jsonl": kept(3, True), "exp/a.hypo": kept(3, True), "LICENSE": kept(None, False),
    }  # fmt: skip
    assert (out / "files/exp/a.hypo").read_bytes() == lines(3)
    assert receipt["cut"]["bytes"] == len(archive)


def test_an_archive_over_the_budget_is_refused(site: Site, out: Path) -> None:
    noise = json.dumps([sha(str(n).encode()) for n in range(40_000)]).encode()
    site.files["/set.tar.gz"] = tar_of({"a.json": noise})
    with pytest.raises(StudyError, match="more than 1 MB must be read for its first rows"):
        fetch(row("url", f"{site.url}/set.tar.gz"), out)


def test_a_folder_of_the_users_is_cut_into_a_copy(tmp_path: Path, out: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "deep").mkdir(parents=True)
    (mine / "deep/a.txt").write_bytes(lines(9))
    (mine / "other.bin").write_bytes(b"\0")
    source = row("sacrebleu", "wmt", files=("deep/*",))
    receipt = fetch(source, out, local={"set": str(mine)})
    assert (out / "files/deep/a.txt").read_bytes() == lines(3)
    assert (mine / "deep/a.txt").read_bytes() == lines(9)
    assert [item["path"] for item in receipt["files"]] == ["deep/a.txt"] and "root" not in receipt
    with pytest.raises(StudyError, match=r"mine: no file matches gone/\*"):
        fetch(row("local", str(mine), files=("gone/*",)), tmp_path / "x/download/set-2")


def test_a_file_of_the_users_is_held_to_the_tables_hash_and_cut(tmp_path: Path, out: Path) -> None:
    mine = tmp_path / "p-1-py3-none-any.whl"
    mine.write_bytes(zip_of({"p/a.txt": lines(9)}))
    facts = {"revision": "1", "bytes": mine.stat().st_size}
    source = row("pip-wheel", "p", sha256=sha(mine.read_bytes()), **facts)
    assert cuts(fetch(source, out, local={"set": str(mine)})) == {"p/a.txt": kept(3, True)}
    wrong = row("pip-wheel", "p", sha256="0" * 64, **facts)
    with pytest.raises(StudyError, match="the content's sha256 is"):
        fetch(wrong, tmp_path / "x/download/set-2", local={"set": str(mine)})


def test_what_a_server_refuses_is_told_with_its_address(site: Site, out: Path) -> None:
    with pytest.raises(StudyError, match=r"gone.txt: the server does not have the file \(HTTP 404"):
        fetch(row("url", f"{site.url}/gone.txt"), out)
    assert not (out / "manifest.json").exists()


def test_a_redirect_is_followed_and_a_busy_server_asked_again(site: Site, out: Path) -> None:
    site.files["/there.parquet"] = parquet(50)

    def redirect(handler: Handler) -> None:
        if handler.path == "/there.parquet":
            handler.serve()
        else:
            handler.refuse(302, Location=f"{site.url}/there.parquet")

    def busy(handler: Handler) -> None:
        handler.refuse(503, Retry_After="0")

    site.faults = [busy, *[redirect] * 20]
    fetch(row("url", f"{site.url}/set.parquet"), out)
    assert pq.read_metadata(out / "files/set.parquet").num_rows == 3


def test_a_file_that_breaks_off_leaves_no_receipt_and_begins_again(site: Site, out: Path) -> None:
    site.files["/set.json"] = json.dumps([{"text": str(n) * 200_000} for n in range(4)]).encode()
    source = row("url", f"{site.url}/set.json")
    site.faults = [lambda handler: handler.serve(keep=300_000)]
    with pytest.raises(StudyError, match=r"set.json: the transfer failed"):
        fetch(source, out)
    assert not (out / "manifest.json").exists()
    fetch(source, out)
    assert len(json.loads((out / "files/set.json").read_bytes())) == 3


def test_a_mirror_takes_the_place_of_the_address(site: Site, out: Path) -> None:
    site.files["/mirror/set.txt"] = lines(9)
    source = row("url", "https://upstream.invalid/set.txt")
    fetch(source, out, mirrors={"https://upstream.invalid": f"{site.url}/mirror"})
    assert (out / "files/set.txt").read_bytes() == lines(3)


def test_a_host_takes_its_account_from_netrc_and_a_site_its_proxy(
    site: Site, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def note(handler: Handler) -> None:
        asked.append((handler.path, handler.headers.get("Authorization", "")))
        handler.path = "/set.txt"
        handler.serve()

    site.files["/set.txt"] = lines(9)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine mirror.invalid login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.setenv("no_proxy", "")
    site.faults = [note]
    fetch(row("url", "http://mirror.invalid/set.txt"), out)
    account = base64.b64encode(b"me:secret").decode()
    assert asked == [("http://mirror.invalid/set.txt", f"Basic {account}")]


def test_packages_are_held_to_the_tables_hash_before_they_are_cut(out: Path) -> None:
    listing = "80852ef4e0bf20dce1dd6c83f05f6b228fcc8de18ec4ce52a07afc6cd170f7d8"
    source = row("babel", "Babel", revision=version("Babel"), sha256=listing)
    assert cuts(fetch(source, out)) == {"names.json": kept(None, more=False)}
    wrong = source.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(StudyError, match="the content's sha256 is"):
        fetch(wrong, out)


def test_the_job_cuts_a_source_of_a_rehearsals_configuration(site: Site, tmp_path: Path) -> None:
    site.files["/set.txt"] = lines(99)
    table = tmp_path / "sources.tsv"
    table.write_text("\t".join(COLUMNS) + "\n", encoding="utf-8")
    source = {"kind": "url", "location": f"{site.url}/set.txt", "licence": "CC0"}
    values = {
        "download": {"manifest": str(table)}, "sources": {"set": source},
        "rehearsal": {"of": "0" * 12, "rows": 5},
    }  # fmt: skip
    write_json(tmp_path / "operations.json", values)
    command = [sys.executable, "-m", "bayling_study.stages.download", "--source", "set"]
    command += [
        "--operations",
        "operations.json",
        "--record",
        "r.json",
        "--out",
        "x/download/set-1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    folder = tmp_path / "x/download/set-1"
    assert (folder / "files/set.txt").read_bytes() == lines(5)
    manifest = read_json(folder / "manifest.json")
    assert manifest["source"]["first"] == 5 and manifest["pin"] == "rehearsal"
    assert manifest["cut"]["files"]["set.txt"]["rows"] == 5
