"""A small made-up release in the layout of ictnlp/BayLing, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bayling_study.core.files import write_json, write_jsonl, write_text

TRANSLATION = "exp/translation_benchmark"
CONSTRAINED = "exp/constrained_translation"
EXAMS = "exp/examination"
REVIEWS = "exp/general_tasks/GPT4-REVIEW"

SOURCES = ["你好", "再见\u2028。", "早上好"]
REFERENCES = ["Hello.", "Good\u0085bye.", "Good morning."]


def write_release(root: Path) -> None:
    """Writes three zh-en segments, two constrained ones, two exams and three reviews."""
    write_text(root / TRANSLATION / "reference/zhen.src", "\n".join(SOURCES) + "\n")
    write_text(root / TRANSLATION / "reference/zhen.ref", "\n".join(REFERENCES) + "\n")
    write_text(root / TRANSLATION / "sys/zh-en.hypo", "Hi\r\n\nMorning")
    write_text(root / TRANSLATION / "sys/zh-en.zh_prompt.hypo", "a\nb\nc\n")
    rows = [
        {"src": "猫坐着", "tgt": "The cat sits", "constraint": ["cat", "The"]},
        {"src": "狗跑", "tgt": "A dog runs", "constraint": ["dog"]},
    ]
    write_jsonl(root / "data/constrained_translation/constraints.zh-en.en.jsonl", rows)
    answered = [{**row, "hypo": f"H {row['tgt']}"} for row in rows]
    write_jsonl(root / CONSTRAINED / "Sys/hypo.zh-en.en.jsonl", answered)
    plain = {"text": "Answer is choice (B)", "usage": {"completion_tokens": 6}}
    write_jsonl(
        root / EXAMS / "sys/predict.Sys-7B.sat-en.zero-shot.jsonl",
        [{**plain, "finish_reason": "length"}, {**plain, "finish_reason": "stop"}],
    )
    write_jsonl(root / EXAMS / "sys/predict.Sys-7B.sat-en-without-passage.zero-shot.jsonl", [plain])
    chat = {"message": {"content": "D) 10"}, "finish_reason": "stop"}
    write_jsonl(
        root / EXAMS / "gpt/predict.gpt.sat-en.zero-shot.jsonl",
        [{"choices": [chat], "usage": {"completion_tokens": 4}}] * 2,
    )
    write_jsonl(root / REVIEWS / "one.vs.two.multiturn.en.jsonl", [review(n) for n in (1, 2, 3)])


def review(number: int) -> dict[str, Any]:
    """Returns a review row."""
    return {
        "question_id": number,
        "question": ["Why {x}?", "And then?"],
        "category": "generic",
        "system1": {"name": "One", "response": [f"one {number}", "then one"]},
        "system2": {"name": "Two", "response": [f"two {number}", "then two"]},
        "review": [f"Evidence {number}"],
    }


def write_agieval(root: Path) -> None:
    """Writes two sat-en questions, two physics ones and a cloze."""
    base = {"passage": "", "question": "Q?", "options": ["(A)1", "(B)2"], "label": "B"}
    write_jsonl(root / "data/v1/sat-en.jsonl", [base, {**base, "passage": "P"}])
    physics = {**base, "passage": None}
    write_jsonl(root / "data/v1/gaokao-physics.jsonl", [physics, {**physics, "label": ["C", "A"]}])
    cloze = {"passage": None, "question": "x", "options": None, "label": None, "answer": "2"}
    write_jsonl(root / "data/v1/gaokao-mathcloze.jsonl", [cloze])


def download(folder: Path, root: Path) -> Path:
    """Returns a download folder whose manifest points at ``root``."""
    write_json(folder / "manifest.json", {"root": str(root), "files": []})
    return folder


def rewrite(path: Path, number: int, **changes: Any) -> None:
    """Changes fields of one row (from 1) of a JSON-lines file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows[number - 1].update(changes)
    write_jsonl(path, rows)
