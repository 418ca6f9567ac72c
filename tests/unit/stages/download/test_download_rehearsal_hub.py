"""Data sets and models of the hub in a rehearsal, with the real client and a hub on loopback."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
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
from helpers.small_hub import COMMIT, answer, answer_data_set

SMALL = RehearsalSection(of="0" * 12, rows=3, file_megabytes=1, source_megabytes=1)
TEXT = b'{"text": "a row of some words"}\n'


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    import huggingface_hub.constants as constants
    import huggingface_hub.hf_api as api

    monkeypatch.setattr(Handler, "do_GET", answer_data_set)
    monkeypatch.setattr(Handler, "do_HEAD", answer, raising=False)
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
