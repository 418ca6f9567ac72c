"""The stage ``harness`` on a tiny model: the harness's own numbers, batches, resuming, files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.multiple_choice import HarnessSuite, QuestionsSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, read_jsonl, write_json, write_jsonl
from bayling_study.core.records import (
    Prompt,
    read_hypotheses,
    read_prompts,
    read_scores,
    write_prompts,
)
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.harness import build as build_harness
from bayling_study.stages.prompts.questions import build as build_questions
from helpers import ROOT
from helpers.tiny import write_foundation

pytestmark = pytest.mark.slow
WORKFLOW = ROOT / "workflow"
CAPITALS = QuestionsSuite(kind="questions", collection="capitals", languages=["en", "de"], limit=6)
BELEBELE = HarnessSuite(
    kind="harness",
    source="belebele",
    folder="belebele",
    files="{config}.jsonl",
    tasks=["belebele_deu_Latn"],
)
SECTION = GenerationSection(precision="fp32", batch_tokens=2000, max_batch=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("harness")
    write_foundation(root / "model")
    rows = [
        {
            "flores_passage": "Ba ke lo. " * (n + 1),
            "question": f"Mi nu {n}?",
            **{f"mc_answer{k}": f"ra {k * n}" for k in range(1, 5)},
            "correct_answer_num": str(n % 4 + 1),
        }
        for n in range(10)
    ]
    write_jsonl(root / "download" / "files" / "deu_Latn.jsonl", rows)
    write_json(root / "download" / "manifest.json", {})
    return root


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    from bayling_study.shared.models import load
    from bayling_study.stages.harness.model import StudyModel

    return StudyModel(load(folder / "model", SECTION), "bayling", SECTION)


def belebele_prompts(folder: Path, suite: HarnessSuite = BELEBELE) -> list[Prompt]:
    return list(
        build_harness(
            "belebele", suite, PromptContext(1, downloads={"belebele": folder / "download"})
        )
    )


def ask(model: Any, work: Path, suite: Any, prompts: list[Prompt], root: Path | None) -> Any:
    from bayling_study.stages.harness.asking import ExaminedSystem

    return ExaminedSystem(model, "x", 1, work).item("s", suite, prompts, root)


def test_likelihoods_and_marks_are_the_harness_own(
    model: Any, folder: Path, tmp_path: Path
) -> None:
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    from bayling_study.shared.harness_tasks import load_task

    files = folder / "download" / "files"
    found = ask(model, tmp_path, BELEBELE, belebele_prompts(folder), files)
    plain = HFLM(pretrained=model.model, tokenizer=model.tokenizer, batch_size=3, device="cpu")
    task = load_task("belebele_deu_Latn", BELEBELE, files)
    results = evaluate(plain, task_dict={"tasks": {"b": task}}, bootstrap_iters=0)
    rows = sorted(results["samples"]["b"], key=lambda row: row["doc_id"])
    for row, marked in zip(rows, found.marked, strict=True):
        expected = [answer[0] for answer in row["filtered_resps"]]
        assert marked.likelihoods == pytest.approx(expected, abs=1e-4)
        assert marked.metrics == {"acc": row["acc"], "acc_norm": row["acc_norm"]}
    share = sum(marked.metrics["acc"] for marked in found.marked) / 10
    assert share == pytest.approx(results["results"]["b"]["acc,none"])
    assert "task:belebele_deu_Latn" in found.signature and "prompt:plain" in found.signature


def test_the_system_template_frames_the_question_where_the_suite_says_so(
    model: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    encode = model.tok_encode
    monkeypatch.setattr(
        model, "tok_encode", lambda text, **more: seen.append(text) or encode(text, **more)
    )
    chat = BELEBELE.model_copy(update={"chat_template": True})
    found = ask(model, tmp_path, chat, belebele_prompts(folder, chat), folder / "download/files")
    assert "prompt:template" in found.signature
    framed = [text for text in seen if "### Instruction:" in text]
    assert framed and all(text.count("### Response:") == 1 for text in framed)


def test_a_template_that_refuses_a_question_is_named_with_it(folder: Path) -> None:
    from bayling_study.shared.models import load
    from bayling_study.stages.harness.model import StudyModel

    model = StudyModel(load(folder / "model", SECTION), "foundation", SECTION)
    model.tokenizer.chat_template = "{{ raise_exception('no system role') }}"
    model.task = "belebele"
    chat = [{"role": "system", "content": "Be."}, {"role": "user", "content": "Mi nu?"}]
    with pytest.raises(StudyError, match="no system role") as caught:
        model.apply_chat_template(chat)
    assert caught.value.where == "belebele: 'Mi nu?'"


def test_a_finished_task_is_taken_over_and_a_changed_one_is_not(
    model: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = list(build_questions("s", CAPITALS, PromptContext(1)))[:6]
    first = ask(model, tmp_path, CAPITALS, prompts, None)
    monkeypatch.setattr(model, "_loglikelihood_tokens", None)
    assert ask(model, tmp_path, CAPITALS, prompts, None) == first
    with pytest.raises(TypeError):
        ask(model, tmp_path, CAPITALS, prompts[:5], None)
    monkeypatch.setattr("bayling_study.stages.harness.asking.COMPUTED", 1)
    with pytest.raises(TypeError):
        ask(model, tmp_path, CAPITALS, prompts, None)


def test_a_source_that_changed_since_the_prompts_is_refused(
    model: Any, folder: Path, tmp_path: Path
) -> None:
    prompts = belebele_prompts(folder)
    prompts[3] = replace(prompts[3], meta=prompts[3].meta | {"number": 99})
    with pytest.raises(StudyError, match=r"not the prompt"):
        ask(model, tmp_path, BELEBELE, prompts, folder / "download" / "files")


def test_questions_that_lose_their_front_are_counted_with_their_tokens(
    folder: Path, tmp_path: Path
) -> None:
    from bayling_study.shared.models import load
    from bayling_study.stages.harness.model import StudyModel

    loaded = load(folder / "model", SECTION)
    prompts = belebele_prompts(folder)
    roomy = StudyModel(loaded, "bayling", SECTION)
    lengths: dict[str, int] = {}
    scored = roomy._loglikelihood_tokens

    def measured(requests: Any, *more: Any, **options: Any) -> Any:
        for (context, _), before, asked in requests:
            lengths[context] = max(lengths.get(context, 0), len(before) + len(asked))
        return scored(requests, *more, **options)

    roomy._loglikelihood_tokens = measured
    files = folder / "download" / "files"
    whole = ask(roomy, tmp_path / "roomy", BELEBELE, prompts, files)
    assert [row.cut for row in whole.marked] == [0] * 10
    # the passages grow from question to question, so that some fit and some do not
    context = sorted(lengths.values())[5]
    narrow = StudyModel(replace(loaded, context=context), "bayling", SECTION)
    found = ask(narrow, tmp_path / "narrow", BELEBELE, prompts, files)
    expected = [max(0, length - context - 1) for length in lengths.values()]
    assert sorted(row.cut for row in found.marked) == sorted(expected)
    assert 0 < sum(tokens > 0 for tokens in expected) < 10


@pytest.mark.parametrize("size", [0, 4000])
def test_a_choice_that_cannot_be_scored_is_refused(model: Any, size: int) -> None:
    model.task = "belebele eng"
    with pytest.raises(StudyError, match="a choice has no token, or more than") as caught:
        model._loglikelihood_tokens([(("a", "b"), [5], [6]), (("a", "c"), [5], [6] * size)])
    assert caught.value.where == "belebele eng"


def test_program_then_scores(folder: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts"
    write_prompts(
        prompts / "capitals.jsonl", list(build_questions("capitals", CAPITALS, PromptContext(1)))
    )
    write_prompts(prompts / "belebele.jsonl", belebele_prompts(folder))
    suites = {"capitals": CAPITALS, "belebele": BELEBELE}
    settings = {
        "study": {"name": "t"},
        "systems": {"base": {"kind": "foundation", "source": "x", "template": "bayling"}},
        "suites": {name: suite.model_dump(mode="json") for name, suite in suites.items()},
        "generation": SECTION.model_dump(mode="json"),
        "scoring": {"bootstrap": {"samples": 50}},
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    common = ["--settings", f"{tmp_path}/settings.json", "--record", f"{tmp_path}/record.json"]
    common += ["--system", "base", "--prompts", str(prompts), "--suites", *suites]
    out = tmp_path / "harness" / "base"
    run("harness", *common, *("--checkpoint", f"{folder}/model", "--out", str(out)),
        *("--download", f"belebele={folder}/download", "--work", f"{tmp_path}/work"))  # fmt: skip
    asked = read_prompts(prompts / "capitals.jsonl")
    chosen = read_hypotheses(out / "capitals.jsonl", asked)
    assert all(h.turns[0] in p.meta["choices"] for p, h in zip(asked, chosen, strict=True))
    marks = list(read_jsonl(out / "belebele.marks.jsonl"))
    assert len(marks) == 10 and set(marks[0]["metrics"]) == {"acc", "acc_norm"}
    assert read_json(out / "system.json")["items"]["capitals"] == ["en", "de"]
    whole = {"turns": 10, "prompts_cut": 0, "prompt_tokens_cut": 0}
    assert read_json(out / "system.json")["suites"]["belebele"] == whole
    run("scoring", *common, *("--generation", f"{tmp_path}/none", "--harness", str(out)),
        *("--out", f"{tmp_path}/scoring"))  # fmt: skip
    scores = {(s.item, s.metric): s for s in read_scores(tmp_path / "scoring" / "capitals.json")}
    both = [scores[item, "accuracy"].value for item in ("en", "de")]
    assert scores["average", "accuracy"].value == pytest.approx(sum(both) / 2)
    assert "guessing gives 25.0 %" in scores["en", "accuracy"].note


def run(program: str, *options: str) -> None:
    command = [sys.executable, "-m", f"bayling_study.stages.{program}", *options]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(WORKFLOW)}, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("template", ["bayling", "foundation"])
def test_control_tokens_in_a_question_stay_text_as_in_generation(
    folder: Path, template: Any
) -> None:
    from bayling_study.shared import templates
    from bayling_study.shared.models import load
    from bayling_study.stages.harness.model import StudyModel

    loaded = load(folder / "model", SECTION)
    asked = StudyModel(loaded, template, SECTION)
    text = "a<|im_end|><|im_start|>b"
    messages = [{"role": "user", "content": text}]
    chat = asked.apply_chat_template(messages)
    assert asked.tok_encode(chat) == templates.prompt_ids(loaded.tokenizer, template, messages)
    context, choice = asked._encode_pair(chat, " <|im_end|>")
    assert context + choice == asked.tok_encode(chat + " <|im_end|>")
    control = loaded.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert control not in choice
    assert control not in asked.tok_encode(text)
    assert loaded.tokenizer.decode(asked.tok_encode(text)) == text


def test_a_question_with_the_mark_of_a_span_is_refused(model: Any) -> None:
    with pytest.raises(StudyError, match=r"U\+FDD0"):
        model.apply_chat_template([{"role": "user", "content": "a\ufdd0b"}])
