"""Suites of multiple-choice questions, scored by likelihood through lm-evaluation-harness."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from bayling_study.config.base import Name, Section, leaves_source
from bayling_study.core.tables import beside

TaskPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*][A-Za-z0-9_.*-]{0,95}$")]
"""A task's name as lm-evaluation-harness writes it (``belebele_zho_Hans``), or several
(``belebele_*``)."""


class HarnessSuite(Section):
    """Tasks of lm-evaluation-harness, on data that the study itself has fetched."""

    kind: Literal["harness"]
    source: Name
    """Source with the data set's files."""
    folder: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]*$")
    """Folder of the tasks' definitions among the harness's own (``okapi/arc_multilingual``)."""
    tasks: list[TaskPattern] = Field(min_length=1)
    """Tasks by the harness's names; each is an item of the suite's tables. ``belebele_*`` means
    all of the folder whose names match."""
    files: str = "{config}/{split}/*.parquet"
    """Where the source holds the rows of one split: ``{config}`` is the task's own data-set
    configuration (``default`` where it has none), ``{split}`` train, validation or test as the
    task calls it. Parquet, JSON lines, JSON and CSV are read. The default is the layout of the
    hub's automatic conversion, the branch ``refs/convert/parquet``."""
    num_fewshot: int = Field(default=0, ge=0)
    """Solved examples before each question; whether the papers gave any is not known."""
    limit: int | None = Field(default=None, gt=0)
    """Questions per task, drawn with the study's seed; none means all."""
    chat_template: bool = False
    """Whether a question is put as a user's turn in the system's conversation template, instead
    of as plain text, the harness's default; which one the papers used is not known."""
    groups: dict[Name, list[TaskPattern]] = {}
    """Further averages by name; the average over all tasks is always reported."""


class QuestionsSuite(Section):
    """Multiple-choice questions that packages ship: what the hub's sets are to a full study."""

    kind: Literal["questions"]
    collection: Literal["school-exams", "mmlu-development", "capitals"]
    """``school-exams``: EXAMS in 16 languages (package ``evals``); ``mmlu-development``: MMLU's
    five development items per subject in 7 languages (package ``lm-eval``); ``capitals``: which
    city is a country's capital, in the languages of CLDR (package ``Babel``, no source)."""
    source: Name | None = None
    """Source of the collection's files; ``capitals`` needs none."""
    languages: list[Name] = Field(min_length=1)
    """Languages asked in, by code; each is an item of the suite's tables."""
    entities: Literal["all", "held-out", "trained"] = "all"
    """Countries of ``capitals``: all, those that the recipe ``facts`` never trains on, or those
    that it does: what was learnt by heart, beside what transfers."""
    limit: int | None = Field(default=None, gt=0)
    """Questions per language, drawn with the study's seed; none means all."""
    chat_template: bool = False
    """As for the suite kind ``harness``."""


class NliSuite(Section):
    """Natural language inference: what a sentence says of another one, a category an item.

    The default is the Chinese adversarial set (Hu et al. 2021, arXiv 2106.03983). Some of its
    categories have one label only (all antonyms contradict), so that a constant answer has 100 %
    there: ``macro-f1`` over the pooled item ``all`` is what it cannot win.
    """

    kind: Literal["nli"]
    source: Name = "chinese-nli"
    """Source of the files."""
    categories: dict[Name, str] = Field(default=beside(__file__), min_length=1)
    """Category to its file inside the source: JSON lines with ``sentence1`` (the premise),
    ``sentence2`` (the hypothesis) and ``label``; rows whose label is none of
    ``labels`` are left out, and counted beside the score."""
    labels: dict[str, str] = Field(
        default={"entailment": "是", "neutral": "不一定", "contradiction": "不是"}, min_length=2
    )
    """Label in the files to the answer whose likelihood is compared: a choice, not upstream's."""
    question: str = "{premise}\n问：由此可知“{hypothesis}”，对吗？\n答："
    """What is asked, a choice; ``{premise}`` and ``{hypothesis}`` stand in it once each."""
    language: Name = "zh"
    """Language of the sentences."""
    limit: int | None = Field(default=None, gt=0)
    """Questions per category, drawn with the study's seed; none means all."""
    chat_template: bool = False
    """As for the suite kind ``harness``."""

    @model_validator(mode="after")
    def _asks_for_both(self) -> "NliSuite":
        for mark in ("{premise}", "{hypothesis}"):
            if self.question.count(mark) != 1:
                raise ValueError(f"question: {mark} must occur exactly once")
        answers = {answer.strip() for answer in self.labels.values()}
        if len(answers) < len(self.labels) or "" in answers:
            raise ValueError("labels: each label needs an answer of its own, and not an empty one")
        if taken := {"all", "average"} & {*self.categories}:
            raise ValueError(f"categories: {min(taken)} is the name of an average; another name")
        for file in self.categories.values():
            if not file or leaves_source(file):
                raise ValueError(f"categories: {file!r} is no file inside the source")
        return self


MULTIPLE_CHOICE_KINDS = ("harness", "questions", "nli")
"""Kinds of suite that the stage ``harness`` answers, by likelihood and not by generation."""
