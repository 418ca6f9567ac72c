"""The judge's path: questions, both orders, malformed reviews, budget, resume, scores."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bayling_study.commands.chat.system import find_system
from bayling_study.commands.plan.jobs import job_counts
from bayling_study.config import load_config
from bayling_study.config.suites import JudgedSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json, write_jsonl, write_text
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    read_hypotheses,
    read_scores,
    write_hypotheses,
    write_prompts,
)
from bayling_study.dag.rules import Dag
from bayling_study.shared.metrics.answers import scored_prompts
from bayling_study.shared.review_prompts import review_prompt
from bayling_study.stages.judging.__main__ import main as judge
from bayling_study.stages.prompts import PromptContext, judged
from bayling_study.stages.scoring.__main__ import main as score
from bayling_study.stages.significance.__main__ import main as compare
from helpers.endpoint_server import Body, Server, serving, status
from helpers.tiny_model import save_checkpoint

PARTS = ["singleturn.en", "multiturn.en"]
SUITE = {"kind": "judged", "judge": "judge", "baseline": "base", "parts": PARTS}
QUESTIONS = 6
REVIEW = "Evaluation evidence: so.\nScore of the Assistant 1: {}\nScore of the Assistant 2: {}"


def answer_of(system: str, number: int) -> str:
    return f"{system}-{'x' * number}"


def by_length(body: Body, number: int) -> str:
    """A judge that scores a tenth of the answers' length; who is shown first has one more."""
    text = body["messages"][-1]["content"]
    first, second = (
        sum(line.startswith(f"Assistant {n}: ") and len(line) for line in text.splitlines())
        for n in (1, 2)
    )
    return REVIEW.format((first + 1) / 10, second / 10)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(by_length) as running:
        yield running


def prompts() -> list[Prompt]:
    return [
        Prompt(
            id=f"{part}/{number}",
            suite="open",
            item=part,
            languages={"target": "en"},
            turns=[f"{part} {number} {{first}}?", "and then?"][: 1 + (part == "multiturn.en")],
            references=[],
            meta={"question_id": str(number), "category": "math" if number % 2 else "generic"},
        )
        for part in PARTS
        for number in range(QUESTIONS)
    ]


class Study:
    """A study folder with answers of three systems, and ways to run the stages."""

    def __init__(self, folder: Path, server: Server, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.server, self.patch = folder, server, patch
        write_prompts(folder / "prompts/open.jsonl", prompts())
        for shift, system in enumerate(("base", "tuned", "int8")):
            rows = [
                Hypothesis(
                    p.id,
                    [answer_of(system, n % 3 * shift) for _ in p.turns],
                    [1] * len(p.turns),
                    ["stop"] * len(p.turns),
                )
                for n, p in enumerate(prompts())
            ]
            write_hypotheses(folder / "generation" / system / "open.jsonl", rows)
        self.settings()

    def settings(self, judge: dict[str, Any] | None = None, **suite: Any) -> None:
        section = judge or self.server.settings(parallel=2).model_dump(mode="json")
        systems = {
            "base": {"kind": "foundation", "source": "x"},
            "tuned": {"kind": "tuned", "base": "base", "mixture": "m"},
            "int8": {"kind": "int8", "base": "tuned"},
            "judge": section,
        }
        study = {"name": "test", "title": "Test", "seed": 5}
        scoring = {"bootstrap": {"samples": 50}}
        sections = {"study": study, "systems": systems, "suites": {"open": {**SUITE, **suite}}}
        write_json(self.folder / "settings.json", {**sections, "scoring": scoring, "report": {}})

    def run(self, program: Callable[[], object], **options: Any) -> None:
        common = {"settings": "settings.json", "record": "record.json", "prompts": "prompts"}
        words = []
        for name, value in {**common, **options}.items():
            words += [f"--{name}", *([str(value)] if isinstance(value, str | Path) else value)]
        self.patch.chdir(self.folder)
        self.patch.setattr(sys, "argv", ["program", *words])
        program()

    def judge(self, system: str = "tuned", **options: Any) -> list[Hypothesis]:
        out = Path("judging") / system / "open.jsonl"
        values = {"suite": "open", "system": system, "generation": "generation", "out": out}
        self.run(judge, **values, **{"work": f"work/{system}", **options})
        suite = load_suite()
        return read_hypotheses(
            self.folder / out, scored_prompts(suite, self.folder / "prompts/open.jsonl")
        )

    def score(self, system: str) -> dict[tuple[str, str], float]:
        options = {"generation": f"generation/{system}", "judging": f"judging/{system}"}
        self.run(score, system=system, suites=["open"], out=f"scoring/{system}", **options)
        path = self.folder / "scoring" / system / "open.json"
        return {(s.item, s.metric): s.value for s in read_scores(path)} if path.exists() else {}


def load_suite() -> JudgedSuite:
    return JudgedSuite.model_validate(SUITE)


@pytest.fixture
def study(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Study:
    return Study(tmp_path, server, monkeypatch)


def test_every_question_is_judged_in_both_orders(study: Study) -> None:
    reviews = study.judge()
    assert [row.id for row in reviews[:3]] == [
        "singleturn.en/0/1",
        "singleturn.en/0/2",
        "singleturn.en/1/1",
    ]
    assert len(study.server.bodies) == 4 * QUESTIONS
    asked = sorted(body["messages"][0]["content"] for body in study.server.bodies)
    ours, theirs = ["tuned-xx"] * 2, ["base-"] * 2
    turns = prompts()[-1].turns
    assert review_prompt(turns, ours, theirs) in asked
    assert review_prompt(turns, theirs, ours) in asked
    assert {body["temperature"] for body in study.server.bodies} == {0.0}
    record = read_json(study.folder / "record.json")
    assert record["metrics"]["without_scores"] == 0
    assert record["metrics"]["requests"] == 4 * QUESTIONS


def test_a_judges_reasoning_is_kept_beside_its_review(study: Study) -> None:
    draft = "<think>\nScore of the Assistant 1: 1\nScore of the Assistant 2: 1\n</think>\n\n"
    plain = study.judge()
    study.server.answer = lambda body, number: draft + by_length(body, number)
    found = study.judge(work="work/again")
    assert [row.turns for row in found] == [row.turns for row in plain]
    assert [row.reasoning for row in found] == [[draft[8:-11].strip()]] * len(plain)
    assert [row.reasoning for row in plain] == [[]] * len(plain)
    metrics = read_json(study.folder / "record.json")["metrics"]
    assert (metrics["with_reasoning"], metrics["unfinished_reasoning"]) == (len(plain), 0)


def test_reviews_become_scores_and_comparisons(study: Study) -> None:
    study.judge("tuned")
    study.judge("int8")
    found = study.score("tuned")
    # Single turns 0 to 5: "tuned-" is a letter longer than "base-", and number % 3 x's
    # longer still; the judge's bonus for the first place decides a lead of one alone.
    single = {metric: value for (item, metric), value in found.items() if item == "singleturn.en"}
    assert [single[name] for name in ("win", "tie", "loss")] == [6, 0, 0]
    assert single["consistent-share"] == pytest.approx(100 * 4 / 6)  # a lead of 1 against a bonus
    assert single["unjudged"] == 0
    lengths = [len("Assistant 1: ") + len(answer_of("tuned", n % 3)) + 0.5 for n in range(6)]
    base = len("Assistant 1: ") + len(answer_of("base", 0)) + 0.5
    assert single["score-ratio"] == pytest.approx(100 * sum(lengths) / (6 * base))
    assert found["all", "win"] == 12 and ("all", "mean.math") in found
    assert study.score("base") == {}
    systems = ["base", "tuned", "int8"]
    for system in ("tuned", "int8"):
        study.score(system)
    study.run(
        compare,
        generation="generation",
        judging="judging",
        systems=systems,
        suites=["open"],
        out="significance/comparisons.json",
    )
    rows = read_json(study.folder / "significance/comparisons.json")["comparisons"]
    assert {(row["system_a"], row["system_b"]) for row in rows} == {("tuned", "int8")}
    assert {"score-ratio", "win-share"} <= {row["metric"] for row in rows}


def test_malformed_reviews_are_asked_again_and_then_given_up(study: Study) -> None:
    def moody(body: Body, number: int) -> str:
        text = body["messages"][-1]["content"]
        if "tuned-xx" in text and "second" not in text:
            return "I like both."
        return "Score of the Assistant 1: good" if body["temperature"] == 0 else by_length(body, 0)

    study.server.answer = moody
    reviews = study.judge()
    questions = 4 * QUESTIONS
    hopeless = [row for row in reviews if row.turns == ["I like both."]]
    assert len(hopeless) == questions // 3
    assert len(study.server.bodies) == questions + questions + len(hopeless)
    seeds = {body.get("seed") for body in study.server.bodies if body["temperature"] > 0}
    assert len(seeds) == questions + len(hopeless)
    metrics = read_json(study.folder / "record.json")["metrics"]
    assert metrics["without_scores"] == len(hopeless)
    assert study.score("tuned")["all", "unjudged"] == pytest.approx(100 / 3)


def test_a_budget_stops_the_judge_and_a_larger_one_goes_on(study: Study) -> None:
    small = study.server.settings(parallel=1, request_budget=5).model_dump(mode="json")
    study.settings(small)
    with pytest.raises(StudyError, match="the budget is spent: 5 of 5 requests") as caught:
        study.judge()
    assert "systems.judge.request_budget" in str(caught.value)
    assert not (study.folder / "judging").exists()
    study.settings()
    study.judge()
    assert len(study.server.bodies) == 4 * QUESTIONS


def test_a_broken_server_ends_the_job_and_nothing_is_paid_twice(study: Study) -> None:
    section = study.server.settings(parallel=1, retries=0).model_dump(mode="json")
    study.settings(section)
    study.server.faults = [None] * 7 + [status(500)]
    with pytest.raises(StudyError, match="no answer after 1 requests"):
        study.judge()
    reviews = study.judge()
    assert len(study.server.bodies) == 4 * QUESTIONS + 1
    assert study.judge(work="work/fresh") == reviews


def test_an_own_prompt(study: Study) -> None:
    study.settings(judge_prompt="Compare {second} with {first} and {judge}.")
    study.judge()
    texts = [body["messages"][0]["content"] for body in study.server.bodies]
    assert len(texts) == 4 * QUESTIONS
    assert all(text.startswith("Compare [Conversation with Assistant ") for text in texts)
    assert all(text.endswith(" and {judge}.") for text in texts)
    assert any("0 {first}?" in text for text in texts)


def test_bayling_80_and_mt_bench_are_read(tmp_path: Path) -> None:
    release, bench = tmp_path / "release", tmp_path / "bench"
    for part, text in (("singleturn.zh", "一"), ("multiturn.en", ["one", "two"])):
        rows = [{"question_id": n, "text": text, "category": "math"} for n in (1, 2, 3)]
        write_jsonl(release / "files" / judged.BAYLING_80.format(part=part), rows)
    rows = [{"question_id": 81, "turns": ["a", "b"], "category": "writing"}]
    write_jsonl(bench / "files" / judged.MT_BENCH, rows)
    for folder in (release, bench):
        write_json(folder / "manifest.json", {})
    context = PromptContext(3, downloads={"bayling-release": release, "bench": bench})
    suite = JudgedSuite.model_validate(
        {**SUITE, "parts": ["singleturn.zh", "multiturn.en"], "limit": 2}
    )
    found = list(judged.build("open", suite, context))
    assert [len(prompt.turns) for prompt in found] == [1, 1, 2, 2]
    assert found[0].languages == {"target": "zh"} and found[0].meta["category"] == "math"
    numbers = [prompt.id.rpartition("/")[2] for prompt in found]
    assert numbers[:2] == numbers[2:]  # the same questions in all parts
    suite = JudgedSuite.model_validate({**SUITE, "source": "bench", "questions": "mt-bench"})
    assert [(p.id, p.turns) for p in list(judged.build("open", suite, context))] == [
        ("singleturn.en/81", ["a"]),
        ("multiturn.en/81", ["a", "b"]),
    ]
    with pytest.raises(StudyError, match="1 questions") as caught:
        list(judged.build("open", suite.model_copy(update={"limit": 2}), context))
    assert caught.value.fix == "limit: 1"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question_id": 1, "category": "x"}, "a row has question_id"),
        ({"question_id": 1, "text": ["a", 2], "category": "x"}, "a row has question_id"),
        ({"question_id": 1, "text": "a", "category": ""}, "a row has question_id"),
        ([], "a row has question_id"),
        ({"question_id": 1, "text": "a", "category": "x"}, "no second turn"),
        ({"question_id": 7, "text": ["a", "b"], "category": "x"}, "is duplicated"),
    ],
)
def test_malformed_questions(tmp_path: Path, row: Any, message: str) -> None:
    good = {"question_id": 7, "text": ["a", "b"], "category": "x"}
    path = tmp_path / "files" / judged.BAYLING_80.format(part="multiturn.en")
    write_jsonl(path, [good, row])
    write_json(tmp_path / "manifest.json", {})
    suite = JudgedSuite.model_validate({**SUITE, "parts": ["multiturn.en"]})
    with pytest.raises(StudyError, match=message) as caught:
        list(judged.build("open", suite, PromptContext(1, downloads={"bayling-release": tmp_path})))
    assert f"{path}:2" in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"judge": "nobody"}, "suites.open.judge"),
        ({"judge": "paper"}, "suites.open.judge"),
        ({"baseline": "paper"}, "suites.open.baseline"),
        ({"baseline": "gpt"}, "suites.open.baseline"),
        ({"questions": "mt-bench", "parts": ["singleturn.zh"]}, "suites.open.parts"),
        ({"judge_prompt": "{first}"}, "suites.open.judge_prompt"),
        ({"judge_decoding": {"beams": 2}}, "suites.open.judge_decoding"),
    ],
)
def test_a_config_that_cannot_be_judged(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    server = {"kind": "endpoint", "url": "http://h/v1", "model": "m", "evaluated": False}
    config = {
        "study": {"title": "Judged"},
        "systems": {
            "base": {"kind": "foundation", "source": "x"},
            "paper": {"kind": "published", "source": "y", "folders": {}},
            "gpt": server,
        },
        "suites": {"open": {**SUITE, "judge": "gpt", **changed}},
    }
    path = tmp_path / "config.yaml"
    write_text(path, json.dumps(config))
    with pytest.raises(StudyError) as caught:
        load_config(path)
    assert message in str(caught.value)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A study with a server that only judges, one that answers, and a local judge."""
    server = {"kind": "endpoint", "url": "http://h/v1", "model": "m"}
    questions = {**SUITE, "source": "mt-bench", "questions": "mt-bench", "baseline": "base"}
    config = {
        "study": {"title": "Judged"},
        "systems": {
            "base": {"kind": "foundation", "source": "smollm2"},
            "remote": server,
            "paper": {"kind": "published", "source": "bayling-release", "folders": {}},
            "gpt": {**server, "evaluated": False},
        },
        "suites": {
            "open": {**questions, "judge": "gpt"},
            "local": {**questions, "judge": "base", "baseline": "remote"},
        },
    }
    path = tmp_path / "config.yaml"
    write_text(path, json.dumps(config))
    return path


def test_what_the_workflow_asks_for(config: Path) -> None:
    dag = Dag(load_config(config))
    layout = dag.layout
    assert layout.config.evaluated() == ["base", "remote", "paper"]
    reviews = {
        name: [path.name for path in layout.reviews(name)] for name in layout.config.evaluated()
    }
    assert reviews == {"base": ["local.jsonl"], "remote": ["open.jsonl"], "paper": []}
    assert layout.generation_input("gpt") == []
    assert dag.judging_option("open") == ""
    assert dag.judging_option("local") == f"--checkpoint {layout.checkpoint('base')}"
    assert dag.judging_inputs("open") == [layout.study / "generation" / "base"]
    answers = layout.study / "generation" / "remote"
    assert dag.judging_inputs("local") == [answers, layout.checkpoint("base")]
    counts = job_counts(dag)
    assert (
        counts["generation"],
        counts["generation_elsewhere"],
        counts["scoring"],
        counts["judging"],
    ) == (1, 2, 3, 2)


def test_a_server_is_no_checkpoint(config: Path) -> None:
    with pytest.raises(StudyError, match="gpt is endpoint, not run here"):
        load_config(config).template_of("gpt")
    with pytest.raises(StudyError, match="is already a server"):
        find_system([config], "gpt")


def test_a_local_judge_needs_its_checkpoint(study: Study) -> None:
    study.settings({"kind": "foundation", "source": "x"})
    with pytest.raises(StudyError, match="judge has to be run"):
        study.judge()
    with pytest.raises(StudyError, match="the model's server ended"):
        study.judge(checkpoint=study.folder / "nowhere")


@pytest.mark.slow
def test_a_local_model_judges_over_loopback(study: Study, tmp_path: Path) -> None:
    """The real server of ``commands.serve``; a random model states no scores."""
    checkpoint = save_checkpoint(tmp_path / "model", context=2048)
    study.patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    short = {"beams": 1, "max_new_tokens": 6}
    study.settings({"kind": "foundation", "source": "x"}, judge_decoding=short, attempts=2)
    reviews = study.judge(checkpoint=checkpoint)
    assert study.server.bodies == []
    assert len(reviews) == 4 * QUESTIONS and any(row.turns[0] for row in reviews)
    metrics = read_json(study.folder / "record.json")["metrics"]
    assert metrics["requests"] == 8 * QUESTIONS and metrics["without_scores"] == 4 * QUESTIONS
    assert study.score("tuned")["all", "unjudged"] == 100
    # The server's port is another one now, but the judge is the same: nothing is asked again.
    assert study.judge(checkpoint=checkpoint) == reviews
    assert read_json(study.folder / "record.json")["metrics"]["requests"] == 8 * QUESTIONS
