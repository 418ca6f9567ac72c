"""BayLing-80 answers of two systems, put before a judge. The release holds the judge's reviews
together with the answers they are about, so the prompts are built from the review files themselves;
``review_prompts`` has the wording, which the authors did not release."""

from pathlib import Path
from typing import Any

from bayling_study.config.suites import ReviewsSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt
from bayling_study.shared.review_prompts import review_prompt
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.released import item_rows

FOLDER = Path("exp/general_tasks/GPT4-REVIEW")
FIELDS = ("question_id", "question", "category", "system1", "system2")


def build(name: str, suite: ReviewsSuite, context: PromptContext) -> Prompts:
    """Returns one prompt per item by opponent and part (``StudyError`` if a row is malformed; an
    absent file is skipped with a message). Items are called ``OPPONENT.PART``, prompts
    ``OPPONENT.PART/QUESTION``; ``meta`` holds ``category``, ``opponent``, ``part``, ``judged``."""
    folder = context.files_of(suite.source) / FOLDER
    for opponent in suite.opponents:
        for part in suite.parts:
            path = folder / f"{suite.judged}.vs.{opponent}.{part}.jsonl"
            yield from _read(name, suite.judged, opponent, part, path)


def _read(name: str, judged: str, opponent: str, part: str, path: Path) -> list[Prompt]:
    item = f"{opponent}.{part}"
    shared = {"judged": judged, "opponent": opponent, "part": part}
    prompts: dict[str, Prompt] = {}
    for where, row in item_rows(name, item, path):
        if not isinstance(row, dict) or any(field not in row for field in FIELDS):
            raise StudyError(f"a row has {', '.join(FIELDS)}", where=where)
        prompt_id = f"{item}/{row['question_id']}"
        if prompt_id in prompts:
            raise StudyError(f"question_id {row['question_id']} is duplicated", where=where)
        turn, meta = _judge_turn(row, where), {"category": row["category"], **shared}
        prompts[prompt_id] = Prompt(prompt_id, name, item, {"target": "en"}, [turn], [], meta)
    return list(prompts.values())


def _judge_turn(row: dict[str, Any], where: str) -> str:
    try:
        answers = row["system1"]["response"], row["system2"]["response"]
        return review_prompt(row["question"], *answers)
    except (KeyError, TypeError) as error:
        what = "question and responses of both systems must be texts or lists of texts"
        raise StudyError(what, where=where) from error
