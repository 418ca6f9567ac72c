"""What a rehearsal left, read back: its jobs' records, receipts and reports, as tables."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from functools import cached_property
from typing import Any, NamedTuple

from bayling_study.commands.plan.jobs import job_names, record_of
from bayling_study.commands.plan.tables import decimal
from bayling_study.config import StudyConfig
from bayling_study.config.rehearsal import STAND_IN_NOTE
from bayling_study.core.files import read_json
from bayling_study.dag.rules import Dag
from bayling_study.dag.settings import OPERATIONAL, STAND_IN, WORKFLOW
from bayling_study.shared.sources.table import SourceRow
from bayling_study.shared.tracking.jobs import RecordedJob, read_job
from bayling_study.shared.tracking.record import flatten

ROWS = ("conversations", "prompts", "answers", "n")  # metrics that count what a job kept, by stage
TOKENS = ("tokens", "tokens.real")
PLACES = ("study", "tracking", "environments", "report.published", "comet.path", "comet.source",
          "comet.encoder", "comet.more", "rehearsal")  # fmt: skip
"""Keys of which the workflow itself makes paths, names and inputs of jobs."""


class Table(NamedTuple):
    """One topic of the page: rows of text under a heading, and what is said of them."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


class Left:
    """What the run of a configuration left; ``needs`` collects what somebody has to look at."""

    def __init__(self, config: StudyConfig) -> None:
        self.config, self.dag = config, Dag(config)
        self.layout = self.dag.layout
        self.needs: list[str] = []

    @cached_property
    def jobs(self) -> dict[tuple[str, str], RecordedJob]:
        """The study's jobs and the shared ones that it uses, by stage and name of their record."""
        own = sorted((self.layout.study / "runs").glob("*/*.json"))
        files = [*filter(lambda file: file.is_file(), self.layout.shared_records()), *own]
        return {(file.parent.name, file.stem): read_job(file) for file in files}

    @cached_property
    def report(self) -> dict[str, Mapping[str, Any]]:
        """Rows of the corpora by group (``SOURCE/…``): ``read``, ``kept``, ``rejected``."""
        path = self.layout.study / "corpora" / "report.json"
        found = read_json(path) if path.is_file() else {}
        parts = (part for part in found.values() if isinstance(part, Mapping))
        return {name: group for part in parts for name, group in part.get("groups", {}).items()}

    def finished(self, stage: str, name: str) -> bool:
        """Tells whether a job came to its end."""
        job = self.jobs.get((stage, name))
        return job is not None and job.record["state"] == "finished"

    def expected(self) -> Iterator[tuple[str, str]]:
        """Yields stage and name of each job's record, in the order of the stages."""
        for rule, names in job_names(self.dag).items():
            for name in names if rule != "track" else ():
                shared = rule in ("download", "foundation")
                yield (rule, self.layout.download(name).name) if shared else record_of(rule, name)

    def stages(self) -> Table:
        """Returns jobs, minutes, rows and tokens by stage; a job that did not end is a need."""
        rows, expected = [], list(self.expected())
        for stage, count in Counter(stage for stage, _ in expected).items():
            names = [name for other, name in expected if other == stage]
            done = [self.jobs[stage, name].record for name in names if self.finished(stage, name)]
            minutes = sum(record["end"] - record["start"] for record in done) / 60
            metrics = [record["metrics"] for record in done]
            read, kept = 0, sum(_first(one, ROWS) for one in metrics)
            if stage == "corpora":
                read = sum(group["read"] for group in self.report.values())
                kept = sum(group["kept"] for group in self.report.values())
            rows.append((stage, f"{len(done)}/{count}", f"{minutes:.1f}", _count(read),
                         _count(kept), _count(sum(map(_tokens, metrics)))))  # fmt: skip
            for name in names:
                if not self.finished(stage, name) and (job := self.jobs.get((stage, name))):
                    said = str(job.record["error"] or f"it is {job.record['state']}")
                    self.needs.append(f"{stage} {name}: {said.splitlines()[0]}")
        waited = Counter(stage for stage, name in expected if (stage, name) not in self.jobs)
        if waited:
            counts = ", ".join(f"{stage} {count}" for stage, count in waited.items())
            self.needs.append(f"jobs that did not run, for what they need failed: {counts}")
        header = ("stage", "jobs", "minutes", "rows read", "rows kept", "tokens")
        note = "Of jobs side by side the minutes add up. Rows: conversations, prompts or answers."
        return Table("Stages", header, rows, note)

    def sources(self) -> Table:
        """Returns what each source is now, and whether its rows could be read."""
        rows = [self._source(self.layout.row(source)) for source in self.layout.used_sources()]
        for group, found in self.report.items():
            if not found["kept"]:
                said = f"{found['read']} rows read, none kept{_reason([found], ': ')}"
                self.needs.append(f"corpora {group}: {said}")
        header = ("source", "state", "revision", "licence", "access", "files", "rows kept of files",
                  "bytes read", "readable", "rows read", "kept", "refused most")  # fmt: skip
        note = "Rows kept of files are those fetched; then those that the corpora read and kept."
        return Table("Sources", header, rows, note)

    def _source(self, row: SourceRow) -> tuple[str, ...]:
        folder, access = self.layout.download(row.id), "gated" if row.gated else "open"
        if not self.layout.manifest(row.id).is_file():
            return (row.id, "missing", row.revision, row.licence, access, *[""] * 7)
        receipt, state = read_json(self.layout.manifest(row.id)), "there"
        cut = receipt.get("cut", {})
        revision = str(receipt.get("revision", ""))
        if len(row.revision) == len(revision) == 40 and revision != row.revision:
            state = "moved"
            self.needs.append(f"source {row.id}: at {revision}, the table has {row.revision}")
        for note in map(read_json, sorted((folder / "files").rglob(STAND_IN_NOTE))):
            state = "weights are a stand-in"
            if note.get("why"):
                state = "not checked"
                said = f"not checked, tokenizer: {note['tokenizer']} ({note['why']})"
                self.needs.append(f"source {row.id}: {said}")
        parts = [one for one in cut.get("files", {}).values() if one["rows"] is not None]
        kept = sum(one["rows"] for one in parts)
        groups = [one for name, one in self.report.items() if name.split("/")[0] == row.id]
        counts = [_count(sum(one[key] for one in groups)) for key in ("read", "kept")]
        size = cut.get("bytes") or sum(file["bytes"] for file in receipt["files"])
        shown = f"{kept:,}" if parts else "whole"
        return (row.id, state, revision[:12] or row.revision[:12], row.licence, access,
                f"{len(receipt['files']):,}", shown, decimal(size),
                self._readable(row.id, groups), *counts, _reason(groups))  # fmt: skip

    def _readable(self, source: str, groups: list[Mapping[str, Any]]) -> str:
        """Tells whether the jobs that read a source ended; nobody reads licences and the like."""
        root = self.layout.download(source).resolve()
        after = [job for job in self.jobs.values() if job.record["stage"] != "download"]
        readers = [j for j in after if any(one.path.is_relative_to(root) for one in j.inputs())]
        if groups and not any(group["read"] for group in groups):
            return "no row"
        if not readers:
            return "not read"
        return "yes" if all(one.record["state"] == "finished" for one in readers) else "no"

    def unread_keys(self, study: StudyConfig) -> list[str]:
        """Returns the keys set in a study's files, dotted and in their order, that none of the
        settings files has that this run's jobs were given."""
        given = [flatten(job.given()) for job in self.jobs.values()]
        reached = {key for values in given for key, value in values.items() if value != STAND_IN}
        known = [*OPERATIONAL, *WORKFLOW, *PLACES]
        patterns = [form for key in known for form in (key, f"{key}.*")]
        keys = flatten(study.model_dump(mode="json", exclude_unset=True))
        unread = [key for key in keys if key not in reached]
        return [key for key in unread if not any(fnmatch(key, form) for form in patterns)]


def _first(metrics: Mapping[str, float], names: tuple[str, ...]) -> int:
    return int(next((metrics[name] for name in names if name in metrics), 0))


def _tokens(metrics: Mapping[str, float]) -> int:
    """Returns a job's tokens; those of answers are counted by suite."""
    each = sum(value for key, value in metrics.items() if key.endswith(".tokens"))
    return int(_first(metrics, TOKENS) or each)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value else ""


def _reason(groups: list[Mapping[str, Any]], lead: str = "") -> str:
    """Returns the commonest reason for which rows were refused, with its number."""
    reasons = Counter[str]()
    for group in groups:
        reasons.update(group["rejected"])
    return "".join(f"{lead}{what} ({count:,})" for what, count in reasons.most_common(1))
