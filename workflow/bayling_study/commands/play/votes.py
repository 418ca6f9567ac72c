"""Votes of the page, kept as a filled sheet of ``ranking`` and as scores that the report shows."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bayling_study.commands.ranking.filled import Key, read_cells, read_sheet
from bayling_study.commands.ranking.results import scores, write_found
from bayling_study.commands.ranking.sheet import (
    ABILITIES,
    SheetRow,
    cells,
    header,
    order,
    write_cells,
)
from bayling_study.commands.serve.request import Strict, Text
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import Prompt, Score


class Vote(Strict):
    """A conversation of two or more turns with the answers of all systems, and who is best.

    ``best`` is by ability the place of the best system in ``order``; -1 is that all are alike.
    """

    turns: Annotated[list[Text], Field(min_length=2)]
    order: list[str]
    answers: list[list[str]]
    best: dict[str, int]


@dataclass
class Votes:
    """The votes on some models of a study.

    Attributes:
        study: the study's results.
        models: the systems' names with the hashes of their checkpoints.
        seed: of the resampling.
    """

    study: Path
    models: Mapping[str, str]
    seed: int
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def suite(self) -> str:
        """The name that the scores have in the report, the same in whatever order of systems."""
        return "-".join(["play", *sorted(self.models)])

    @property
    def folder(self) -> Path:
        """Where sheet and key are."""
        return self.study / "ranking" / self.suite

    def check(self) -> None:
        """Checks that votes which are there already are of the same models.

        Raises:
            StudyError: a model was made anew since.
        """
        path = self.folder / "key.json"
        if path.exists() and read_json(path).get("models") != dict(self.models):
            what = "the votes there are of other models of these names"
            raise StudyError(what, where=self.folder, fix=f"mv {self.folder} {self.folder}-before")

    def add(self, vote: Vote) -> list[Score]:
        """Adds a vote; returns the scores of all votes.

        Raises:
            StudyError: the vote does not fit the models, or the sheet has a mistake.
        """
        places = range(-1, len(self.models))
        complete = [len(turns) == len(vote.turns) for turns in vote.answers]
        if sorted(vote.order) != sorted(self.models) or complete != [True] * len(self.models):
            raise StudyError("each system's answer to each turn is needed", where="order, answers")
        if set(vote.best) != set(ABILITIES) or not {*vote.best.values()} <= set(places):
            raise StudyError(f"needs a place of {', '.join(ABILITIES)}", where="best")
        with self._turn:
            self._write(vote)
            key = Key.read(self.folder / "key.json")
            found = scores([read_sheet(self.folder / "sheet.csv", key)], key, self.seed)
            write_found(self.study, key, found)
        return found

    def _write(self, vote: Vote) -> None:
        """Adds a row to key and sheet; a key without its row in the sheet is overwritten later."""
        sheet, key = self.folder / "sheet.csv", self.folder / "key.json"
        size = len(self.models)
        rows = read_cells(sheet) if sheet.exists() else [header(size)]
        about: dict[str, Any] = {"suite": self.suite, "seed": self.seed, "systems": [*self.models]}
        empty = {"schema": 1, **about, "models": dict(self.models), "rows": {}}
        kept = read_json(key) if key.exists() else empty
        number = len(rows)
        prompt = Prompt(f"play/{number}", self.suite, "play", {}, vote.turns, [])
        row = SheetRow(prompt, vote.order, vote.answers)
        ranks = {
            ability: [1 if best in (-1, place) else 2 for place in range(size)]
            for ability, best in vote.best.items()
        }
        kept["rows"][str(number)] = order(row)
        write_json(key, kept)
        write_cells(self.folder, [*rows, cells(number, row, ranks)])
