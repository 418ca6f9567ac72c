"""Downloads whose size nobody stated: estimated, told apart, and counted on the disk."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest

from bayling_study.commands.plan import disk
from bayling_study.commands.plan.downloads import Download, downloads, typical_bytes
from bayling_study.commands.plan.tables import download_table
from bayling_study.config import load_config
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.lock import Lock, lock_path, write_lock
from helpers import ROOT
from helpers.download_cases import COMMIT, row

Usage = namedtuple("Usage", "total used free")
MODEL = row("hub", "models/a/b", files=("*.safetensors", "*.json"), bytes=9_000_000_000)
SETS = [row("hub", f"datasets/a/{n}", bytes=n) for n in (100, 300)]
PAGE = row("npm", "pages", revision="1", bytes=50)
TABLE = [MODEL, *SETS, PAGE]


@pytest.mark.parametrize(
    ("source", "size"),
    [
        (row("hub", "datasets/c/d"), 200),
        (row("hub", "models/c/d", files=("*.bin",)), 9_000_000_000),
        (row("hub", "models/c/d", files=("tokenizer.json",)), 150),  # none like it: all but models
        (row("git", "https://x.invalid/y", revision=COMMIT), 150),
        (row("local", "/folder"), None),
    ],
)
def test_the_estimate_is_the_mean_of_sources_like_it(source: SourceRow, size: int | None) -> None:
    assert typical_bytes(source, TABLE) == size


def test_without_any_size_nothing_is_estimated() -> None:
    assert typical_bytes(row("hub", "datasets/c/d"), [row("hub", "datasets/a/b")]) is None


def test_the_plan_says_which_sizes_are_estimates() -> None:
    estimated = Download(row("hub", "datasets/c/d"), 3_000_000_000, "estimate", "missing")
    shaped = Download(row("hub", "models/c/d"), 2_000_000_000, "shape", "missing")
    there = Download(row("hub", "datasets/e/f"), 7_000_000_000, "estimate", "there")
    text = download_table([estimated, shaped, there])
    assert "still to fetch: 5.0 GB, of it 3.0 GB estimated for 1, each at the mean size" in text
    assert "estimate 3.0 GB" in text
    assert "about 2.0 GB" in text
    assert "unknown" not in text


def test_a_lock_knows_the_size_of_what_was_fetched_before(tmp_path: Path) -> None:
    override = tmp_path / "here.yaml"
    override.write_text(f"study: {{resources: {tmp_path}/r, results: {tmp_path}/s}}\n")
    layout = Layout(load_config(ROOT / "config" / "studies" / "replay.yaml", override))
    lock = Lock("agieval", "", "0" * 64, 12_345_678)
    write_lock(lock_path(layout.download("agieval").absolute()), lock)
    found = {item.row.id: (item.bytes, item.origin) for item in downloads(layout)}
    assert found["agieval"] == (12_345_678, "")
    assert found["bayling-release"][1] == "estimate"


def test_no_source_of_a_full_study_counts_as_nothing() -> None:
    layout = Layout(load_config(ROOT / "config" / "studies" / "bayling-2-8b.yaml"))
    found = downloads(layout)
    assert sum(item.origin == "estimate" for item in found) > 40
    assert [item.row.id for item in found if not item.bytes] == []


def test_the_disk_check_counts_estimates_and_says_so(tmp_path: Path, monkeypatch) -> None:
    usage = Usage(10**10, 0, 10**9)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: usage)
    disk.check_disk([disk.Need("download", tmp_path, 9 * 10**8, guessed=10**8)])
    needs = [disk.Need("download", tmp_path, 3 * 10**9, guessed=2 * 10**9)]
    with pytest.raises(StudyError, match=r"\(download\), of it 2\.0 GB by estimate") as caught:
        disk.check_disk(needs)
    assert "column bytes" in caught.value.render()
