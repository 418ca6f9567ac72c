"""FLORES-101 as a suite: directions, the same segments in all, averages, COMET's coverage."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.config.suites import FloresSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json, write_jsonl
from bayling_study.core.languages.flores import flores_languages
from bayling_study.core.records import Prompt
from bayling_study.shared.metrics.groups import averages as averages_of
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.flores import build, directions
from bayling_study.stages.prompts.translation import class_averages as averages

SMALL = FloresSuite(kind="flores", source="flores", languages=["en", "zh", "de", "sw", "lb"])


@pytest.fixture
def context(tmp_path: Path) -> PromptContext:
    write_json(tmp_path / "manifest.json", {})
    folder = tmp_path / "files" / "flores101_dataset" / "devtest"
    folder.mkdir(parents=True)
    for language in flores_languages():
        lines = [f"{language.code} {number}" for number in range(12)]
        (folder / f"{language.flores101}.devtest").write_text("\n".join(lines) + "\n")
    return PromptContext(5, downloads={"flores": tmp_path})


def test_every_language_goes_both_ways_with_every_pivot_once() -> None:
    every = directions(FloresSuite(kind="flores"))
    assert len(every) == len(set(every)) == 2 * (101 + 100)
    assert {("sw", "zh"), ("zh", "sw"), ("sw", "en"), ("en", "zh"), ("zh", "en")} <= set(every)
    assert ("sw", "de") not in every


def test_all_directions_ask_the_same_segments(context: PromptContext) -> None:
    suite = SMALL.model_copy(update={"segments": 4})
    prompts = list(build("f", suite, context))
    assert len(prompts) == len(directions(suite)) * 4
    numbers = {
        item: tuple(p.meta["segment"] for p in prompts if p.item == item)
        for item in {p.item for p in prompts}
    }
    assert len(set(numbers.values())) == 1
    first = next(p for p in prompts if p.item == "sw-zh")
    number = first.meta["segment"].partition("/")[2]
    assert first.meta["source_text"] == f"sw {number}" and first.references == [f"zh {number}"]
    assert "Chinese" in first.turns[0] and f"sw {number}" in first.turns[0]


def test_averages_by_way_class_and_script(context: PromptContext) -> None:
    assert averages("sw", "zh", ["en", "zh"]) == ["xx-zh", "xx-zh.low", "xx-zh.Latn"]
    assert averages("zh", "en", ["en", "zh"])[:3] == ["zh-xx", "zh-xx.high", "zh-xx.Latn"]
    groups = averages_of(list(build("f", SMALL, context)))
    assert groups["xx-en"] == ["de-en", "zh-en", "lb-en", "sw-en"]
    assert groups["en-xx.Latn"] == ["en-de", "en-lb", "en-sw"]
    assert set(groups["zh-xx.high"]) == {"zh-en", "zh-de"}


def test_comet_is_asked_only_where_its_encoder_knows_both_languages(context: PromptContext) -> None:
    covered = {p.item: p.meta["comet"] for p in list(build("f", SMALL, context))}
    assert covered["sw-en"] and not covered["lb-en"] and not covered["zh-lb"]


def test_tables_of_the_newer_release_are_read(tmp_path: Path) -> None:
    write_json(tmp_path / "manifest.json", {})
    for code in ("eng_Latn", "zho_Hans", "deu_Latn"):
        write_jsonl(tmp_path / "files" / "devtest" / f"{code}.jsonl", [{"text": f"{code} 0"}])
    changes = {"files": "devtest/{flores200}.jsonl", "languages": ["de"]}
    prompts = list(
        build("f", SMALL.model_copy(update=changes), PromptContext(1, None, {"flores": tmp_path}))
    )
    assert len(prompts) == 6 and prompts[0].references[0] == "eng_Latn 0"


def from_tables(folder: Path, **rows: list[dict[str, object]]) -> list[Prompt]:
    """Returns the prompts made from one table for each language."""
    write_json(folder / "manifest.json", {})
    for code, table in rows.items():
        write_jsonl(folder / "files" / "devtest" / f"{code}.jsonl", table)
    changes = {"files": "devtest/{flores200}.jsonl", "languages": ["de"], "pivots": ["en"]}
    context = PromptContext(1, None, {"flores": folder})
    return list(build("f", SMALL.model_copy(update=changes), context))


@pytest.mark.parametrize(
    ("language", "older", "newer"),
    [
        ("zh", "zho_Hans", "cmn_Hans"),
        ("zht", "zho_Hant", "cmn_Hant"),
        ("et", "est_Latn", "ekk_Latn"),
        ("tl", "tgl_Latn", "fil_Latn"),
    ],
)
def test_languages_that_flores_plus_renamed_are_found_by_either_code(
    tmp_path: Path, language: str, older: str, newer: str
) -> None:
    changes = {"files": "{flores200}.jsonl", "languages": [language], "pivots": ["en"]}
    suite = SMALL.model_copy(update=changes)

    def sources(*codes: str) -> set[str]:
        folder = tmp_path / "+".join(codes)
        write_json(folder / "manifest.json", {})
        for code in ("eng_Latn", *codes):
            write_jsonl(folder / "files" / f"{code}.jsonl", [{"text": code}])
        prompts = list(build("f", suite, PromptContext(1, None, {"flores": folder})))
        return {prompt.meta["source_text"] for prompt in prompts}

    assert sources(older) == {"eng_Latn", older}
    assert sources(newer) == {"eng_Latn", newer}
    assert sources(older, newer) == {"eng_Latn", older}
    with pytest.raises(StudyError, match="does not exist") as caught:
        sources()
    assert f"{older}.jsonl" in str(caught.value)


@pytest.mark.parametrize("column", ["text", "sentence"])
def test_rows_are_paired_by_their_ids(tmp_path: Path, column: str) -> None:
    english = [{"id": 7, column: "Seven"}, {"id": 8, column: "Eight"}]
    german = [{"id": 8, column: "Acht"}, {"id": 7, column: "Sieben"}]
    prompts = from_tables(tmp_path, eng_Latn=english, deu_Latn=german)
    pairs = {(p.meta["source_text"], p.references[0]) for p in prompts if p.item == "en-de"}
    assert pairs == {("Seven", "Sieben"), ("Eight", "Acht")}


@pytest.mark.parametrize(
    ("german", "message"),
    [
        ([{"id": 9, "text": "Neun"}], r"deu_Latn\.jsonl has no row with the id 7"),
        ([{"text": "Sieben"}], r"deu_Latn\.jsonl has a row without an id"),
        ([{"id": 7, "text": 7}], r"deu_Latn\.jsonl: row 1: 'text' is missing or not text"),
        ([{"id": 7, "url": "x"}], r"deu_Latn\.jsonl: row 1: 'text' is missing or not text"),
    ],
)
def test_rows_that_do_not_fit_are_told(
    tmp_path: Path, german: list[dict[str, object]], message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        from_tables(tmp_path, eng_Latn=[{"id": 7, "text": "Seven"}], deu_Latn=german)


def test_files_of_different_length_or_none_are_told(context: PromptContext) -> None:
    folder = context.downloads["flores"] / "files" / "flores101_dataset" / "devtest"
    (folder / "swh.devtest").write_text("one\n")
    with pytest.raises(StudyError, match=r"swh\.devtest has fewer lines"):
        list(build("f", SMALL, context))
    (folder / "swh.devtest").unlink()
    with pytest.raises(StudyError, match="does not exist"):
        list(build("f", SMALL, context))
