r"""Readers of released output files, one for each kind of suite.

Layout below each system's folder, of all but one's own that of ictnlp/BayLing 8f6ecb9:

- translation: ``A-B.hypo`` or ``A-B.zh_prompt.hypo``, in fe1ixxu/ALMA ``AB/test.A-B.B``, of one's
  own ``A-B.txt``: one segment per line;
- constrained: ``hypo.A-B.B.jsonl`` or ``hypo.A-B.B.zh_prompt.jsonl``, input rows with ``hypo``;
- exams: ``predict.MODEL.TASK.zero-shot.jsonl``, ``{text, usage, finish_reason}`` or OpenAI's form;
- reviews: ``JUDGED.vs.OPPONENT.PART.jsonl``, rows with ``question_id`` and ``review``.

Rows carry no prompt id (reviews apart): the line number is the link, so a file with a line too few
or too many is refused.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.config import suites
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_jsonl
from bayling_study.shared.sources.fetched import own_segments, read_segments


class Released(NamedTuple):
    """One released answer, found at the file and line ``where``; 0 ``tokens`` are unknown. Where
    the row has them, ``key`` is the prompt's number in its item and ``source`` its text."""

    where: str
    text: str
    tokens: int = 0
    finish: str = "unknown"
    key: str | None = None
    source: str | None = None


class Reader(NamedTuple):
    """How the files of one kind of suite are found, by patterns parted by ``|``, and read. A
    ``pattern`` names an item, its target language, a mark of Chinese prompts, who was judged."""

    pattern: str
    rows: Callable[[Path], Iterator[Released]]


def configured_items(suite: suites.Suite) -> list[str]:
    """Returns the items that a suite of released data asks for; nothing for other kinds."""
    if isinstance(suite, suites.DIRECTED | suites.FileSuite):
        return suite.directions
    if isinstance(suite, suites.ExamsSuite):
        return suite.tasks
    if isinstance(suite, suites.ReviewsSuite):
        return [f"{opponent}.{part}" for opponent in suite.opponents for part in suite.parts]
    return []


def find(folder: Path, suite: suites.Suite, item: str) -> Path | None:
    """Returns the file with an item's answers, or none (``StudyError`` if several fit)."""
    mark = ".zh_prompt" if getattr(suite, "prompt_language", "") == "zh" else ""
    target, judged = item.rpartition("-")[2], getattr(suite, "judged", "")
    values = {"item": item, "pair": item.replace("-", ""), "target": target, "judged": judged}
    pattern = READERS[suite.kind].pattern.format(**values, mark=mark)
    found = sorted(path for part in pattern.split("|") for path in folder.glob(part))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise StudyError(f"more than one file fits {pattern}: {names}", where=folder)
    return found[0] if found else None


def read(kind: str, path: Path) -> list[Released]:
    """Reads a released file (``StudyError`` if it is empty, or names the malformed line)."""
    rows = list(READERS[kind].rows(path))
    if not rows:
        raise StudyError("the file is empty", where=path)
    return rows


def _lines(segments: Callable[[Path], list[str]], path: Path) -> Iterator[Released]:
    for number, text in enumerate(segments(path), start=1):
        yield Released(f"{path}:{number}", text)


RELEASED, OWN = partial(_lines, read_segments), partial(_lines, own_segments)


def _constrained(path: Path) -> Iterator[Released]:
    for where, row in _rows(path):
        yield Released(where, _text(row.get("hypo"), where, "hypo"), source=row.get("src"))


def _exams(path: Path) -> Iterator[Released]:
    for where, row in _rows(path):
        answer = row
        text = row.get("text")
        if "choices" in row:
            answer = row["choices"][0] if row["choices"] else {}
            text = answer.get("message", {}).get("content")
        said = _text(text, where, "text or choices[0].message.content")
        tokens = int((row.get("usage") or {}).get("completion_tokens") or 0)
        end = answer.get("finish_reason")
        yield Released(where, said, tokens, end if end in ("stop", "length") else "unknown")


def _reviews(path: Path) -> Iterator[Released]:
    for where, row in _rows(path):
        review = row.get("review")
        if isinstance(review, list) and len(review) == 1:
            review = review[0]
        text = _text(review, where, "review (one text)")
        if "question_id" not in row:
            raise StudyError("the row has no question_id", where=where)
        yield Released(where, text, key=str(row["question_id"]))


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, row in enumerate(read_jsonl(path), start=1):
        if not isinstance(row, dict):
            raise StudyError("the row is not a JSON object", where=f"{path}:{number}")
        yield f"{path}:{number}", row


def _text(value: object, where: str, name: str) -> str:
    if not isinstance(value, str):
        raise StudyError(f"the row has no text in {name}", where=where)
    return value


READERS = {
    "wmt22": Reader("{item}{mark}.hypo|{pair}/test.{item}{mark}.{target}", RELEASED),
    **dict.fromkeys(("file", "flores", "translation"), Reader("{item}.txt", OWN)),
    "constrained": Reader("hypo.{item}.{target}{mark}.jsonl", _constrained),
    "exams": Reader("predict.*.{item}.zero-shot.jsonl", _exams),
    "reviews": Reader("{judged}.vs.{item}.jsonl", _reviews),
}
"""Kind of suite to its reader."""
