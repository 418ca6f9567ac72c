"""The page of answers in a real browser: choose, sort, search, count; 30,000 prompts; a phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.core.files import read_jsonl, write_jsonl
from bayling_study.core.records import Hypothesis, Prompt, write_hypotheses, write_prompts
from bayling_study.stages.report.__main__ import write_report
from bayling_study.stages.report.answers import write_answers
from helpers import dialogue_study, report_study
from helpers.browser import BROWSER, NO_BROWSER, Browser, browse
from helpers.dialogue_study import SUITE

pytestmark = pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)

DESK, PHONE = (1400, 900), (390, 844)
READY = """new Promise((done) => {
  const look = () => document.querySelector("#rows article")
    ? done(Math.round(performance.now())) : setTimeout(look, 10);
  look();
})"""
HEADINGS = '[...document.querySelectorAll("#rows h2")].map((heading) => heading.textContent)'
SUMMARY = 'document.getElementById("summary").textContent'
MOST_MILLISECONDS = 2000
PROMPTS = 30_000


def chosen(**fields: str) -> str:
    """Returns a script that chooses values in the page's fields, as a user does, and waits."""
    steps = [
        f'form.elements.namedItem("{name}").value = "{value}";' for name, value in fields.items()
    ]
    return f"""new Promise((done) => {{
      {" ".join(steps)}
      form.dispatchEvent(new Event("input"));
      const wanted = JSON.stringify(given());
      const look = () => JSON.stringify(shownNow.chosen) === wanted
        && document.querySelectorAll("#rows article").length === Math.min(20, shownNow.found.length)
        ? done() : setTimeout(look, 10);
      look();
    }})"""


def open_part(name: str) -> str:
    """Returns a script that unfolds a part of the page and waits until its tables are there."""
    return f"""new Promise((done) => {{
      document.querySelector("{name}").closest("details").open = true;
      const look = () => document.querySelector("{name} table")
        ? done([...document.querySelectorAll("{name} tbody tr")].map((row) =>
            [...row.cells].map((cell) => cell.textContent))) : setTimeout(look, 10);
      look();
    }})"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the address of the page of a study of dialogues."""
    folder = tmp_path_factory.mktemp("talks")
    write_report(dialogue_study.make(folder), folder / "report")
    return (folder / "report/answers.html").as_uri()


def test_the_largest_loss_is_found_and_why_its_demand_was_not_met(
    window: Browser, page: str
) -> None:
    failed = '[...document.querySelectorAll("#rows article")][0].querySelectorAll("li.no")'
    _, summary, first, _, last, reasons, bins = window.evaluate(
        page, READY, SUMMARY, HEADINGS, chosen(order="loss"), HEADINGS,
        f"[...{failed}].map((item) => item.textContent)",
        '[...document.querySelectorAll(".bins div")].map((bin) => Number(bin.textContent))',
        size=DESK,
    )  # fmt: skip
    assert summary.startswith("4 of 4 prompts.")
    assert "A (foundation) 37.5, B (tuned) 50.0; B better by +12.5" in summary
    assert "B better in 2, A in 1, equal in 1" in summary
    assert first[0] == "de-en/0 · satisfaction 0.0 → 100.0 +100.0"
    assert last[0] == "de-en/1 · satisfaction 100.0 → 0.0 −100.0"
    assert "has “castle”" in reasons
    assert sum(bins) == 4 and bins[0] == bins[10] == bins[15] == bins[20] == 1


def test_turn_demand_and_search_choose_what_is_counted(window: Browser, page: str) -> None:
    _, _, first, _, fuller, _, found, _, nothing = window.evaluate(
        page, READY, chosen(turn="1"), SUMMARY, chosen(turn="", kind="fuller"), HEADINGS,
        chosen(kind="", find="<B>BOLD"), HEADINGS, chosen(find="no such text"), SUMMARY,
        size=DESK,
    )  # fmt: skip
    assert "A (foundation) 50.0, B (tuned) 50.0" in first
    assert fuller == ["de-en/3 · satisfaction 0.0 → 100.0 +100.0"]
    assert sorted(heading[:7] for heading in found) == ["de-en/0", "de-en/1", "de-en/2"]
    assert nothing == "0 of 4 prompts; no score of both systems."


def test_the_better_system_of_two_is_said_whichever_stands_first(
    window: Browser, page: str
) -> None:
    other = f"{page}#a=tuned&b=foundation"
    _, summary = window.evaluate(other, READY, SUMMARY, size=DESK)
    assert "A (tuned) 50.0, B (foundation) 37.5; A better by +12.5." in summary


def test_means_by_group_and_words_in_a_row_won(window: Browser, page: str) -> None:
    _, groups, ngrams = window.evaluate(
        f"{page}#kind=fuller", READY, open_part("#groups"), open_part("#ngrams div"), size=DESK
    )
    assert ["de-en", "1", "0.0", "100.0", "+100.0"] in groups
    assert ["fuller", "1", "0.0", "100.0", "+100.0"] in groups
    assert ["castle is very old", "0", "1"] in ngrams
    assert ["castle", "1", "1"] not in ngrams


def test_a_difference_that_rounds_to_nothing_has_no_sign(window: Browser, page: str) -> None:
    values = "[-0.04, 0.04, 0, -0.06, 2, null].map(signed)"
    assert window.evaluate(page, READY, values, size=DESK)[1] == [
        "0.0", "0.0", "0.0", "−0.1", "+2.0", "–",
    ]  # fmt: skip


def test_an_address_keeps_the_choice_and_a_phone_shows_it(window: Browser, page: str) -> None:
    _, kept, width = window.evaluate(
        f"{page}#suite={SUITE}&a=tuned&b=foundation&order=given&turn=2", READY,
        "Object.fromEntries(new URLSearchParams(location.hash.slice(1)))",
        "document.documentElement.scrollWidth", size=PHONE,
    )  # fmt: skip
    assert {"a": "tuned", "b": "foundation", "order": "given", "turn": "2"}.items() <= kept.items()
    assert width == PHONE[0]


def test_one_system_without_scores_has_its_answers_shown(window: Browser, tmp_path: Path) -> None:
    study = report_study.make(tmp_path / "study")
    for name in ("foundation", "tuned-int8"):
        (study.folder / f"generation/{name}/translation.jsonl").unlink()
    for path in study.folder.glob("scoring/*/translation.segments.jsonl"):
        path.unlink()
    write_answers(study, tmp_path / "answers.html")
    address = (tmp_path / "answers.html").as_uri()
    _, summary, headings = window.evaluate(address, READY, SUMMARY, HEADINGS, size=DESK)
    assert summary == "4 of 4 prompts; no score of both systems."
    assert headings[0] == "zh-en/0"


def test_all_systems_answer_side_by_side_with_what_their_earlier_steps_said(
    window: Browser, tmp_path: Path
) -> None:
    study = report_study.make(tmp_path / "study")
    path = study.folder / "generation/tuned-int8/translation.jsonl"
    steps = [[{"step": "annotate", "text": "<b>Say</b> house.", "finish": "stop"}]]
    write_jsonl(path, [{**row, "steps": steps} for row in read_jsonl(path)])
    write_answers(study, tmp_path / "answers.html")
    address = (tmp_path / "answers.html").as_uri()
    shown = """[...document.querySelector("#rows article .pair").children].map(
      (side) => side.querySelector("small").textContent.split(" ")[0])"""
    said = (
        """[...document.querySelectorAll("#rows article details")].map((one) => one.textContent)"""
    )
    _, two, _, every, texts, _, found = window.evaluate(
        address, READY, shown, chosen(shown="all"), shown, said,
        chosen(find="<B>say</B> house"), HEADINGS, size=DESK,
    )  # fmt: skip
    assert two == ["foundation", "tuned"]
    assert every == ["foundation", "tuned", "tuned-int8"]
    assert set(texts) == {"also saidannotate<b>Say</b> house."}
    assert len(found) == 4
    (width,) = window.evaluate(
        f"{address}#shown=all", READY, "document.documentElement.scrollWidth", size=PHONE
    )[1:]
    assert width == PHONE[0]


def test_a_browser_that_cannot_unpack_the_data_says_so(window: Browser, page: str) -> None:
    old = "delete globalThis.DecompressionStream, unpacked.clear(), refresh(given())"
    _, _, said = window.evaluate(page, READY, old, SUMMARY, size=DESK)
    assert said.startswith("The answers cannot be read (ReferenceError: DecompressionStream")


def test_hostile_answers_are_text_and_the_page_opens_without_errors(
    window: Browser, tmp_path: Path
) -> None:
    study = report_study.make(tmp_path / "study")
    write_answers(study, tmp_path / "answers.html")
    address = (tmp_path / "answers.html").as_uri()
    _, title, answer, scripts = window.evaluate(
        address, READY, "document.title", 'document.querySelector(".pair bdi").textContent',
        'document.querySelectorAll("main script").length', size=DESK,
    )  # fmt: skip
    assert title == "Answers: A small <study>"
    assert answer.startswith("<script>document.title='owned'</script> ⟨U+202E⟩txet")
    assert scripts == 0
    assert browse(address, tmp_path / "profile")[1] == []


def test_thirty_thousand_prompts_are_shown_within_two_seconds(
    window: Browser, tmp_path: Path
) -> None:
    study = report_study.make(tmp_path / "study")
    texts = [f"The {n % 977}th house of {n % 4993} has number {n}." for n in range(PROMPTS)]
    prompts = [
        Prompt(f"zh-en/{n}", "translation", "zh-en", {"target": "en"}, [f"Say: {t}"], [t])
        for n, t in enumerate(texts)
    ]
    write_prompts(study.folder / "prompts/translation.jsonl", prompts)
    for system in ("foundation", "tuned"):
        rows = [Hypothesis(p.id, [t[: len(t) - n % 9]], [1], ["stop"])
                for n, (p, t) in enumerate(zip(prompts, texts, strict=True))]  # fmt: skip
        write_hypotheses(study.folder / f"generation/{system}/translation.jsonl", rows)
        factor = 7 if system == "tuned" else 11
        scores = [{"id": p.id, "metric": "chrf2", "value": float(n * factor % 101)}
                  for n, p in enumerate(prompts)]  # fmt: skip
        write_jsonl(study.folder / f"scoring/{system}/translation.segments.jsonl", scores)
    (study.folder / "generation/tuned-int8/translation.jsonl").unlink()
    write_answers(study, tmp_path / "answers.html")
    address = (tmp_path / "answers.html").as_uri()
    shown = 'document.querySelectorAll("#rows article").length'
    more = f"""more(), more(), new Promise((done) => {{
      const look = () => {shown} > 40 ? done(new Set({HEADINGS}).size) : setTimeout(look, 10);
      look();
    }})"""
    milliseconds, summary, different, _, found = window.evaluate(
        address, READY, SUMMARY, more, chosen(find="number 29999."), HEADINGS, size=DESK
    )
    assert different == 60  # two quick clicks show no prompt twice
    assert summary.startswith("30000 of 30000 prompts.")
    assert milliseconds < MOST_MILLISECONDS
    assert [heading.split()[0] for heading in found] == ["zh-en/29999"]
