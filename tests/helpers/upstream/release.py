"""What ictnlp/BayLing at 8f6ecb9 and microsoft/AGIEval at 3680910 hold, in small."""

from __future__ import annotations

from typing import Any

from bayling_study.config.suites import EXAM_TASKS
from helpers.released import review
from helpers.upstream.packing import Files, json_lines, tar_gz, text_of
from helpers.upstream.texts import pairs, sentences

SEGMENTS = 24
DIRECTIONS = (
    *("zh-en", "en-zh", "de-en", "en-de", "cs-en", "ja-en", "ru-en", "uk-en"),
    *("en-cs", "en-ja", "en-ru", "en-uk", "de-fr", "fr-de"),
)
CHINESE_PROMPT = DIRECTIONS[:4]
SYSTEMS = {
    "bayling-7b": "BayLing-7B",
    "bayling-13b": "BayLing-13B",
    "gpt-3.5-turbo": "gpt-3.5-turbo",
}
"""Folder to the name in the names of its exams' files."""
PASSAGES = {
    *("gaokao-chinese", "gaokao-english", "logiqa-en", "logiqa-zh", "lsat-ar", "lsat-lr"),
    *("lsat-rc", "sat-en", "sat-math"),
}
"""Exams whose rows have a passage; ``sat-math`` has an empty one."""
SHORT = {"sat-en", "sat-en-without-passage", "sat-math"}
"""Exams whose rows have no ``answer``."""
CHINESE = {task for task in EXAM_TASKS if task.startswith("gaokao-")} - {"gaokao-english"} | {
    "logiqa-zh"
}
PLAIN = {"logiqa-en", "logiqa-zh", "lsat-ar", "lsat-lr", "lsat-rc"}
"""Exams whose rows have ``null`` for ``other``."""


def segments(direction: str) -> list[tuple[str, str]]:
    """Returns the test set of a direction."""
    source, target = direction.split("-")
    if source == "en":
        return pairs(target, SEGMENTS)
    if target == "en":
        return [(text, english) for english, text in pairs(source, SEGMENTS)]
    both = zip(pairs(source, SEGMENTS), pairs(target, SEGMENTS), strict=True)
    return [(one[1], other[1]) for one, other in both]


def bayling() -> bytes:
    """The host's archive of the commit, with its one top folder."""
    files: Files = {"README.md": b"# BayLing\n", "LICENSE": b"GPL\n"}
    translation, constrained = "exp/translation_benchmark", "exp/constrained_translation"
    for direction in DIRECTIONS:
        stem = f"{translation}/reference/{direction.replace('-', '')}"
        source, reference = zip(*segments(direction), strict=True)
        files |= {f"{stem}.src": text_of(source), f"{stem}.ref": text_of(reference)}
        for folder in (*SYSTEMS, "gpt-4"):
            marks = (
                ("", ".zh_prompt") if direction in CHINESE_PROMPT and folder != "gpt-4" else ("",)
            )
            for mark in marks:
                said = text_of(text.replace("  ", " ")[:60] for text in reference)
                files[f"{translation}/{folder}/{direction}{mark}.hypo"] = said
    for direction in ("zh-en", "en-zh"):
        name, rows = f"{direction}.{direction[3:]}", _constraints(direction)
        files[f"data/constrained_translation/constraints.{name}.jsonl"] = json_lines(rows)
        answered = json_lines({**row, "hypo": row["tgt"]} for row in rows)
        for folder in SYSTEMS:
            for mark in ("", ".zh_prompt"):
                files[f"{constrained}/{folder}/hypo.{name}{mark}.jsonl"] = answered
    for folder, model in SYSTEMS.items():
        for task in EXAM_TASKS:
            path = f"exp/examination/{folder}/predict.{model}.{task}.zero-shot.jsonl"
            files[path] = json_lines(_answer(folder, task, number) for number in range(SEGMENTS))
    reviews = json_lines([review(number) for number in (1, 2, 3)])
    files["exp/general_tasks/GPT4-REVIEW/bayling-7b.vs.alpaca.multiturn.en.jsonl"] = reviews
    return tar_gz(files, "BayLing-8f6ecb9")


def _constraints(direction: str) -> list[dict[str, Any]]:
    rows = []
    for number, (english, _, chinese) in enumerate(sentences(SEGMENTS, 600)):
        source, target = (chinese, english) if direction == "zh-en" else (english, chinese)
        words = [target[:4], target[5:8], target[9:12]][: 1 + number % 3]
        rows.append({"src": source, "tgt": target, "constraint": [word.strip() for word in words]})
    return rows


def _answer(folder: str, task: str, number: int) -> dict[str, Any]:
    """A row of an exam's answers: a chat of OpenAI's, or what a text server gave."""
    text = f"Answer is choice ({'ABCD'[number % 4]})"
    if task in CHINESE:
        text = f"答案是选项({'ABCD'[number % 4]})"
    if task == "gaokao-mathcloze":
        text = f"答案：{number + 1}"
    usage = {"prompt_tokens": 64, "completion_tokens": 8, "total_tokens": 72}
    if folder == "gpt-3.5-turbo":
        message = {"role": "assistant", "content": text}
        choices = [{"message": message, "finish_reason": "stop", "index": 0}]
        facts = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1686315599}
        return {**facts, "model": folder, "usage": usage, "choices": choices}
    return {"text": text, "usage": usage, "finish_reason": "stop"}


def questions(task: str) -> list[dict[str, Any]]:
    """Returns the rows of an exam: a passage or none, choices, a label or an answer."""
    rows = []
    for number, (english, _, chinese) in enumerate(sentences(SEGMENTS, 700)):
        story = chinese if task in CHINESE else english
        passage = ("" if task == "sat-math" else story) if task in PASSAGES else None
        row: dict[str, Any] = {"passage": passage, "question": f"{story} (1+{number})?"}
        row |= {"options": [f"({letter}){number}{letter}" for letter in "ABCD"]}
        row |= {"label": "ABCD"[number % 4]}
        row |= {} if task in SHORT else {"answer": None}
        if task in ("gaokao-mathcloze", "math"):
            row |= {"options": None, "label": None, "answer": str(number + 1)}
        if task == "gaokao-physics" and number % 3 == 2:
            row["label"] = ["A", "C"]
        rows.append({**row, "other": None if task in PLAIN else {"source": "2010"}})
    return rows


def agieval() -> bytes:
    """The host's archive: one JSON lines file an exam, and ``math``, which is none of the 18."""
    files = {f"data/v1/{task}.jsonl": json_lines(questions(task)) for task in (*EXAM_TASKS, "math")}
    files |= {"LICENSE": b"MIT License\n", "README.md": b"# AGIEval\n"}
    files["data/few_shot_prompts.csv"] = b"a,b\n"
    return tar_gz(files, "AGIEval-3680910")
