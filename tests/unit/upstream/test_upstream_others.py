"""Sources that no full study uses are read in their upstreams' forms too, whole and in part."""

from __future__ import annotations

from pathlib import Path

import pytest
from sacrebleu import get_langpairs_for_testset

from bayling_study.config import load_config
from bayling_study.config.corpora import ConversationCorpus
from bayling_study.config.study import DownloadSection
from bayling_study.core.files import read_json
from bayling_study.shared.sources.table import read_sources
from bayling_study.stages.corpora.readers import reader_named
from bayling_study.stages.download.__main__ import ensure
from helpers import ROOT
from helpers.upstream.fetching import SMALL
from helpers.upstream.others import DIRECTIONS, LANGUAGES, SYSTEMS
from helpers.upstream.server import Upstreams

TABLE = read_sources(ROOT / "config" / "sources.tsv")
PATHS = {
    "alpaca-zh": ["alpaca_data_zh_51k.json"],
    "coig-cqia": ["COIG-CQIA-full.jsonl"],
    "multialpaca": [f"multialpaca/{code}.jsonl" for code in LANGUAGES],
}


def get(source: str, upstreams: Upstreams, out: Path, first: int) -> list[str]:
    """Fetches a source, or the first rows of its files; returns the files' names."""
    row = TABLE[source].model_copy(update={"first": first})
    section = DownloadSection(retries=0, mirrors=upstreams.mirrors)
    ensure(row, out, section, SMALL if first else None)
    return [item["path"] for item in read_json(out / "manifest.json")["files"]]


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("source", PATHS)
def test_instructions_are_read(source: str, first: int, upstreams: Upstreams, out: Path) -> None:
    names = get(source, upstreams, out, first)
    assert [name for name in names if name.endswith((".json", ".jsonl"))] == PATHS[source]
    for path in PATHS[source]:
        corpus = ConversationCorpus(source=source, reader="alpaca", path=path, language="zh")
        drafts = list(reader_named("alpaca")(out, corpus))
        assert len(drafts) == (first or 9)
        assert all(len(draft.conversation.messages) == 2 for draft in drafts)


@pytest.mark.parametrize("first", [0, 3])
def test_the_outputs_of_almas_repository_are_where_the_example_looks(
    first: int, upstreams: Upstreams, out: Path
) -> None:
    names = get("alma-outputs", upstreams, out, first)
    assert len(names) == 1 + len(SYSTEMS) * len(DIRECTIONS)  # the licence comes too
    files = [
        ROOT / "config" / "studies" / "replay.yaml",
        ROOT / "config" / "examples" / "alma.yaml",
    ]
    systems = load_config(*files).systems.values()
    folders = [one.folders["wmt22"] for one in systems if one.source == "alma-outputs"]
    assert len(folders) == len(SYSTEMS)
    for folder in folders:
        (file,) = (out / "files" / folder.format(suite="wmt22")).glob("zhen/*")
        assert len(file.read_text(encoding="utf-8").splitlines()) == (first or 9)


@pytest.mark.parametrize("year", ["wmt22", "wmt23", "wmt24"])
def test_sacrebleu_has_the_pairs_of_its_rows(year: str) -> None:
    assert {*TABLE[year].files} <= {*get_langpairs_for_testset(year)}
    assert len(TABLE[year].files) > 10
