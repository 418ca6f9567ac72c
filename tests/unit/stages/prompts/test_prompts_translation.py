"""The translation suite: the papers' prompts, held-out segments only, and enough of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.suites import TranslationSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.records import read_prompts
from bayling_study.shared.corpus_tables import PARALLEL_SCHEMA
from bayling_study.shared.translation_prompts import translation_prompt
from bayling_study.stages.prompts import PromptContext, translation
from bayling_study.stages.prompts import __main__ as program


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """Ten test and ten training segments in de and fr; fr shares six English texts with de."""
    rows = []
    for language, first in (("de", 0), ("fr", 4)):
        for number in range(first, first + 10):
            for split in ("train", "test"):
                rows.append(
                    {
                        "id": f"src/{language}/{split}/{number}",
                        "source": "src",
                        "lang_a": "en",
                        "lang_b": language,
                        "text_a": f"{split} english {number}",
                        "text_b": f"{split} {language} {number}",
                        "document": f"src/{split}{number}",
                        "split": split,
                    }
                )
    folder = tmp_path / "corpora"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, PARALLEL_SCHEMA), folder / "parallel.parquet")
    return folder


def suite(**values: object) -> TranslationSuite:
    plain = {"kind": "translation", "directions": ["de-en", "en-de"], "segments": 5}
    return TranslationSuite.model_validate({**plain, **values})


def context(corpora: Path | None, seed: int = 1) -> PromptContext:
    return PromptContext(seed, corpora)


@pytest.mark.parametrize(
    ("target", "language", "constraints", "expected"),
    [
        ("zh", "en", [], "Provide the Chinese translation for this sentence: Hi."),
        ("en", "zh", [], "提供这句话的英文翻译：Hi."),
        ("de", "zh", [], "提供这句话的德文翻译：Hi."),
        (
            "zh",
            "en",
            ["猫", "垫子"],
            "Provide the Chinese translation for this sentence: Hi.\n"
            "Make sure to include these words: 猫, 垫子",
        ),
        ("en", "zh", ["a", "b c"], "提供这句话的英文翻译：Hi.\n确保包含这些词：a, b c"),
    ],
)
def test_prompts_are_worded_as_in_the_release(
    target: str, language: str, constraints: list[str], expected: str
) -> None:
    assert translation_prompt("Hi.", target, language, constraints) == expected


def test_source_with_braces_stays_as_it_is() -> None:
    prompt = translation_prompt("Use {x} and {language}", "de", "en")
    assert prompt == "Provide the German translation for this sentence: Use {x} and {language}"


def test_prompts_come_from_the_test_split_alone(corpora: Path) -> None:
    prompts = list(translation.build("t", suite(zero_shot=["en-de"]), context(corpora)))
    assert [p.id for p in prompts[:5]] == [f"de-en/{n}" for n in range(5)]
    assert [p.item for p in prompts] == ["de-en"] * 5 + ["en-de"] * 5
    for there, back in zip(prompts[:5], prompts[5:], strict=True):
        assert there.meta["source_text"].startswith("test de")
        assert there.references[0] == there.meta["source_text"].replace(" de ", " english ")
        assert back.meta["source_text"] == there.references[0]
        assert back.references[0] == there.meta["source_text"]
        assert there.turns[0].endswith(
            f"translation for this sentence: {there.meta['source_text']}"
        )
        assert there.languages == {"source": "de", "target": "en"}
        assert (there.meta["zero_shot"], back.meta["zero_shot"]) == (False, True)
    assert len({p.meta["document"] for p in prompts[:5]}) == 5


def test_draw_depends_on_seed_and_suite_name(corpora: Path) -> None:
    def texts(name: str, seed: int) -> list[str]:
        return [p.turns[0] for p in list(translation.build(name, suite(), context(corpora, seed)))]

    assert texts("t", 1) == texts("t", 1)
    assert len({tuple(texts(name, seed)) for name, seed in (("t", 1), ("t", 2), ("u", 1))}) == 3


def test_two_languages_meet_over_the_pivot(corpora: Path) -> None:
    prompts = list(
        translation.build("t", suite(directions=["de-fr", "fr-de"], segments=6), context(corpora))
    )
    assert {p.references[0] for p in prompts[:6]} == {f"test fr {n}" for n in range(4, 10)}
    for prompt in prompts[:6]:
        number = prompt.references[0].split()[-1]
        assert prompt.meta["source_text"] == f"test de {number}"
        assert prompt.meta["document"] == f"src/test{number}"


@pytest.mark.parametrize(
    ("direction", "asked", "message"),
    [
        ("de-en", 11, r"suites\.t\.segments: de-en has 10 held-out segments, 11(.|\n)*: 10, or"),
        ("de-fr", 7, "de-fr has 6 held-out segments, 7 are asked for"),
        ("en-ja", 1, r"en-ja has 0 held-out segments(.|\n)*remove en-ja"),
    ],
)
def test_too_few_segments_is_a_mistake_that_counts_them(
    corpora: Path, direction: str, asked: int, message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        list(
            translation.build("t", suite(directions=[direction], segments=asked), context(corpora))
        )


def test_missing_corpora_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="--corpora DIR"):
        list(translation.build("t", suite(), context(None)))
    with pytest.raises(StudyError, match="no parallel text"):
        list(translation.build("t", suite(), context(tmp_path)))


def test_context_names_the_missing_download() -> None:
    with pytest.raises(StudyError, match="--download agieval=DIR"):
        context(None).files_of("agieval")


def test_program_dispatches_by_kind_and_writes_its_record(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = suite().model_dump(mode="json")
    settings = {"study": {"name": "s", "title": "S", "seed": 7}, "suites": {"t": section}}
    (tmp_path / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    line = ["--settings=settings.json", "--record=run.json", "--corpora=corpora", "--out=t.jsonl"]
    monkeypatch.setattr(sys, "argv", ["suites", *line, "--suite=t"])
    program.main()
    assert len(read_prompts(tmp_path / "t.jsonl")) == 10
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert record["state"] == "finished"
    assert record["metrics"] == {"prompts": 10, "prompts.de-en": 5, "prompts.en-de": 5}
    monkeypatch.setattr(sys, "argv", ["suites", *line, "--suite=unknown"])
    with pytest.raises(StudyError, match="no suite is called 'unknown'"):
        program.main()
