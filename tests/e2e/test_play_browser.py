"""The page to talk, in a real browser: two tiny systems answer, demands fill in, votes count."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bayling_study.commands.chat.answering import Answerer
from bayling_study.commands.play.page import about, routes
from bayling_study.commands.play.votes import Votes
from bayling_study.commands.ranking.sheet import rank_columns
from bayling_study.commands.serve.app import application
from bayling_study.config import load_config
from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.files import read_json, read_jsonl
from bayling_study.core.records import read_scores
from bayling_study.dag.layout import Layout
from bayling_study.shared.models import load
from helpers.browser import BROWSER, NO_BROWSER, Browser, Press, Type
from helpers.talking import serving
from helpers.tiny import write_study
from helpers.tiny_model import save_checkpoint

pytestmark = pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)

SYSTEMS = ["foundation", "tuned"]
WIDE, PHONE = (1400, 900), (390, 844)
TOOLS = """
  globalThis.until = async (test) => {
    for (let n = 0; n < 600; n++) {
      try { const found = test(); if (found) return found; } catch { /* not there yet */ }
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`never: ${test}`);
  };
  globalThis.press = (text, part = document) =>
    [...part.querySelectorAll("button")].find((one) => one.textContent === text).click();
  globalThis.put = (id, value) => { document.getElementById(id).value = value; };
  globalThis.quiet = () => until(() => document.getElementById("stop").disabled);
  globalThis.fields = (values) => {
    for (const [label, value] of Object.entries(values)) {
      const input = [...document.querySelectorAll("#fields label")]
        .find((one) => one.firstChild.data === `${label} `).lastChild;
      input.value = value;
      input.dispatchEvent(new Event("input"));
    }
  };
  globalThis.say = async (text) => {
    if (text) put("text", text);
    press("Send");
    await quiet();
  };
  globalThis.shown = (kind) =>
    [...document.querySelectorAll(`.pane ${kind}`)].map((one) => one.textContent);
"""
LOADED = """new Promise((done) =>
  document.readyState === "complete" ? done() : addEventListener("load", done))"""
READY = "until(() => document.querySelectorAll('.pane').length === 2).then(() => true)"
SHORT = "put('tokens', 12)"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config of the miniature study."""
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def results(study: Path) -> Path:
    return Layout(load_config(study)).study


@pytest.fixture(scope="module")
def address(study: Path, results: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = load_config(study)
    folder = tmp_path_factory.mktemp("models")
    templates: list[Any] = ["foundation", "bayling"]
    answerers = {}
    for seed, (name, template) in enumerate(zip(SYSTEMS, templates, strict=True)):
        checkpoint = save_checkpoint(folder / name, seed=seed + 3, context=1024)
        loaded = load(checkpoint, GenerationSection(precision="fp32"))
        answerers[name] = Answerer(loaded, template)
    votes = Votes(results, dict.fromkeys(SYSTEMS, "hash"), config.study.seed)
    votes.check()
    told = about(config)
    with serving(application(answerers, more=routes(answerers, told, votes))) as found:
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def walked(
    browser: Browser, address: str, *steps: str, size: tuple[int, int] = WIDE, **more: Any
) -> list[Any]:
    """Returns what steps on the page give, after its tools and both panes are there."""
    tools = f"({LOADED}).then(() => {{ {TOOLS} }})"
    found = browser.evaluate(f"{address}/", tools, READY, SHORT, *steps, size=size, **more)
    return found[3:]


def test_what_people_and_models_write_is_never_markup(
    browser: Browser, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "<img src=x onerror=document.title='owned'><b>bold</b>"
    monkeypatch.setattr(Answerer, "pieces", lambda self, question: iter([hostile[:9], hostile[9:]]))
    found = walked(
        browser,
        address,
        f'say("{hostile}").then(() => [shown(".user"), shown(".answer")])',
        "document.querySelectorAll('.talk b, .talk img').length + document.title",
        "shown('header h2')",
    )
    assert found == [[[hostile] * 2, [hostile] * 2], "0Talk to systems", SYSTEMS]


def test_nothing_can_be_sent_before_the_page_knows_its_systems(
    browser: Browser, address: str
) -> None:
    sendable = "!new DOMParser().parseFromString(text, 'text/html').getElementById('send').disabled"
    found = walked(
        browser,
        address,
        f"fetch('/').then((reply) => reply.text()).then((text) => {sendable})",
        "!document.getElementById('send').disabled",
    )
    assert found == [False, True]


def test_answers_say_how_long_they_took(browser: Browser, address: str) -> None:
    [told] = walked(browser, address, "say('Hello').then(() => shown('.talk small'))")
    assert len(told) == 2
    assert all(re.search(r"\d+ tokens, \d+\.\d s", text) for text in told)


def test_the_studys_demands_are_filled_in_and_sent(browser: Browser, address: str) -> None:
    replace = "press('replace X by Y'); fields({old: 'a', new: 'b'}); "
    back = "press('translate back'); fields({language: 'German'}); "
    found = walked(
        browser,
        address,
        f"{replace} document.getElementById('text').value",
        f"{back} document.getElementById('text').value",
        "press('shorter'); document.getElementById('text').value",
        "press('shorter'); document.getElementById('text').value",  # the next wording
        "document.getElementById('user').value = 'zh'; press('keep this word');"
        "fields({name: 'Zigbee'}); document.getElementById('text').value",
        "say('').then(() => shown('.user')[0])",
    )
    assert found == [
        "Replace “a” with “b” and keep the rest.",
        "Translate it back into German.",
        "Keep only the first sentence.",
        "Make it shorter: only the first sentence, please.",
        "保留名称“Zigbee”不译。",
        "保留名称“Zigbee”不译。",
    ]


def test_the_prompt_is_shown_as_the_model_sees_it(browser: Browser, address: str) -> None:
    look = "until(() => document.getElementById('prompt').textContent)"
    found = walked(
        browser,
        address,
        "say('Hi <|im_end|>').then(() => press('Prompt', document.querySelectorAll('.pane')[0]))"
        f".then(() => {look})",
        "[...document.querySelectorAll('#prompt mark')].map((one) => one.textContent)",
        "press('Close'); press('Prompt', document.querySelectorAll('.pane')[1]);"
        "until(() => /Instruction/.test(document.getElementById('prompt').textContent))"
        ".then(() => document.getElementById('prompt').textContent)",
    )
    assert found[0] == "<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n"
    assert found[1] == ["<|im_start|>", "<|im_end|>", "<|im_start|>"]  # not what the user typed
    assert "### Instruction:\nHi <|im_end|>\n### Response:\n" in found[2]


def test_an_answer_can_be_stopped_and_made_again(browser: Browser, address: str) -> None:
    found = walked(
        browser,
        address,
        "put('tokens', 700); put('text', 'Go'); press('Send');"
        "until(() => shown('.answer').join('').length > 5)"
        ".then(() => { press('Stop'); return quiet(); })",
        "shown('.talk small').join()",
        "put('tokens', 3); put('temperature', 1); press('Regenerate');"
        "quiet().then(() => shown('.talk small')[0])",
        "put('tokens', 5000); say('More').then(() => shown('.wrong'))",
    )
    assert "stopped" in found[1]
    assert " tokens, " in found[2] and "stopped" not in found[2]
    assert len(found[3]) == 2 and all("pass 1024" in told for told in found[3])


def vote(*places: int) -> str:
    """Returns a step that votes for a place on each ability; 2 is that both are alike."""
    rows = "document.querySelectorAll('.choice')"
    choose = [f"{rows}[{n}].querySelectorAll('button')[{p}].click();" for n, p in enumerate(places)]
    return (
        f"{' '.join(choose)} press('Vote and reveal');"
        "until(() => /after/.test(document.getElementById('tally').textContent))"
        ".then(() => [shown('header h2'), document.getElementById('tally').textContent])"
    )


def test_blind_votes_become_a_sheet_and_scores(
    browser: Browser, address: str, results: Path
) -> None:
    blind = "document.getElementById('blind').click(); "
    found = walked(
        browser,
        address,
        f"{blind} say('=Hello').then(() => document.getElementById('cast').disabled)",
        "[...shown('header h2'), ...shown('header button:not([hidden])')]",
        "document.querySelector('.choice button').disabled",
        "say('Again').then(() => press('Swap sides'))",
        "document.querySelector('main').textContent.includes('tuned')",
        vote(0, 1, 2),
        "document.getElementById('send').disabled",
    )
    assert found[0] is True and found[2] is True  # no vote after one turn
    assert found[1] == ["A", "B"]
    assert found[4] is False
    order, told = found[5]
    assert sorted(order) == SYSTEMS and "after 1 vote(s)" in told
    assert found[6] is True  # a revealed conversation is over
    folder = results / "ranking/play-foundation-tuned"
    key = read_json(folder / "key.json")
    assert key["rows"] == {"1": {"prompt": "play/1", "order": order}}
    text = (folder / "sheet.csv").read_text(encoding="utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["conversation"] == "[1] =Hello\n[2] Again"
    ranks = [row[column] for column in rank_columns(2)]
    assert ranks == ["1", "2", "2", "1", "1", "1"]
    scores = read_scores(results / "ranking/scores/play-foundation-tuned.json")
    share = {(s.item, s.system): s.value for s in scores if s.metric == "first-place-share"}
    assert share["translation", order[0]] == 100
    assert share["instruction-following", order[1]] == 100
    assert share["multi-turn", "tuned"] == 50


def test_talking_and_voting_with_the_mouse(
    browser: Browser, address: str, results: Path, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("BAYLING_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    talk = [Press("Blind"), Press("Your prompt"), Type("Hello"), Press("Send"), "quiet()"]
    more = [Press("shorter"), Press("Send"), "quiet().then(() => shown('.user'))"]
    best = [("Right, complete", "A"), ("Does what is asked", "B"), ("Keeps what", "alike")]
    votes = [Press(choice, within=asked) for asked, choice in best]
    status = "document.querySelector('[role=status]').innerText"
    *_, said, _, _, _, _, names, tally = walked(
        browser, address, *talk, *more, *votes, Press("Vote and reveal"),
        f"until(() => /after/.test({status})).then(() => shown('header h2'))", status,
        picture=folder / "talking-and-voting.png",
    )  # fmt: skip
    assert said == ["Hello", "Keep only the first sentence."] * 2
    assert sorted(names) == SYSTEMS
    assert re.search(r"after \d+ vote", tally)
    rows = read_jsonl(results / "ranking/play-foundation-tuned/votes.jsonl")
    *_, last = rows
    assert last["order"] == names
    assert last["best"] == {"translation": 0, "instruction_following": 1, "multi_turn": -1}


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_nothing_is_wider_than_the_screen(
    browser: Browser, address: str, size: tuple[int, int]
) -> None:
    [over, stacked] = walked(
        browser,
        address,
        f"say('{'long' * 80}').then(() => document.documentElement.scrollWidth - innerWidth)",
        "new Set([...document.querySelectorAll('.pane')].map((one) => one.offsetLeft)).size",
        size=size,
    )
    assert (over <= 0, stacked) == (True, 2 if size == WIDE else 1)
