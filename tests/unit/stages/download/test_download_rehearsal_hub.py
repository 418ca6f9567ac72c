"""Data sets and models of the hub in a rehearsal, with the real client and a hub on loopback."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.rehearsal import RehearsalSection
from bayling_study.config.study import DownloadSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.__main__ import ensure
from helpers.download_cases import row
from helpers.download_server import Handler, Site, served
from helpers.small_hub import COMMIT, answer_data_set

SMALL = RehearsalSection(of="0" * 12, rows=3, file_megabytes=1, source_megabytes=1)
TEXT = b'{"text": "a row of some words"}\n'


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    import huggingface_hub.constants as constants
    import huggingface_hub.hf_api as api

    monkeypatch.setattr(Handler, "do_GET", answer_data_set)
    monkeypatch.setattr(Handler, "do_HEAD", answer_data_set, raising=False)
    with served({}) as running:
        for module in (constants, api):
            monkeypatch.setattr(module, "ENDPOINT", running.url, raising=False)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        running.etag = COMMIT
        yield running


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "resources" / "download" / "set-12345678"


def fetch(source: SourceRow, out: Path) -> dict[str, Any]:
    """Fetches the first rows; returns the receipt."""
    part = source.model_copy(update={"first": SMALL.rows})
    ensure(part, out, DownloadSection(retries=0), SMALL)
    receipt: dict[str, Any] = read_json(out / "manifest.json")
    return receipt


def parquet(rows: int) -> bytes:
    sink = io.BytesIO()
    texts = [{"en": f"row {number} {'x' * 99}", "de": "y"} for number in range(rows)]
    pq.write_table(pa.table({"translation": texts}), sink, compression="none", use_dictionary=False)
    return sink.getvalue()


def test_the_wanted_files_of_a_data_set_are_cut_by_ranges(site: Site, out: Path) -> None:
    site.files = {
        "/de-en/train-0.parquet": parquet(50_000), "/de-en/test-0.parquet": parquet(9),
        "/en-fr/train-0.parquet": parquet(50_000), "/README.md": b"of no use",
    }  # fmt: skip
    source = row("hub", "datasets/owner/name", files=("*-*/train-*.parquet",))
    receipt = fetch(source, out)
    assert (receipt["pin"], receipt["revision"]) == ("rehearsal", COMMIT)
    names = ["de-en/train-0.parquet", "en-fr/train-0.parquet"]
    assert [item["path"] for item in receipt["files"]] == names == list(receipt["cut"]["files"])
    table = pq.read_table(out / "files" / names[0])
    assert table.to_pylist()[2] == {"translation": {"en": f"row 2 {'x' * 99}", "de": "y"}}
    assert len(table) == 3
    assert receipt["cut"]["bytes"] < sum(map(len, site.files.values())) / 3


def test_rows_of_a_moved_data_set_are_not_found(site: Site, out: Path) -> None:
    site.files = {"/other.parquet": parquet(9)}
    with pytest.raises(StudyError, match=rf"name@{COMMIT}.*no file matches \*-\*/train"):
        fetch(row("hub", "datasets/owner/name", files=("*-*/train-*.parquet",)), out)


def test_an_interrupted_data_set_begins_only_the_last_file_again(site: Site, out: Path) -> None:
    site.files = {"/a.jsonl": TEXT * 9, "/b.jsonl": TEXT * 9}
    source = row("hub", "datasets/owner/name", files=("*.jsonl",))
    site.faults = [lambda handler: handler.serve(), lambda handler: handler.refuse(404)]
    with pytest.raises(StudyError, match="gave up"):
        fetch(source, out)
    assert not (out / "manifest.json").exists()
    site.ranges.clear()
    receipt = fetch(source, out)
    assert [asked.split()[0] for asked in site.ranges if ".jsonl" in asked] == ["/b.jsonl"]
    assert [cut["rows"] for cut in receipt["cut"]["files"].values()] == [3, 3]
    assert (out / "files/a.jsonl").read_bytes() == TEXT * 3 == (out / "files/b.jsonl").read_bytes()


def test_a_gated_data_set_without_a_token_is_an_error(site: Site, out: Path) -> None:
    with pytest.raises(StudyError, match="is gated and no accepted token was found"):
        fetch(row("hub", "datasets/owner/name", gated=True), out)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str], str, list[str]]]:
    """Records what stand-ins were asked for: id, files that came, why not, names of weights."""
    calls: list[tuple[str, list[str], str, list[str]]] = []

    def write(source: SourceRow, files: Path, why: str, weights: list[str]) -> None:
        came = sorted(path.name for path in files.glob("*") if path.is_file())
        calls.append((source.id, came, why, weights))
        (files / "model.safetensors").write_bytes(b"random")

    name = "bayling_study.stages.download.stand_ins"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(write_stand_in=write))
    return calls


MODEL = {
    "/config.json": b"{}",
    "/tokenizer.json": b"[1, 2, 3, 4, 5]",
    "/pytorch_model.bin.index.json": b"{}",
    "/pytorch_model-1-of-1.bin": b"\0" * 99,
    "/merges.txt": b"a b\n" * 9,
}


def test_of_a_model_come_the_small_files_uncut_and_a_stand_in_for_the_weights(
    site: Site, out: Path, asked: list[Any]
) -> None:
    site.files = dict(MODEL)
    receipt = fetch(row("hub", "models/owner/name", files=("*.bin", "*.json")), out)
    small = ["config.json", "tokenizer.json"]
    assert asked == [("set", small, "", ["pytorch_model-1-of-1.bin"])]
    assert [item["path"] for item in receipt["files"]] == [small[0], "model.safetensors", small[1]]
    assert (out / "files/tokenizer.json").read_bytes() == MODEL["/tokenizer.json"]
    assert receipt["revision"] == COMMIT
    assert not any("/pytorch_model" in request for request in site.ranges)


def test_a_gated_model_without_a_token_is_a_stand_in_that_says_why(
    site: Site, out: Path, asked: list[Any]
) -> None:
    receipt = fetch(row("hub", "models/owner/name", gated=True), out)
    why = "models/owner/name is gated and no accepted token was found"
    assert asked == [("set", [], why, [])] and not site.ranges
    assert [item["path"] for item in receipt["files"]] == ["model.safetensors"]


def test_a_model_that_is_not_there_is_an_error(site: Site, out: Path) -> None:
    site.files = {"/README.md": b""}
    with pytest.raises(StudyError, match=r"owner/name: no file matches config.json"):
        fetch(row("hub", "models/owner/name", files=("config.json",)), out)


@pytest.mark.parametrize("kind", ["hub", "local"])
def test_a_folder_of_a_model_gives_its_small_files(
    tmp_path: Path, out: Path, asked: list[Any], kind: str
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, content in MODEL.items():
        (mine / name[1:]).write_bytes(content)
    place = str(mine) if kind == "local" else "models/owner/name"
    source = row(kind, place, first=SMALL.rows)
    ensure(source, out, DownloadSection(local={"set": str(mine)}), SMALL)
    small = ["config.json", "merges.txt", "tokenizer.json"]
    assert asked == [("set", small, "", ["pytorch_model-1-of-1.bin"])]
    assert (out / "files/tokenizer.json").read_bytes() == MODEL["/tokenizer.json"]
    assert (out / "files/merges.txt").read_bytes() == MODEL["/merges.txt"]
    assert (mine / "pytorch_model-1-of-1.bin").read_bytes() == MODEL["/pytorch_model-1-of-1.bin"]


def test_a_new_revision_leaves_nothing_of_the_one_before(site: Site, out: Path) -> None:
    source = row("hub", "datasets/owner/name")
    site.files = {"/a.jsonl": TEXT * 9, "/old.jsonl": TEXT * 9}
    fetch(source, out)
    (out / "manifest.json").unlink()  # as the workflow does before a job
    site.files = {"/a.jsonl": TEXT * 2}
    assert list(fetch(source, out)["cut"]["files"]) == ["a.jsonl"]
    assert [path.name for path in (out / "files").iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_of_several_repositories_the_one_that_answers_is_noted(
    site: Site, out: Path, asked: list[Any], kind: str
) -> None:
    site.files = {"/config.json": b"{}"}
    receipt = fetch(row("hub", f"{kind}/owner/absent;{kind}/owner/name"), out)
    assert (receipt["location"], receipt["revision"]) == (f"{kind}/owner/name", COMMIT)
    assert len(asked) == (kind == "models")
