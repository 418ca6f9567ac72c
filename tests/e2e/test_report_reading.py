"""Reading the report: the answer is on the first screen, names stay while tables scroll."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bayling_study.stages.report.__main__ import write_report
from helpers import report_study
from helpers.browser import BROWSER, NO_BROWSER, Browser

pytestmark = pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)

SMALLEST = 8
"""Pixels of a phone's screen below which a text is no more than a trace."""
PHONE, DESK = (390, 844), (1400, 900)
LOADED = """new Promise((done) => {
  if (document.readyState === "complete") done(true);
  else addEventListener("load", () => done(true));
})"""
FIRST_NUMBER = r"""(() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const place = walker.currentNode.data.search(/\d+\.\d/);
    if (place < 0 || !walker.currentNode.parentElement.closest("main, .verdict")) continue;
    const range = document.createRange();
    range.setStart(walker.currentNode, place);
    range.setEnd(walker.currentNode, place + 3);
    const { top, bottom, right } = range.getBoundingClientRect();
    return { text: range.toString(), top, bottom, right };
  }
})()"""
SCROLL = """((name) => {
  const part = document.querySelector(name);
  part.querySelector("table").style.width = "2000px";
  part.querySelector("tbody").style.lineHeight = "30";
  const at = (found) => [found.getBoundingClientRect().left, found.getBoundingClientRect().top];
  const head = part.querySelector("thead"), row = part.querySelector("tbody tr");
  const before = [at(row.cells[0])[0], at(row.cells[1])[0], at(head)[1]];
  part.scrollTo(150, 100);
  const after = [at(row.cells[0])[0], at(row.cells[1])[0], at(head)[1]];
  return before.map((value, place) => Math.round(after[place] - value));
})"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the address of the report of a small study."""
    folder = tmp_path_factory.mktemp("study")
    write_report(report_study.make(folder), folder / "report")
    return (folder / "report/index.html").as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.mark.parametrize(("size", "lowest"), [(DESK, 250), (PHONE, 400)])
def test_the_first_number_is_on_the_first_screen(
    page: str, browser: Browser, size: tuple[int, int], lowest: int
) -> None:
    _, found = browser.evaluate(page, LOADED, FIRST_NUMBER, size=size)
    assert found["text"] == "20."
    assert 0 < found["top"] < found["bottom"] < lowest
    assert found["right"] <= size[0]


def test_the_smallest_text_of_a_figure_can_be_read_on_a_phone(page: str, browser: Browser) -> None:
    script = """[...document.querySelectorAll("figure.drawing")]
      .filter((figure) => figure.checkVisibility())
      .map((figure) => [...figure.querySelectorAll("svg text")]
        .map((text) => text.getBoundingClientRect().height))
      .map((heights) => Math.min(...heights))"""
    _, heights, wide = browser.evaluate(
        page, LOADED, script, "document.documentElement.scrollWidth", size=PHONE
    )
    assert len(heights) > 3
    assert min(heights) >= SMALLEST
    assert wide == PHONE[0]


@pytest.mark.parametrize("table", ["#table-main-translation", "#table-translation-chrf2"])
def test_names_and_heads_stay_while_a_table_scrolls(
    page: str, browser: Browser, table: str
) -> None:
    script = f"{SCROLL}('{table} .scroll')"
    _, (name, value, head) = browser.evaluate(page, LOADED, script, size=PHONE)
    assert (name, value, head) == (0, -150, 0)


def test_a_metric_is_explained_on_its_head_and_leads_to_the_table_of_all(
    page: str, browser: Browser
) -> None:
    script = """(() => {
      const head = document.querySelector("#table-main-translation thead a");
      return [head.textContent, head.title, document.querySelector(head.hash) !== null];
    })()"""
    _, (name, title, there) = browser.evaluate(page, LOADED, script, size=PHONE)
    assert (name, there) == ("chrf2", True)
    assert title.startswith("chrF2. Overlap of character sequences with the reference")
    assert title.endswith("Higher is better; 0 to 100.")
