"""The ``published`` backend: released outputs become hypotheses; nothing is run. No system has
outputs for everything. What is there is converted, by whole items; what is not is listed with its
reason."""

from collections.abc import Mapping
from pathlib import Path

from bayling_study.config.suites import Suite
from bayling_study.config.systems import PublishedSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Hypothesis, Prompt, by_item
from bayling_study.stages.generation.outputs import Absent, PromptSet, SuiteAnswers
from bayling_study.stages.generation.released import READERS, Released, configured_items, find, read


def convert(system: PublishedSystem, root: Path, suite: Suite, prompts: PromptSet) -> SuiteAnswers:
    """Returns a published system's answers to one suite; ``root`` has the release's files
    (``StudyError`` names the line of a file that does not match its prompts line by line)."""
    folders = {str(k): at.replace("{suite}", prompts.suite) for k, at in system.folders.items()}
    hypotheses: list[Hypothesis] = []
    absent: list[Absent] = []
    asked = by_item(prompts.prompts)
    for item in dict.fromkeys([*configured_items(suite), *asked]):
        found = _outputs(folders, root, suite, item)
        if isinstance(found, str):
            absent.append(Absent(prompts.suite, item, found))
        elif item not in asked:
            absent.append(Absent(prompts.suite, item, "the source of the test set lacks it"))
        else:
            hypotheses += align(asked[item], read(suite.kind, found), found)
    details = {"decoding": None, "clean_up": "none (as released)"}
    return SuiteAnswers(prompts, hypotheses, details, absent)


def _outputs(folders: Mapping[str, str], root: Path, suite: Suite, item: str) -> Path | str:
    """Returns the file of one item, or the reason why there is none."""
    if suite.kind not in READERS:
        return f"no outputs were released for suites of kind {suite.kind}"
    if (folder := folders.get(suite.kind)) is None:
        return "not released for this system"
    if not (root / folder).is_dir():
        return f"no folder {folder}"
    return find(root / folder, suite, item) or f"no file of this item in {folder}"


def align(prompts: list[Prompt], rows: list[Released], path: Path) -> list[Hypothesis]:
    """Pairs an item's prompts with its released answers, by number or else by line (``StudyError``
    if a line is missing, extra or repeated, or belongs to another prompt)."""
    size = prompts[0].meta.get("of", len(prompts))  # of a suite with a limit, of all its item
    if rows[0].key is not None:
        rows = _by_key(prompts, rows, path)
    elif len(rows) != size:
        what = f"{len(rows)} lines, but the test set has {size}"
        fix = "a hypothesis file has one line per segment, in the order of the test set"
        raise StudyError(what, where=f"{path}:{min(len(rows), size) + 1}", fix=fix)
    elif size > len(prompts):
        rows = [rows[int(prompt.id.rpartition("/")[2]) - 1] for prompt in prompts]
    return [_hypothesis(prompt, row) for prompt, row in zip(prompts, rows, strict=True)]


def _by_key(prompts: list[Prompt], rows: list[Released], path: Path) -> list[Released]:
    """Returns the rows in prompt order."""
    found: dict[str, Released] = {}
    asked = [prompt.id.rpartition("/")[2] for prompt in prompts]
    known = {*asked, *map(str, range(1, prompts[0].meta.get("of", 0) + 1))}
    for row in rows:
        if row.key is None or row.key not in known:
            raise StudyError(f"the test set has no item {row.key}", where=row.where)
        if row.key in found:
            raise StudyError(f"item {row.key} is duplicated", where=row.where)
        found[row.key] = row
    if missing := [number for number in asked if number not in found]:
        raise StudyError(f"no row for item {missing[0]}", where=path)
    return [found[number] for number in asked]


def _hypothesis(prompt: Prompt, row: Released) -> Hypothesis:
    expected = prompt.meta.get("source_text")
    if row.source is not None and row.source.strip() != str(expected).strip():
        what = f"the row translates {row.source!r}, but the test set has {expected!r}"
        raise StudyError(what, where=row.where)
    return Hypothesis(prompt.id, [row.text], [row.tokens], [row.finish])
