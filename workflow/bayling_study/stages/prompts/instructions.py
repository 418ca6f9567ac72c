"""Suite kind ``instructions``: conversations whose every turn adds an instruction to check. Either
Multi-IF's (arXiv 2410.15553), or this project's own with the same kinds of instruction and the same
conversations in its eight languages: a text about a country (CLDR's name), written again for each
further instruction. The own instructions can all be met together, in any language."""

import json
import random
from pathlib import Path
from typing import Any

from pyarrow import csv

from bayling_study.config.suites import InstructionsSuite
from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt, grouped
from bayling_study.core.seeds import generator
from bayling_study.core.tables import beside, read_table
from bayling_study.shared.capitals import names
from bayling_study.shared.metrics.instruction_checks import CHECKS
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.released import chosen

TABLE = Path(__file__).with_suffix(".tsv")
ROWS = [row for _, row in read_table(TABLE, ("language", "part", "text", "word"))]
NUMBERS = (2, 3)  # how many bullets, sections or passages an own instruction asks for
ARGUMENTS: dict[str, tuple[str | None, str | None]] = beside(__file__)
"""Names of an instruction's number and word among its arguments."""

Turn = tuple[str, list[dict[str, Any]]]
"""What the user says, and the instructions that hold from then on: ``id``, ``arguments``."""


def build(name: str, suite: InstructionsSuite, context: PromptContext) -> Prompts:
    """Returns conversations by language; ``meta["instructions"]`` has each turn's list
    (``StudyError`` if the source has no conversation in a language, or a row of it is malformed or
    asks for an instruction that is not in ``CHECKS``)."""
    root = context.files_of(suite.source) if suite.source else None
    released = _released(root / suite.file) if root else None
    for language in suite.languages:
        if released is None:
            found = _own(language, suite.conversations or 0, context.seed)
        else:
            found = released.get(languages.name(language), [])
        if not found:
            what = f"the source has no conversation in {language!r}"
            raise StudyError(what, where=f"suites.{name}.languages", fix=f"without {language}")
        for number in chosen(len(found), suite.limit, context.seed, name, language):
            turns = found[number][: suite.turns]
            meta = {"instructions": [instructions for _, instructions in turns]}
            texts, target = [text for text, _ in turns], {"target": str(language)}
            yield Prompt(f"{language}/{number:04d}", name, language, target, texts, [], meta)


def _own(language: str, number: int, seed: int) -> list[list[Turn]]:
    """Makes conversations: the same ones in every language, whichever the suite asks."""
    parts = grouped((row for row in ROWS if row["language"] == language), lambda row: row["part"])
    tasks, (more,) = parts.pop("task"), parts.pop("more")
    known = set.intersection(*(set(names(row["language"])) for row in ROWS))
    made: list[list[Turn]] = []
    for count in range(number):
        rng = generator(seed, "suites", "instructions", str(count))
        country = names(language)[rng.choice(sorted(known))][0]
        text = rng.choice(tasks)["text"].format(country=country)
        turns: list[Turn] = []
        for kind in rng.sample(sorted(parts), 3):
            demand, instruction = _instruction(kind, parts[kind][0], rng)
            said = more["text"].format(demand=demand) if turns else f"{text} {demand}"
            turns.append((said, [*(turns[-1][1] if turns else []), instruction]))
        made.append(turns)
    return made


def _instruction(kind: str, row: dict[str, str], rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Returns an own instruction in words, and as what is checked."""
    number = rng.choice(NUMBERS)
    of_number, of_word = ARGUMENTS.get(kind, (None, None))
    given = {of_number: number, of_word: row["word"]}
    arguments = {name: value for name, value in given.items() if name}
    text = row["text"].format(number=number, word=row["word"])
    return text, {"id": kind, "arguments": arguments}


def _released(path: Path) -> dict[str, list[list[Turn]]]:
    """Reads Multi-IF's table: the conversations by the English name of their language. A cell holds
    JSON, lists of it JSON again in each string; a turn "None" ends a conversation."""
    if not path.is_file():
        raise StudyError("the file does not exist", where=path, fix="suites.NAME.file")
    table = csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True))
    found: dict[str, list[list[Turn]]] = {}
    for number, row in enumerate(table.to_pylist(), 1):
        try:
            turns = _turns(row)
        except (KeyError, TypeError, ValueError) as error:
            raise StudyError(f"no row of Multi-IF: {error!r}", where=f"{path}: {number}") from error
        found.setdefault(row["language"], []).append(turns)
    return found


def _turns(row: dict[str, Any]) -> list[Turn]:
    turns: list[Turn] = []
    for turn in ("turn_1", "turn_2", "turn_3"):
        if row[f"{turn}_prompt"] == "None":
            break
        ids = json.loads(row[f"{turn}_instruction_id_list"])
        if unknown := set(ids) - {*CHECKS}:
            raise ValueError(f"unknown instruction {min(unknown)}")
        given = map(json.loads, json.loads(row[f"{turn}_kwargs"]))
        known = [{name: own[name] for name in own if own[name] is not None} for own in given]
        pairs = zip(ids, known, strict=True)
        instructions = [{"id": kind, "arguments": arguments} for kind, arguments in pairs]
        turns.append((json.loads(row[f"{turn}_prompt"])["content"], instructions))
    return turns
