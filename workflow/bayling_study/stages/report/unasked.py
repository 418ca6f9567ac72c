"""Pivots of a study in which a suite of one task per language asks nothing.

Okapi's HellaSwag has no Chinese in the harness, for one: its average says nothing of a pivot.
"""

from collections.abc import Iterable, Iterator

from bayling_study.config.multiple_choice import HarnessSuite, QuestionsSuite
from bayling_study.core.languages.flores import flores_languages, spellings
from bayling_study.stages.report.collect import Study

MOST = 0.5
"""Share of a suite's tasks that are named after languages, from which it has one for each."""


def unasked(study: Study) -> Iterator[tuple[str, str]]:
    """Warns of the suites that lack a pivot, pivot by pivot."""
    suites, lacking = study.config.suites, dict[str, list[str]]()
    pivots = dict.fromkeys(code for suite in suites.values() for code in _pivots(suite))
    for name, suite in suites.items():
        asked = set(suite.languages) if isinstance(suite, QuestionsSuite) else set()
        if isinstance(suite, HarnessSuite):
            asked = languages(score.item for score in study.by_suite.get(name, []))
        for code in pivots if asked else ():
            if code not in asked:
                lacking.setdefault(code, []).append(name)
    for code, names in lacking.items():
        yield f"no task in {code}: {', '.join(names)}", "their averages say nothing of this pivot"


def _pivots(suite: object) -> list[str]:
    return list(getattr(suite, "pivots", []))


def languages(tasks: Iterable[str]) -> set[str]:
    """Returns the languages of tasks such as ``xnli_zh`` and ``belebele_zho_Hans``, by this
    project's codes; none where most of the tasks are named after something else."""
    codes = {
        name: one.code
        for one in flores_languages()
        for name in (one.code, one.flores101, *spellings(one.flores200))
    }
    endings = [_endings(task) for task in {*tasks} if "_" in task]
    found = [next((codes[end] for end in ends if end in codes), None) for ends in endings]
    known = [code for code in found if code]
    return set(known) if len(known) > MOST * len(found) else set()


def _endings(task: str) -> list[str]:
    parts = task.split("_")
    return ["_".join(parts[start:]) for start in range(1, len(parts))]
