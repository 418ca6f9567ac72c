"""Released outputs become hypotheses, or a message that names file and line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config import StudyConfig
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import read_prompts, write_prompts
from bayling_study.stages.generation.__main__ import main as generate
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.__main__ import builder
from helpers.released import (
    CONSTRAINED,
    EXAMS,
    REVIEWS,
    TRANSLATION,
    download,
    rewrite,
    write_agieval,
    write_release,
)

CONFIG: dict[str, Any] = {
    "study": {"name": "test", "title": "Test", "seed": 1},
    "systems": {
        "sys": {
            "kind": "published",
            "source": "bayling-release",
            "folders": {
                "wmt22": f"{TRANSLATION}/sys",
                "constrained": f"{CONSTRAINED}/Sys",
                "exams": f"{EXAMS}/sys",
                "reviews": REVIEWS,
            },
        },
        "gpt": {
            "kind": "published",
            "source": "bayling-release",
            "folders": {"exams": f"{EXAMS}/gpt", "wmt22": f"{TRANSLATION}/gpt"},
        },
    },
    "suites": {
        "wmt22": {"kind": "wmt22", "directions": ["zh-en", "en-zh"]},
        "wmt22-zh": {"kind": "wmt22", "directions": ["zh-en"], "prompt_language": "zh"},
        "constrained": {"kind": "constrained", "directions": ["zh-en"]},
        "exams": {"kind": "exams", "tasks": ["sat-en", "gaokao-physics", "lsat-ar"]},
        "reviews": {
            "kind": "reviews",
            "judged": "one",
            "opponents": ["two"],
            "parts": ["multiturn.en", "singleturn.en"],
        },
    },
    "generation": {},
}


class Study:
    """A study folder with the made-up release, its prompts and a way to convert systems."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.release = folder / "release"
        write_release(self.release)
        write_agieval(folder / "agieval")
        write_json(folder / "settings.json", CONFIG)
        roots = {"bayling-release": self.release, "agieval": folder / "agieval"}
        downloads = {name: download(folder / "dl" / name, root) for name, root in roots.items()}
        context = PromptContext(1, None, downloads)
        for name, suite in StudyConfig.model_validate(CONFIG).suites.items():
            prompts = list(builder(suite.kind)(name, suite, context))
            write_prompts(folder / "prompts" / f"{name}.jsonl", prompts)

    def convert(self, system: str, *suites: str) -> dict[str, Any]:
        """Runs the stage; returns ``system.json``."""
        options = {
            "--settings": self.folder / "settings.json",
            "--record": self.folder / f"{system}.record.json",
            "--system": system,
            "--download": self.folder / "dl/bayling-release",
            "--prompts": self.folder / "prompts",
            "--work": self.folder / "work",
            "--out": self.folder / "generation" / system,
        }
        words = [str(word) for pair in options.items() for word in pair]
        self.monkeypatch.setattr(
            sys, "argv", ["generation", *words, "--suites", *(suites or CONFIG["suites"])]
        )
        generate()
        result: dict[str, Any] = read_json(self.folder / "generation" / system / "system.json")
        return result

    def rows(self, system: str, suite: str) -> list[dict[str, Any]]:
        """Returns the hypotheses written for a suite."""
        path = self.folder / "generation" / system / f"{suite}.jsonl"
        return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    return Study(tmp_path, monkeypatch)


def test_outputs_in_the_folders_of_alma_are_converted(study: Study) -> None:
    for file in study.release.glob(f"{TRANSLATION}/sys/*"):
        file.unlink()
    folder = study.release / TRANSLATION / "sys" / "zhen"
    folder.mkdir()
    (folder / "test.zh-en.en").write_text("Hello\n\nGood\u2028morning\n", encoding="utf-8")
    system = study.convert("sys", "wmt22", "wmt22-zh")
    assert system["items"] == {"wmt22": ["zh-en"], "wmt22-zh": []}  # they answer English prompts
    turns = [row["turns"] for row in study.rows("sys", "wmt22")]
    assert turns == [["Hello"], [""], ["Good\u2028morning"]]
    (folder.parent / "zh-en.hypo").write_text("a\nb\nc\n")
    with pytest.raises(StudyError, match="more than one file fits"):
        study.convert("sys", "wmt22")


def test_what_is_there_is_converted(study: Study) -> None:
    system = study.convert("sys")
    assert system["items"] == {
        "wmt22": ["zh-en"],
        "wmt22-zh": ["zh-en"],
        "constrained": ["zh-en"],
        "exams": ["sat-en"],
        "reviews": ["two.multiturn.en"],
    }
    assert [row["turns"] for row in study.rows("sys", "wmt22")] == [["Hi\r"], [""], ["Morning"]]
    assert study.rows("sys", "wmt22-zh")[2]["turns"] == ["c"]
    assert study.rows("sys", "constrained")[0]["turns"] == ["H The cat sits"]
    assert study.rows("sys", "exams")[0] == {
        "id": "sat-en/1",
        "turns": ["Answer is choice (B)"],
        "tokens": [6],
        "finish": ["length"],
        "provenance": system["suites"]["exams"]["provenance"],
    }
    assert study.rows("sys", "reviews")[2]["turns"] == ["Evidence 3"]
    assert system["suites"]["wmt22"]["empty"] == 1
    assert system["suites"]["exams"]["truncated"] == 1


def test_what_is_absent_is_listed_with_its_reason(study: Study) -> None:
    absent = {(row["suite"], row["item"]): row["reason"] for row in study.convert("sys")["absent"]}
    assert absent == {
        ("wmt22", "en-zh"): f"no file of this item in {TRANSLATION}/sys",
        ("exams", "gaokao-physics"): f"no file of this item in {EXAMS}/sys",
        ("exams", "lsat-ar"): f"no file of this item in {EXAMS}/sys",
        ("reviews", "two.singleturn.en"): f"no file of this item in {REVIEWS}",
    }
    absent = {(row["suite"], row["item"]): row["reason"] for row in study.convert("gpt")["absent"]}
    assert absent["wmt22", "zh-en"] == f"no folder {TRANSLATION}/gpt"
    assert absent["constrained", "zh-en"] == "not released for this system"


def test_openai_responses(study: Study) -> None:
    made = study.convert("gpt", "exams")["suites"]["exams"]["provenance"]
    assert study.rows("gpt", "exams")[1] == {
        "id": "sat-en/2",
        "turns": ["D) 10"],
        "tokens": [4],
        "finish": ["stop"],
        "provenance": made,
    }


def test_hypotheses_without_a_test_set_are_absent(study: Study) -> None:
    path = study.folder / "prompts/wmt22-zh.jsonl"
    write_prompts(path, [])
    assert read_prompts(path) == []
    (row,) = study.convert("sys", "wmt22-zh")["absent"]
    assert row["reason"] == "the source of the test set lacks it"
    assert study.rows("sys", "wmt22-zh") == []


def damage_line_count(text: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        (root / TRANSLATION / "sys/zh-en.hypo").write_text(text, encoding="utf-8")

    return damage


def damage_encoding(root: Path) -> None:
    (root / TRANSLATION / "sys/zh-en.hypo").write_bytes("a\nGrüße\nc\n".encode("latin-1"))


def damage_row(path: str, number: int, **changes: Any) -> Callable[[Path], None]:
    return lambda root: rewrite(root / path, number, **changes)


def damage_by_second_file(root: Path) -> None:
    (root / EXAMS / "sys/predict.Other.sat-en.zero-shot.jsonl").write_text("{}\n")


def damage_by_nan(root: Path) -> None:
    path = root / CONSTRAINED / "Sys/hypo.zh-en.en.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"H A dog runs"', "NaN"), "utf-8")


EXAM_FILE = f"{EXAMS}/sys/predict.Sys-7B.sat-en.zero-shot.jsonl"
CONSTRAINED_FILE = f"{CONSTRAINED}/Sys/hypo.zh-en.en.jsonl"
REVIEW_FILE = f"{REVIEWS}/one.vs.two.multiturn.en.jsonl"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_line_count("a\nb\n"), r"zh-en\.hypo:3: 2 lines, but the test set has 3"),
        (damage_line_count("a\nb\nc\n\n"), r"zh-en\.hypo:4: 4 lines, but the test set has 3"),
        (damage_line_count(""), r"zh-en\.hypo: the file is empty"),
        (damage_encoding, r"zh-en\.hypo:2: not UTF-8"),
        (damage_by_nan, r"hypo\.zh-en\.en\.jsonl:2: not a JSON row \(NaN is not a number\)"),
        (damage_row(CONSTRAINED_FILE, 2, src="别的"), r"en\.jsonl:2: the row translates '别的'"),
        (damage_row(CONSTRAINED_FILE, 1, hypo=None), r"en\.jsonl:1: the row has no text in hypo"),
        (damage_row(EXAM_FILE, 2, text=None), r"zero-shot\.jsonl:2: the row has no text"),
        (damage_row(EXAM_FILE, 1, choices=[]), r"zero-shot\.jsonl:1: the row has no text"),
        (damage_by_second_file, r"more than one file fits predict\.\*\.sat-en\.zero-shot"),
        (damage_row(REVIEW_FILE, 3, question_id=2), r"en\.jsonl:3: item 2 is duplicated"),
        (damage_row(REVIEW_FILE, 2, question_id=9), r"en\.jsonl:2: the test set has no item 9"),
        (damage_row(REVIEW_FILE, 2, review=["a", "b"]), r"en\.jsonl:2: the row has no text"),
    ],
)
def test_a_damaged_file_is_refused_and_nothing_is_written(
    study: Study, damage: Callable[[Path], None], message: str
) -> None:
    damage(study.release)
    with pytest.raises(StudyError, match=message):
        study.convert("sys")
    assert not (study.folder / "generation/sys").exists()
    assert read_json(study.folder / "sys.record.json")["state"] == "failed"


def test_unknown_names(study: Study) -> None:
    with pytest.raises(StudyError, match="no system is called 'nobody'"):
        study.convert("nobody")
    with pytest.raises(StudyError, match="no suite is called 'nothing'"):
        study.convert("sys", "nothing")
