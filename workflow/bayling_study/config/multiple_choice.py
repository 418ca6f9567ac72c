"""Suites of multiple-choice questions, scored by likelihood through lm-evaluation-harness."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bayling_study.config.base import Name, Section

TaskPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*][A-Za-z0-9_.*-]{0,95}$")]
"""A task's name as lm-evaluation-harness writes it (``belebele_zho_Hans``), or several
(``belebele_*``)."""

Collection = Literal["school-exams", "mmlu-development", "capitals"]
"""Questions that packages ship; see ``QuestionsSuite.collection``."""


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
    collection: Collection
    """``school-exams``: EXAMS in 16 languages (package ``evals``); ``mmlu-development``: MMLU's
    five development items per subject in 7 languages (package ``lm-eval``); ``capitals``: which
    city is a country's capital, in the languages of CLDR (package ``Babel``, no source)."""
    source: Name | None = None
    """Source of the collection's files; ``capitals`` needs none."""
    languages: list[Name] = Field(min_length=1)
    """Languages asked in, by code; each is an item of the suite's tables."""
    limit: int | None = Field(default=None, gt=0)
    """Questions per language, drawn with the study's seed; none means all."""
    chat_template: bool = False
    """As for the suite kind ``harness``."""


MULTIPLE_CHOICE_KINDS = ("harness", "questions")
"""Kinds of suite that the stage ``harness`` answers, by likelihood and not by generation."""
