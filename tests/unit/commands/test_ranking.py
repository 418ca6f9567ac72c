"""The blind ranking sheet: what it shows and hides, and what filled sheets say."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayling_study.commands.ranking import results
from bayling_study.commands.ranking.__main__ import main as ranking
from bayling_study.commands.ranking.results import krippendorff_alpha, scores
from bayling_study.commands.ranking.sheet import ABILITIES, Key, defused, rank_columns, read_sheet
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_text
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    read_scores,
    write_hypotheses,
    write_prompts,
)
from bayling_study.shared.score_files import score_files

SYSTEMS = ["foundation", "tuned", "int8"]
ITEMS = ["zh-en", "en-zh"]


def prompts() -> list[Prompt]:
    return [
        Prompt(f"{item}/{n}", "interactive", item, {}, ["Hi,\nyou;", "=1+1"][: 1 + (n > 0)], [])
        for item in ITEMS
        for n in range(6)
    ]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    write_prompts(folder / "prompts/interactive.jsonl", prompts())
    for number, system in enumerate(SYSTEMS):
        rows = [
            Hypothesis(p.id, [f"answer {number} to {p.id}"] * len(p.turns), [1] * len(p.turns), [])
            for p in prompts()
        ]
        write_hypotheses(folder / "generation" / system / "interactive.jsonl", rows)
    return folder


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run(*words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["ranking", *map(str, words)])
        ranking()

    return run


@pytest.fixture
def sheet(study: Path, program: Callable[..., None]) -> Path:
    """The folder of an exported sheet of 8 conversations."""
    folder = study / "ranking"
    options = ["--systems", *SYSTEMS, "--items", 8, "--out", folder]
    program("export", "--study", study, *options)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    text = path.read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


Ranker = Callable[[str, str, str], object]
"""``(ability, item, system) -> what is written into the cell``."""


def fill(sheet: Path, name: str, rank: Ranker, delimiter: str = ",") -> Path:
    """Writes the sheet as an annotator gives it back."""
    orders = read_json(sheet / "key.json")["rows"]
    rows = rows_of(sheet / "sheet.csv")
    for row in rows:
        for ability in ABILITIES:
            for place, system in enumerate(orders[row["item"]]["order"], start=1):
                row[f"{ability}_{place}"] = str(rank(ability, row["item"], system))
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    write_text(sheet / name, stream.getvalue())
    return sheet / name


def by_name(ability: str, item: str, system: str) -> int:
    return 1 + ["tuned", "int8", "foundation"].index(system)


def test_the_sheet_hides_who_answered(sheet: Path) -> None:
    text = (sheet / "sheet.csv").read_text(encoding="utf-8")
    assert text.startswith("\ufeffitem,conversation,answer_1,answer_2,answer_3,translation_1")
    assert not any(system in text for system in SYSTEMS)
    rows, key = rows_of(sheet / "sheet.csv"), read_json(sheet / "key.json")
    assert [row["item"] for row in rows] == [str(n) for n in range(1, 9)]
    for row in rows:
        made = key["rows"][row["item"]]
        for place, system in enumerate(made["order"], start=1):
            answer = f"answer {SYSTEMS.index(system)} to {made['prompt']}"
            assert row[f"answer_{place}"] == f"[1] {answer}\n[2] {answer}"
        assert row["conversation"] == "[1] Hi,\nyou;\n[2] =1+1"
        assert all(row[column] == "" for column in rank_columns(3))
    assert len({tuple(made["order"]) for made in key["rows"].values()}) > 1
    directions = [made["prompt"].split("/")[0] for made in key["rows"].values()]
    assert directions.count("zh-en") == directions.count("en-zh") == 4
    assert not any(made["prompt"].endswith("/0") for made in key["rows"].values())  # one turn
    assert "8 conversations" in (sheet / "INSTRUCTIONS.txt").read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_sheet(
    sheet: Path, study: Path, program: Callable[..., None]
) -> None:
    options = ["--systems", *SYSTEMS, "--items", 8]
    program("export", "--study", study, *options, "--out", study / "again")
    program("export", "--study", study, *options, "--out", study / "other", "--seed", 1)
    first = (sheet / "sheet.csv").read_bytes()
    assert (study / "again/sheet.csv").read_bytes() == first
    assert (study / "other/sheet.csv").read_bytes() != first


@pytest.mark.parametrize("cell", ["=HYPERLINK()", "+1", "-1", "@x", "\tx"])
def test_cells_are_no_formulas(cell: str) -> None:
    assert defused(cell) == f"'{cell}"
    assert defused(f"a{cell}") == f"a{cell}"


def test_exports_that_cannot_be(sheet: Path, study: Path, program: Callable[..., None]) -> None:
    def refused(message: str, *words: object) -> None:
        with pytest.raises(StudyError, match=message):
            program("export", "--study", study, *words)

    new = ["--out", study / "new"]
    refused("10 conversations of two or more", "--systems", *SYSTEMS, "--items", 11, *new)
    refused("one system alone", "--systems", "tuned", "tuned", *new)
    refused("does not exist", "--systems", "tuned", "nobody", "--items", 2, *new)
    refused("there is a sheet already", "--systems", *SYSTEMS, "--out", sheet)
    assert not (study / "new").exists()


def test_results_of_filled_sheets(
    sheet: Path, study: Path, program: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def second(ability: str, item: str, system: str) -> int:
        tied = ability == "translation" and item in "1234"
        return 1 if tied else by_name(ability, item, system)

    sheets = [fill(sheet, "a.csv", by_name), fill(sheet, "b.csv", second, delimiter=";")]
    program("analyse", "--key", sheet / "key.json", "--sheets", *sheets, "--study", study)
    found = {
        (s.item, s.system, s.metric): s
        for s in read_scores(study / "ranking/scores/interactive.json")
    }
    assert study / "ranking/scores/interactive.json" in score_files(study)  # the report finds them
    share = found["translation", "tuned", "first-place-share"]
    # 8 rows of the first annotator, 4 and 4 shared by three of the second: 13.33 of 16.
    assert share.value == pytest.approx(100 * (8 + 4 + 4 / 3) / 16)
    assert share.low is not None and share.high is not None
    assert share.low < share.value < share.high
    assert found["multi-turn", "tuned", "first-place-share"].value == 100
    assert found["multi-turn", "int8", "mean-rank"].value == 2
    assert found["translation", "foundation", "mean-rank"].value == pytest.approx(
        (12 * 3 + 4 * 2) / 16
    )
    totals = [found["translation", name, "first-place-share"].value for name in SYSTEMS]
    assert sum(totals) == pytest.approx(100)
    assert "alpha (ordinal) 1.000" in found["multi-turn", "int8", "mean-rank"].note
    printed = capsys.readouterr().out
    assert "multi-turn: 8 conversations, 2 annotator(s)" in printed
    assert printed.index("tuned") < printed.index("foundation   ")


def change(column: str, value: str | None, row: int = 3) -> Callable[[list[list[str]]], None]:
    def apply(rows: list[list[str]]) -> None:
        place = rows[0].index(column)
        if value is None:
            for cells in rows:
                del cells[place]
        else:
            rows[row - 1][place] = value

    return apply


def repeat(rows: list[list[str]]) -> None:
    rows.append(list(rows[2]))


def drop(rows: list[list[str]]) -> None:
    del rows[2]


def cut(rows: list[list[str]]) -> None:
    rows[2] = rows[2][:5]


MISTAKES: dict[str, tuple[Any, str]] = {
    "empty": (change("translation_2", " "), "row 3, column translation_2: the rank is missing"),
    "no number": (
        change("multi_turn_1", "good"),
        "row 3, column multi_turn_1: 'good' is not a rank",
    ),
    "zero": (change("multi_turn_1", "0"), "'0' is not a rank"),
    "too large": (
        change("multi_turn_3", "4", row=2),
        "row 2, column multi_turn_3: '4' is not a rank",
    ),
    "half": (change("multi_turn_3", "1.5"), "'1.5' is not a rank"),
    "other digits": (change("multi_turn_3", "²"), "'²' is not a rank"),
    "column gone": (
        change("multi_turn_3", None),
        "row 1: the column multi_turn_3 is there 0 times",
    ),
    "unknown": (change("item", "99"), "row 3, column item: the key has no item '99'"),
    "twice": (repeat, "row 10, column item: item 2 is duplicated"),
    "row gone": (drop, "there is no row with item 2"),
    "row cut": (cut, "row 3, column translation_1: the rank is missing"),
}


@pytest.mark.parametrize(("mistake", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_with_their_place(sheet: Path, mistake: Any, message: str) -> None:
    path = fill(sheet, "a.csv", by_name)
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    mistake(rows)
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(rows)
    write_text(path, stream.getvalue())
    with pytest.raises(StudyError) as caught:
        read_sheet(path, Key.read(sheet / "key.json"))
    assert message in str(caught.value)


def test_a_row_without_a_first_place(sheet: Path) -> None:
    path = fill(sheet, "a.csv", lambda ability, item, system: 2)
    with pytest.raises(
        StudyError, match=r"row 2, columns translation_1 to translation_3: no answer"
    ):
        read_sheet(path, Key.read(sheet / "key.json"))


def test_files_that_are_no_sheets(tmp_path: Path, sheet: Path) -> None:
    key = Key.read(sheet / "key.json")
    (tmp_path / "x").write_bytes("größer".encode("latin-1"))
    for name, message in (("x", "not UTF-8"), ("y", "does not exist")):
        with pytest.raises(StudyError, match=message):
            read_sheet(tmp_path / name, key)
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(StudyError, match="column item is there 0 times"):
        read_sheet(tmp_path / "x", key)


def test_places_of_equal_ranks() -> None:
    key = Key("s", ["a", "b", "c"], {"1": [], "2": [], "3": [], "4": []})
    given = {"1": [1, 2, 3], "2": [1, 1, 3], "3": [1, 1, 2], "4": [1, 1, 1]}
    ranks = {item: dict(zip(key.systems, row, strict=True)) for item, row in given.items()}
    places = [[1, 2, 3], [1.5, 1.5, 3], [1.5, 1.5, 3], [2, 2, 2]]
    assert results.places(ranks, key).tolist() == places


def test_alpha_of_krippendorffs_own_example() -> None:
    """Computing Krippendorff's Alpha-Reliability (2011), example C: ordinal alpha 0.815."""
    table = """
        1 2 3 3 2 1 4 1 2 . . .
        1 2 3 3 2 2 4 1 2 5 . 3
        . 3 3 3 2 3 4 2 2 5 1 .
        1 2 3 3 2 4 4 1 2 5 1 ."""
    ratings = [
        [float("nan" if c == "." else c) for c in line.split()] for line in table.split("\n")[1:]
    ]
    assert krippendorff_alpha(np.array(ratings)) == pytest.approx(0.815, abs=5e-4)


def test_alpha_at_its_ends() -> None:
    perfect = np.array([[1.0, 2, 3, 1, 2, 3]] * 2)
    assert krippendorff_alpha(perfect) == pytest.approx(1)
    opposite = krippendorff_alpha(np.array([[1.0, 2, 3], [3.0, 2, 1]]))
    assert opposite is not None and opposite < 0
    assert krippendorff_alpha(np.ones((2, 4))) is None
    draw = np.random.default_rng(3)
    chance = krippendorff_alpha(draw.integers(1, 6, size=(2, 5000)).astype(float))
    assert chance == pytest.approx(0, abs=0.03)


def test_one_annotator_has_no_agreement(sheet: Path) -> None:
    key = Key.read(sheet / "key.json")
    ranks = [read_sheet(fill(sheet, "a.csv", by_name), key)]
    assert {score.note for score in scores(ranks, key, 1)} == {"1 annotator(s)"}
