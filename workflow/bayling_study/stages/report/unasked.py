"""Pivots of a study in which a suite of one task per language asks nothing.

Okapi's HellaSwag has no Chinese in the harness, for one: its average says nothing of a pivot.
"""

from collections.abc import Iterable, Iterator

from bayling_study.config.multiple_choice import HarnessSuite, QuestionsSuite
from bayling_study.core.languages.flores import flores_languages, spellings
from bayling_study.stages.report.collect import Study


def unasked(study: Study) -> Iterator[tuple[str, str]]:
    """Warns of the suites that lack a pivot, pivot by pivot."""
    suites = study.config.suites
    asked = {name: set(s.languages) for name, s in suites.items() if isinstance(s, QuestionsSuite)}
    for name in (name for name, suite in suites.items() if isinstance(suite, HarnessSuite)):
        asked[name] = languages(score.item for score in study.by_suite.get(name, []))
    for code in dict.fromkeys(c for suite in suites.values() for c in getattr(suite, "pivots", ())):
        if lacking := [name for name in suites if asked.get(name) and code not in asked[name]]:
            what = f"no task in {code}: {', '.join(lacking)}"
            yield what, "their averages say nothing of this pivot"


def languages(tasks: Iterable[str]) -> set[str]:
    """Returns the languages of tasks such as ``xnli_zh`` and ``belebele_zho_Hans``, by this
    project's codes; none where half of the tasks or more are named after something else."""
    codes = {
        name: one.code
        for one in flores_languages()
        for name in (one.code, one.flores101, *spellings(one.flores200))
    }
    names = [task.split("_")[1:] for task in {*tasks} if "_" in task]
    ends = [["_".join(name[start:]) for start in range(len(name))] for name in names]
    found = [codes[end] for several in ends for end in several if end in codes]
    return set(found) if 2 * len(found) > len(names) else set()
