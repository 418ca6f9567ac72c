"""Ten things that somebody wants of a finished study, walked in a real browser with the mouse.

Nothing is found by an internal name: what is pressed and read is what the page shows. Each walk
leaves a picture of where it ended, in the folder ``BAYLING_PICTURES`` or else in pytest's own.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bayling_study.stages.report.__main__ import write_report
from helpers import dialogue_study, report_study
from helpers.browser import BROWSER, NO_BROWSER, Browser, Press

pytestmark = pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)

TESTS = Path(__file__).parents[1]
HERE, PLAY = "e2e/test_ten_tasks.py", "e2e/test_play_browser.py"
MLFLOW = "e2e/test_mlflow_browser.py"
TASKS = {
    "find whether it worked": (HERE, "test_whether_it_worked"),
    "find the largest loss": (HERE, "test_the_largest_loss"),
    "why was this demand not met": (HERE, "test_why_a_demand_was_not_met"),
    "compare two systems on zh-en": (HERE, "test_two_systems_on_zh_en"),
    "find the perplexity": (HERE, "test_the_perplexity"),
    "open it on a phone": (HERE, "test_all_of_it_on_a_phone"),
    "copy a table to LaTeX": (HERE, "test_a_table_for_latex"),
    "talk and vote": (PLAY, "test_talking_and_voting_with_the_mouse"),
    "find the run in MLflow": (MLFLOW, "test_the_printed_page_lists_the_runs"),
    "load the registered model": (
        "unit/shared/test_registered_models.py",
        "test_transformers_loads_the_very_weights_and_nothing_is_copied",
    ),
}
"""Each task, and the file and name of the test that walks it."""
DESK, PHONE = (1400, 900), (390, 844)
LOADED = """new Promise((done) => {
  if (document.readyState === "complete") done(innerWidth);
  else addEventListener("load", () => done(innerWidth));
})"""
ON_SCREEN = """[...document.querySelectorAll("h1, h2, h3, li, p, th, td, summary, figcaption")]
  .filter((part) => {
    const { top, bottom, left, right } = part.getBoundingClientRect();
    const inside = top >= 0 && bottom <= innerHeight && left >= 0 && right <= innerWidth;
    return inside && part.checkVisibility();
  })
  .map((part) => part.textContent.trim().replace(/\\s+/g, " "))"""
"""The texts that can be read without scrolling."""
ANSWERS = """new Promise((done) => {
  const there = () => document.querySelector("article");
  const look = () => there() ? done(document.title) : setTimeout(look, 20);
  look();
})"""
FIRST_ANSWER = """(() => {
  const first = document.querySelector("article");
  first.scrollIntoView({ block: "center" });
  return first.innerText;
})()"""
TO_ANSWERS = Press("All answers, side by side")


def choose(label: str, option: str) -> str:
    """Returns a step that chooses what a visible list offers, and waits for what that shows."""
    return f"""(async (label, wanted) => {{
      const list = () => [...document.querySelectorAll("label")]
        .find((one) => one.firstChild.data?.trim() === label)?.querySelector("select");
      while (!list()) await new Promise((next) => setTimeout(next, 20));
      const field = list();
      if (!field.checkVisibility()) throw new Error(`${{label}} is hidden`);
      field.value = [...field.options].find((one) => one.label === wanted).value;
      field.dispatchEvent(new Event("input", {{ bubbles: true }}));
      while (JSON.stringify(shownNow.chosen) !== JSON.stringify(given())
        || !document.querySelector("article")) await new Promise((next) => setTimeout(next, 20));
    }})({json.dumps(label)}, {json.dumps(option)})"""


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the address of the report of a study with an 8-bit system, on zh-en and de-en."""
    folder = tmp_path_factory.mktemp("small")
    write_report(report_study.make(folder), folder / "report")
    return (folder / "report/index.html").as_uri()


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the address of the report of a study of dialogues."""
    folder = tmp_path_factory.mktemp("talks")
    write_report(dialogue_study.make(folder), folder / "report")
    return (folder / "report/index.html").as_uri()


@pytest.fixture
def walk(
    window: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., list[Any]]:
    """Returns what walks from a page through steps, and takes a picture of the end."""
    folder = Path(os.environ.get("BAYLING_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def walked(address: str, *steps: str, size: tuple[int, int] = DESK) -> list[Any]:
        picture = folder / f"{request.node.name}.png"
        found = window.evaluate(address, LOADED, *steps, size=size, picture=picture)
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert found[0] == size[0]
        return found[1:]

    return walked


def test_each_task_has_its_test() -> None:
    known = {
        (file, node.name)
        for file in {file for file, _ in TASKS.values()}
        for node in ast.parse((TESTS / file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert len(TASKS) == 10
    assert {*TASKS.values()} - known == set()


def test_whether_it_worked(walk: Callable[..., list[Any]], scores: str) -> None:
    (texts,) = walk(scores, ON_SCREEN)
    verdict = next(text for text in texts if text.startswith("tuned is better than foundation"))
    assert "chrF2 20.0 → 45.5 (zh-en)" in verdict
    assert "paired bootstrap, p < 0.05 after correction" in verdict
    assert next(text for text in texts if text.startswith("Limits: "))


def test_the_largest_loss(walk: Callable[..., list[Any]], talks: str) -> None:
    *_, first, folded = walk(
        talks, TO_ANSWERS, ANSWERS, choose("Order", "A better first"), FIRST_ANSWER,
        "document.querySelectorAll('article')[0].closest('details')",
    )  # fmt: skip
    assert first.startswith("de-en/1 · satisfaction 100.0 → 0.0 −100.0")
    assert folded is None


def test_why_a_demand_was_not_met(walk: Callable[..., list[Any]], talks: str) -> None:
    *_, first, crosses = walk(
        talks, TO_ANSWERS, ANSWERS, choose("Demand", "replace-words"),
        choose("Order", "B worst first"), FIRST_ANSWER,
        """[...document.querySelector("article").querySelectorAll("li")]
          .filter((item) => getComputedStyle(item, "::before").content.includes("✗"))
          .map((item) => item.innerText)""",
    )  # fmt: skip
    assert first.startswith("de-en/1 · satisfaction 100.0 → 0.0 −100.0")
    assert "demand not met" in crosses
    assert "has “castle”" in crosses


def test_two_systems_on_zh_en(walk: Callable[..., list[Any]], scores: str) -> None:
    row = """(() => {
      const table = [...document.querySelectorAll("figure.table")]
        .find((one) => one.innerText.startsWith("Main results: translation"));
      const rows = [...table.querySelectorAll("tbody tr")];
      const row = rows.find((one) => one.cells[0].innerText === "zh-en");
      return [...row.cells].map((cell) => cell.innerText.split("\\n")[0]);
    })()"""
    values, *_, summary = walk(
        scores, row, TO_ANSWERS, ANSWERS, choose("B", "tuned-int8"),
        choose("Direction or task", "zh-en"),
        "document.querySelector('[role=status]').innerText",
    )  # fmt: skip
    assert values == ["zh-en", "20.0", "45.5 ▲", "45.2"]
    assert summary.startswith("2 of 4 prompts. Mean chrf2 of single prompts: A (foundation) 5.0")
    assert "B (tuned-int8) 5.0; B better by 0.0" in summary


def test_the_perplexity(walk: Callable[..., list[Any]], scores: str) -> None:
    _, texts = walk(scores, Press("8-bit export and perplexity"), ON_SCREEN)
    at = texts.index("change")
    assert texts[at - 6 : at + 3] == [
        "tuned", "12.500", "12.000 to 13.000", "tuned-int8", "12.625", "12.100 to 13.100",
        "change", "0.125", "0.100 to 0.150",
    ]  # fmt: skip


def test_all_of_it_on_a_phone(walk: Callable[..., list[Any]], scores: str) -> None:
    wide = "document.documentElement.scrollWidth"
    texts, width, _, _, wider, summary = walk(
        scores, ON_SCREEN, wide, TO_ANSWERS, ANSWERS, wide,
        "document.querySelector('[role=status]').innerText", size=PHONE,
    )  # fmt: skip
    assert any("chrF2 20.0 → 45.5 (zh-en)" in text for text in texts)
    assert (width, wider) == (PHONE[0], PHONE[0])
    assert summary.startswith("4 of 4 prompts.")


def test_a_table_for_latex(walk: Callable[..., list[Any]], scores: str) -> None:
    copied = """new Promise((done) => {
      const said = () => [...document.querySelectorAll("span")].map((one) => one.innerText);
      const look = () => said().includes("Copied.")
        ? done(navigator.clipboard.readText()) : setTimeout(look, 20);
      look();
    })"""
    marked = "String(document.getSelection()) || document.activeElement.value"
    link = Press("LaTeX", within="Main results: translation")
    _, text, shown = walk(scores, link, copied, marked)
    assert text == shown
    assert_tabular(text)
    assert "zh-en & 20.0 & 45.5 $\\blacktriangle$ & 45.2 \\\\" in text.splitlines()


def assert_tabular(text: str) -> None:
    """Asserts that a text is one tabular whose rows have as many cells as it has columns."""
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 1
    columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)
    assert columns is not None
    rows = [line for line in text.splitlines() if line.endswith(" \\\\")]
    assert len(rows) > 1
    counts = {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows}
    assert counts == {len(columns[1])}
