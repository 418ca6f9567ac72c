"""The report in a real browser: no errors, tables sort, a phone shows it, hostile text is inert.

Chromium runs headless and prints the page as it stands after its script ran.
The page's policy refuses foreign scripts, so what a test wants to do or measure
goes into a copy without the policy; the policy itself is tested on the original.
"""

from __future__ import annotations

import json
import re
from html import escape, unescape
from pathlib import Path

import pytest

from bayling_study.stages.report.__main__ import write_report
from helpers import report_study
from helpers.browser import BROWSER, NO_BROWSER, browse

PROBE = """
addEventListener("load", () => {
  document.body.dataset.probe = JSON.stringify((() => { %s })());
});
"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of the report of a study with hostile answers."""
    folder = tmp_path_factory.mktemp("study")
    write_report(report_study.make(folder), folder / "report")
    return folder / "report"


def without_policy(report: Path) -> str:
    """Returns the page's text without the policy that would refuse the test's own script."""
    page = (report / "index.html").read_text(encoding="utf-8")
    return re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", page)


def probe(page: str, folder: Path, script: str) -> dict[str, object]:
    """Returns what a script finds in a page; it runs once all is loaded."""
    copy = folder / "probed.html"
    copy.write_text(f"{page}<script>{PROBE % script}</script>", encoding="utf-8")
    dom, _ = browse(copy.as_uri(), folder / "profile")
    found = re.search(r'data-probe="([^"]*)"', dom)
    assert found is not None, dom[-500:]
    result = json.loads(unescape(found[1]))
    assert isinstance(result, dict)
    return result


def test_the_page_opens_without_errors_and_hostile_answers_stay_text(
    report: Path, tmp_path: Path
) -> None:
    dom, console = browse((report / "index.html").as_uri(), tmp_path)
    assert console == []
    assert "<title>A small &lt;study&gt;</title>" in dom
    assert dom.count("<script") == 1


def test_the_policy_stops_a_script_that_slipped_in(report: Path, tmp_path: Path) -> None:
    page = (report / "index.html").read_text(encoding="utf-8")
    broken = report / "broken.html"
    broken.write_text(page.replace("<main>", "<main><script>document.title='owned'</script>"))
    dom, console = browse(broken.as_uri(), tmp_path)
    assert "<title>owned" not in dom
    assert any("Content Security Policy" in line for line in console)


def test_a_heading_sorts_its_table_up_and_down(report: Path, tmp_path: Path) -> None:
    script = """
      const table = document.querySelector("#table-jobs table");
      const heading = table.tHead.rows[0].cells[2];
      const press = () => {
        heading.firstElementChild.click();
        return [...table.tBodies[0].rows].map((row) => parseFloat(row.cells[2].textContent));
      };
      return { up: press(), down: press(), sort: heading.getAttribute("aria-sort") };
    """
    found = probe(without_policy(report), tmp_path, script)
    assert found == {"up": [0, 5, 10, 15], "down": [15, 10, 5, 0], "sort": "descending"}


def test_the_last_row_of_headings_sorts_a_grouped_table(report: Path, tmp_path: Path) -> None:
    script = """
      const table = document.querySelector("#table-main-translation table");
      table.tHead.rows[1].cells[2].firstElementChild.click();
      return { first: table.tBodies[0].rows[0].cells[0].textContent };
    """
    assert probe(without_policy(report), tmp_path, script) == {"first": "de-en"}


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_is_wider_than_the_screen(report: Path, tmp_path: Path, width: int) -> None:
    """A window is at least 500 pixels wide, so that the page stands in a frame."""
    page = escape((report / "index.html").read_text(encoding="utf-8"))
    frame = f'<iframe width="{width}" height="900" style="border:0" srcdoc="{page}"></iframe>'
    script = """
      const inner = document.querySelector("iframe").contentWindow;
      for (const part of inner.document.querySelectorAll("details")) part.open = true;
      const { scrollWidth, clientWidth } = inner.document.documentElement;
      return { inner: inner.innerWidth, over: scrollWidth - clientWidth };
    """
    found = probe(f"<!doctype html><body>{frame}", tmp_path, script)
    assert found == {"inner": width, "over": 0}


def test_paper_shows_what_is_folded(report: Path, tmp_path: Path) -> None:
    script = """
      window.dispatchEvent(new Event("beforeprint"));
      return { closed: document.querySelectorAll("details:not([open])").length };
    """
    assert probe(without_policy(report), tmp_path, script) == {"closed": 0}


def test_the_page_prints(report: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    browse(
        (report / "index.html").as_uri(), tmp_path / "profile",
        f"--print-to-pdf={pdf}", "--no-pdf-header-footer",
    )  # fmt: skip
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) < 60


def test_links_resolve_and_ids_are_unique(report: Path, tmp_path: Path) -> None:
    script = """
      const all = (part, name) =>
        [...document.querySelectorAll(part)].map((found) => found.getAttribute(name));
      return { ids: all("[id]", "id"), links: all("a[href]", "href") };
    """
    found = probe(without_policy(report), tmp_path, script)
    links, ids = found["links"], found["ids"]
    assert isinstance(links, list) and isinstance(ids, list)
    assert len(ids) == len(set(ids))
    assert len(links) > 20
    for link in links:
        assert link[1:] in ids if link.startswith("#") else (report / link).is_file(), link
