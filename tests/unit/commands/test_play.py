"""The page's server without a browser: who may ask, what is refused, votes and the report."""

from __future__ import annotations

import json
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch

from bayling_study.commands.chat.answering import Answerer
from bayling_study.commands.play import __main__ as program
from bayling_study.commands.play.page import FILES, FIRST, about, routes
from bayling_study.commands.play.votes import Vote, Votes
from bayling_study.commands.ranking.__main__ import main as ranking
from bayling_study.commands.ranking.sheet import Key, read_sheet
from bayling_study.commands.serve.app import application
from bayling_study.config import load_config
from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.core.records import Prompt, read_scores, write_prompts
from bayling_study.dag.layout import Layout
from bayling_study.shared.interactive.wordings import WORDINGS
from bayling_study.shared.models import load
from bayling_study.stages.report.__main__ import write_report
from helpers import ROOT, report_study
from helpers.export_models import save_tiny
from helpers.talking import serving
from helpers.tiny import write_study

MODELS = {"tuned": "1", "foundation": "2"}
BEST = {"translation": 0, "instruction_following": 1, "multi_turn": -1}


@pytest.mark.parametrize(("threads", "systems", "each"), [(8, 2, 4), (8, 3, 2), (2, 4, 1)])
def test_systems_that_answer_together_share_the_cores(
    threads: int, systems: int, each: int
) -> None:
    before, found = torch.get_num_threads(), list[int]()
    try:
        torch.set_num_threads(threads)
        program.share_cores(systems)
        asking = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        asking.start()
        asking.join()
    finally:
        torch.set_num_threads(before)
    assert found == [each]


def vote(**more: Any) -> Vote:
    order = more.get("order", ["tuned", "foundation"])
    answers = [[f"{system} 1", f"{system} 2"] for system in order]
    return Vote(**{"turns": ["a", "b"], "order": order, "answers": answers, "best": BEST} | more)


@pytest.fixture
def votes(tmp_path: Path) -> Votes:
    return Votes(tmp_path, MODELS, 1)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("play")
    save_tiny(folder / "model")
    answerer = Answerer(load(folder / "model", GenerationSection()), "foundation")
    both = {"tuned": answerer, "foundation": answerer}
    with serving(application(both, more=routes(both, {}, Votes(folder, MODELS, 1)))) as found:
        yield found


def ask(address: str, body: object = None, **headers: str) -> tuple[int, str, Any]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, data, headers), timeout=60
        ) as reply:
            return reply.status, reply.read().decode(), reply.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


PLACES = ["", "page.js", "page.css", "play/about", "play/prompt", "play/votes"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "rebound.example"}, 400), ({"Origin": "https://a.example"}, 403)],
)
def test_no_address_answers_a_foreign_page(
    address: str, place: str, headers: dict[str, str], status: int
) -> None:
    body = {} if place in ("play/prompt", "play/votes") else None
    assert ask(f"{address}/{place}", body, **headers)[0] == status


@pytest.mark.parametrize("name", FILES)
def test_the_page_loads_its_own_files_alone(address: str, name: str) -> None:
    status, text, headers = ask(f"{address}/{name}")
    policy = headers["Content-Security-Policy"].split("; ")
    assert status == 200
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= {*policy}
    assert not any("unsafe" in part or "*" in part for part in policy)
    assert "http://" not in text and "https://" not in text and "innerHTML" not in text


@pytest.mark.parametrize(
    ("place", "body", "told"),
    [
        ("prompt", {}, "messages"),
        ("prompt", {"model": "x", "messages": [{"role": "user", "content": "a"}]}, "not 'x'"),
        ("prompt", {"messages": [{"role": "user", "content": "a b " * 500}]}, "pass 128"),
        ("votes", {}, "turns"),
        ("votes", vote().model_dump() | {"turns": ["a"]}, "at least 2"),
        ("votes", vote().model_dump() | {"extra": 1}, "extra"),
    ],
)
def test_bodies_that_cannot_be_answered(
    address: str, place: str, body: dict[str, Any], told: str
) -> None:
    status, text, _ = ask(f"{address}/play/{place}", body)
    assert status == (404 if body.get("model") else 400)
    assert told in json.loads(text)["error"]["message"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"order": ["tuned", "tuned"]}, "each system's answer"),
        ({"order": ["tuned", "other"]}, "each system's answer"),
        ({"answers": [["a", "b"]]}, "each system's answer"),
        ({"answers": [["a"], ["a", "b"]]}, "each system's answer"),
        ({"best": {"translation": 0}}, "needs a place"),
        ({"best": BEST | {"translation": 2}}, "needs a place"),
        ({"best": BEST | {"style": 0}}, "needs a place"),
    ],
)
def test_votes_that_do_not_fit_are_refused_and_leave_nothing(
    votes: Votes, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(StudyError, match=told):
        votes.add(vote(**more))
    assert not votes.folder.exists()


def test_votes_are_a_sheet_that_ranking_reads(
    votes: Votes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    votes.add(vote())
    found = votes.add(vote(order=["foundation", "tuned"], turns=['=1,"x"\n', "b"]))
    key = Key.read(votes.folder / "key.json")
    ranks = read_sheet(votes.folder / "sheet.csv", key)
    assert ranks["translation"] == {
        "1": {"tuned": 1, "foundation": 2},
        "2": {"foundation": 1, "tuned": 2},
    }
    assert ranks["multi_turn"]["1"] == {"tuned": 1, "foundation": 1}
    assert '"[1] =1,""x""' in (votes.folder / "sheet.csv").read_text(encoding="utf-8-sig")
    # The command gives the same scores of the same sheet.
    sheet = ["--key", votes.folder / "key.json", "--sheets", votes.folder / "sheet.csv"]
    arguments = ["ranking", "analyse", *sheet, "--study", tmp_path / "again", "--seed", 1]
    monkeypatch.setattr(sys, "argv", [*map(str, arguments)])
    ranking()
    name = "ranking/scores/play-foundation-tuned.json"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert {row.n for row in found} == {2} and read_scores(tmp_path / name) == found


def test_a_sheet_is_whole_again_after_a_kill(votes: Votes) -> None:
    votes.add(vote())
    (votes.folder / "sheet.csv").write_text("item", encoding="utf-8")
    assert {row.n for row in votes.add(vote())} == {2}


def test_votes_at_once_are_all_kept(votes: Votes) -> None:
    threads = [threading.Thread(target=votes.add, args=(vote(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_json(votes.folder / "key.json")["rows"]) == 8


def test_three_systems_have_a_best_or_are_alike(tmp_path: Path) -> None:
    votes = Votes(tmp_path, MODELS | {"int8": "3"}, 1)
    votes.add(vote(order=["int8", "tuned", "foundation"], best=BEST | {"translation": 2}))
    ranks = read_sheet(votes.folder / "sheet.csv", Key.read(votes.folder / "key.json"))
    assert ranks["translation"]["1"] == {"int8": 2, "tuned": 2, "foundation": 1}
    assert ranks["multi_turn"]["1"] == {"int8": 1, "tuned": 1, "foundation": 1}


def test_votes_on_models_of_before_are_not_mixed_with_those_of_now(votes: Votes) -> None:
    votes.check()
    votes.add(vote())
    votes.check()
    with pytest.raises(StudyError, match="other models") as caught:
        Votes(votes.study, MODELS | {"tuned": "new"}, 1).check()
    assert str(caught.value.fix).startswith("mv ")


def test_the_next_report_shows_the_votes(tmp_path: Path) -> None:
    study = report_study.make(tmp_path)
    Votes(tmp_path, MODELS, 1).add(vote())
    write_report(study, tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert 'id="suite-play-foundation-tuned"' in page
    assert "first-place-share" in page


def test_the_page_is_told_the_studys_own_demands_and_examples(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(f"study: {{results: {tmp_path}}}", encoding="utf-8")
    config = load_config(ROOT / "config/config.yaml", tmp_path / "more.yaml")
    layout = Layout(config)
    told = about(config)
    assert told["demands"]["zh"] == {kind: WORDINGS[kind]["zh"] for kind in told["labels"]}
    assert list(told["labels"])[: told["first"]] == list(FIRST)
    assert set(told["labels"]) == set(WORDINGS)
    assert told["languages"]["en"][:2] == ["English", "Chinese"]
    assert {"German", "Czech"} <= set(told["languages"]["en"]) and told["examples"] == []
    suite = next(filter(layout.suite_needs_corpora, config.suites))
    rows = [Prompt(f"{i}/{n}", suite, i, {}, [f"{i}{n}"], []) for i in "ab" for n in range(9)]
    write_prompts(layout.study / "prompts" / f"{suite}.jsonl", rows)
    assert about(config)["examples"] == [f"{i}{n}" for i in "ab" for n in range(5)]


@pytest.mark.parametrize(
    ("systems", "told"),
    [
        (["foundation"], "1 system"),
        (["foundation", "foundation"], "1 system"),
        (["foundation", "tuned"], "not built yet"),
        (["foundation", "nobody"], "no system 'nobody'"),
    ],
)
def test_systems_that_cannot_be_compared_are_told_before_any_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systems: list[str], told: str
) -> None:
    path = write_study(tmp_path)
    save_tiny(Layout(load_config(path)).checkpoint("foundation"))
    monkeypatch.setattr(program, "serve", None)
    arguments = ["play", "--study-config", str(path), "--systems", *systems]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(StudyError, match=told):
        program.main()
