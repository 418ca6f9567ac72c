"""Votes of the page, kept as a filled sheet of ``ranking`` and as scores that the report shows."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bayling_study.commands.ranking.results import scores, write_found
from bayling_study.commands.ranking.sheet import ABILITIES, Key, SheetRow, read_sheet, write_sheet
from bayling_study.commands.serve.request import Strict, Text
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, read_jsonl, write_jsonl
from bayling_study.core.records import Prompt, Score


class Vote(Strict):
    """A conversation of two or more turns, all systems' answers, and who is best: ``best`` is by
    ability a place in ``order``, or -1 where all are alike."""

    turns: Annotated[list[Text], Field(min_length=2)]
    order: list[str]
    answers: list[list[str]]
    best: dict[str, int]

    def row(self, number: int) -> SheetRow:
        """Returns the vote as a row of a sheet: the best have rank 1, the others 2."""
        places = range(len(self.order))
        best = [self.best[ability] for ability in ABILITIES]
        ranks = [1 if one in (-1, place) else 2 for one in best for place in places]
        prompt = Prompt(f"play/{number}", "play", "play", {}, self.turns, [])
        return SheetRow(prompt, self.order, self.answers, ranks)


class Votes:
    """The votes on ``models`` (a system's name to the hash of its checkpoint) in the folder
    ``ranking`` of a study's results; ``seed`` is of the resampling."""

    def __init__(self, study: Path, models: Mapping[str, str], seed: int) -> None:
        self.study, self.models, self.seed = study, models, seed
        self.suite = "-".join(["play", *sorted(models)])  # whatever the order of systems
        self.folder = study / "ranking" / self.suite
        self._turn = threading.Lock()

    def check(self) -> None:
        """Checks (``StudyError``) that no model was made anew since the votes that are there."""
        path = self.folder / "key.json"
        if path.exists() and read_json(path).get("models") != dict(self.models):
            what = "the votes there are of other models of these names"
            raise StudyError(what, where=self.folder, fix=f"mv {self.folder} {self.folder}-before")

    def add(self, vote: Vote) -> list[Score]:
        """Adds a vote (``StudyError`` if it does not fit the models); returns all votes' scores."""
        complete = [len(answers) == len(vote.turns) for answers in vote.answers]
        if sorted(vote.order) != sorted(self.models) or complete != [True] * len(self.models):
            raise StudyError("each system's answer to each turn is needed", where="order, answers")
        places = {-1, *range(len(self.models))}
        if set(vote.best) != set(ABILITIES) or not places.issuperset(vote.best.values()):
            raise StudyError(f"needs a place for each of {', '.join(ABILITIES)}", where="best")
        with self._turn:
            path = self.folder / "votes.jsonl"
            votes = [*(read_jsonl(path) if path.exists() else []), vote.model_dump()]
            write_jsonl(path, votes)
            rows = [Vote(**row).row(number) for number, row in enumerate(votes, start=1)]
            about = {"suite": self.suite, "seed": self.seed, "systems": sorted(self.models)}
            write_sheet(self.folder, rows, about | {"models": dict(self.models)})
            key = Key.read(self.folder / "key.json")
            found = scores([read_sheet(self.folder / "sheet.csv", key)], key, self.seed)
            write_found(self.study, key, found)
        return found
