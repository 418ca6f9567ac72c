"""What stands for a local folder among a download's parameters: its wanted files' content."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bayling_study.config import load_config
from bayling_study.dag import rules
from bayling_study.dag.rules import Dag
from helpers import ROOT
from helpers.tiny import write_study

CATALOGUE = "homeassistant/components/part_1/translations/de.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_study(tmp_path)
    return tmp_path / "upstream" / "catalogues"


def state(folder: Path, source: str = "catalogues") -> str:
    return Dag(load_config(folder.parents[1] / "tiny.yaml")).local_state(source)


def test_a_changed_added_or_removed_file_is_another_state(folder: Path) -> None:
    seen = {state(folder)}
    (folder / CATALOGUE).write_text('{"a": "b"}')
    seen.add(state(folder))
    (folder / CATALOGUE).with_name("fr.json").write_text("{}")
    seen.add(state(folder))
    (folder / CATALOGUE).unlink()
    seen.add(state(folder))
    assert len(seen) == 4


def test_a_touched_file_and_one_that_is_not_wanted_are_none(folder: Path) -> None:
    before = state(folder)
    os.utime(folder / CATALOGUE, (1, 1))
    (folder / "notes.txt").write_text("mine")
    assert state(folder) == before


def test_of_a_large_file_size_and_time_count(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(rules, "HASHED_BYTES", 0)
    before = state(folder)
    os.utime(folder / CATALOGUE, (1, 1))
    assert state(folder) != before


def test_a_local_file_counts_and_a_download_does_not(tmp_path: Path) -> None:
    file = tmp_path / "copy.whl"
    file.write_text("one")
    override = tmp_path / "here.yaml"
    override.write_text(f"download: {{local: {{smollm2: {file}}}}}\n")
    dag = Dag(load_config(ROOT / "config" / "config.yaml", override))
    before = dag.local_state("smollm2")
    file.write_text("two")
    assert before.startswith(str(file))
    assert dag.local_state("smollm2") != before
    assert dag.local_state("homeassistant") == ""


def test_a_folder_that_is_gone_is_a_state_too(folder: Path) -> None:
    before = state(folder)
    shutil.rmtree(folder)
    assert state(folder) != before
