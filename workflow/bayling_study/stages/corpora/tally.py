"""Counts what happened to rows, with a few samples of each reason to look at."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ODD
from bayling_study.stages.corpora.readers.odd import OddRow, T

SAMPLES = 20  # rejected rows kept for each reason; ``report.rejected_samples`` of them are shown

EMPTY = "empty line"
MAX_ODD = 0.1
"""Share of rows that may not fit their format: a stray tab or a missing field spoils single
rows; where more fail, the format or the columns are not what the config
says. One odd row alone, beside others that fit, stops nothing."""
EARLY = 1000  # rows from which on too many odd ones end the reading; else it ends with the reader


class CorpusTally:
    """Rows read and rejected, by group and reason. The samples of a reason are spread over the
    data: the first ``SAMPLES`` rows whose number within the reason is a power of two or the
    first."""

    def __init__(self) -> None:
        self._read: Counter[str] = Counter()
        self._rejected: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._noted: Counter[str] = Counter()
        self._samples: defaultdict[str, list[Any]] = defaultdict(list)

    def read(self, group: str) -> None:
        """Counts a row that was read."""
        self._read[group] += 1

    def reject(self, group: str, reason: str, sample: Any) -> None:
        """Counts a row that was read and rejected."""
        self._rejected[group][reason] += 1
        self._noted[reason] += 1
        count = self._noted[reason]
        if len(self._samples[reason]) < SAMPLES and count & (count - 1) == 0:
            self._samples[reason].append(sample)

    def fitting(self, rows: Iterable[T | OddRow], group: str) -> Iterator[T]:
        """Yields the rows that fit; the caller counts them as read, this counts the others.
        ``{language}`` in the group's name is filled in. More rows of a group that do not fit their
        format than ``MAX_ODD`` end it (``StudyError``)."""
        first: dict[str, OddRow] = {}
        for row in rows:
            if not isinstance(row, OddRow):
                yield row
                continue
            name = group.replace("{language}", row.language)
            self.read(name)
            self.reject(name, ODD if row.text else EMPTY, row._asdict())
            if row.text:
                self._judge(name, first.setdefault(name, row), EARLY)
        for name, row in first.items():
            self._judge(name, row, 1)

    def _judge(self, group: str, first: OddRow, least: int) -> None:
        odd, rows = self._rejected[group][ODD], self._read[group] - self._rejected[group][EMPTY]
        if odd > max(1, MAX_ODD * max(rows, least)) or odd == rows >= least:
            what = first.problem if odd == 1 else f"{first.problem} (as in {odd} of {rows} rows)"
            raise StudyError(what, where=first.where, fix=first.fix)

    def report(self) -> dict[str, Any]:
        """Returns counts by group and reason, and the samples, ready for JSON."""
        groups = {}
        for group, count in sorted(self._read.items()):
            rejected = self._rejected[group]
            reasons = dict(sorted(rejected.items()))
            groups[group] = {"read": count, "kept": count - rejected.total(), "rejected": reasons}
        return {"groups": groups, "samples": dict(sorted(self._samples.items()))}
