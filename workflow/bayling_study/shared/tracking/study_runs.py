"""The study's own run, parent of all, and one run a system: what people open first in MLflow."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayling_study.core.files import read_jsonl, sha256_file
from bayling_study.core.records import Score, grouped, read_prompts, read_scores
from bayling_study.shared.metrics.segment_scores import read_segment_scores
from bayling_study.shared.score_files import score_files, score_folders
from bayling_study.shared.tracking import sending
from bayling_study.shared.tracking.jobs import RecordedJob
from bayling_study.shared.tracking.record import flatten
from bayling_study.shared.tracking.registry import model_of, registered_name
from bayling_study.shared.verdict import HEADLINE, read_verdict

if TYPE_CHECKING:
    from bayling_study.shared.tracking.mlflow_store import Store

PAGES = {"index.html": "report", "answers.html": "all answers", "verdicts.tsv": "verdicts"}
"""Files of the report's folder that the study's run holds, and what they are called there."""
SCORERS = ("scoring", "comet")
"""Stages whose metrics are the scores, which are read from their files."""

Columns = dict[str, list[Any]]
"""Name of a column to its values, as ``mlflow.log_table`` takes a table."""


@dataclass
class StudyRuns:
    """What a study's run and its systems' hold, from all jobs, none of which runs; ``span`` is from
    when to when, ms since 1970. Values go last: for a file or table, MLflow reads a run whole."""

    store: "Store"
    jobs: Sequence[RecordedJob]
    span: tuple[int, int]

    def send(self, state: str, counts: dict[str, float]) -> None:
        """Sends the systems' runs, then the parent: its state, its numbers of jobs by state."""
        systems = {name: self._send_system(name) for name in self.scores}
        for old in {run.info.run_id for run in self.store.runs("system")} - {*systems.values()}:
            self.store.client.delete_run(old)
        pages = [page for name in PAGES if (page := self.store.study / "report" / name).is_file()]
        verdict = [f"- {sentence}" for sentence in read_verdict(self.store.study)]
        rows = [row for scores in self.scores.values() for row in scores if row.metric in HEADLINE]
        values = counts | {f"{row.system}/{_key(row)}": row.value for row in rows}

        def fill(run: str) -> None:
            for page in pages:
                self.store.client.log_artifact(run, str(page))
            sending.send_parameters(self.store.client, run, flatten(self.settings))
            if rehearsal := self.settings.get("rehearsal"):
                self.store.client.set_tag(run, "bayling.rehearsal", rehearsal["of"])
            links = [self._link(PAGES[page.name], f"{run}/artifacts/{page.name}") for page in pages]
            links += [self._link(name, system) for name, system in systems.items()]
            sending.send_note(self.store.client, run, verdict, [*links, *_models(self.jobs)])
            sending.send_final(self.store.client, run, values, self.span[1])

        states = sorted((job.record["uid"], job.record["state"]) for job in self.jobs)
        content = [states, values, verdict, [*map(sha256_file, pages)], systems]
        self.store.parent = self.store.put(self.store.own_tags, content, fill, state, self.span)

    def _send_system(self, system: str) -> str:
        """Sends a system's scores, tables, and what its jobs' records hold; returns its run."""
        made = [job for job in self.jobs if job.record["name"] == system]
        others = [job for job in made if job.record["stage"] not in SCORERS]
        scores = self.scores[system]
        values = dict(_prefixed(others, "metrics")) | {_key(row): row.value for row in scores}
        runs = {run.data.tags["bayling.job"]: run.info.run_id for run in self.store.runs("job")}

        def fill(run: str) -> None:
            for file, table in evaluation_tables(self.store.study, system, scores):
                self.store.client.log_table(run, table, file)
            sending.send_parameters(self.store.client, run, dict(_prefixed(made, "parameters")))
            links = [self._link(job.title, runs[job.title]) for job in made if job.title in runs]
            sending.send_note(self.store.client, run, [], [*links, *_models(made)])
            sending.send_final(self.store.client, run, values, self.span[1])

        tags = {"bayling.kind": "system", "mlflow.runName": system}
        tags["mlflow.parentRunId"] = self.store.parent
        content = [[asdict(row) for row in scores], values, [runs.get(job.title) for job in made]]
        return self.store.put(tags, content, fill, "FINISHED", self.span)

    def _link(self, text: str, run: str) -> str:
        """Returns a link to a run, or to something below its page."""
        return f"[{text}](#/experiments/{self.store.experiment}/runs/{run})"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration as the report has it: systems, suites, seed; none without a report.
        What decides a job alone, such as ``tuning``, is among its system's parameters."""
        found = (job.given() for job in self.jobs if job.record["stage"] == "report")
        return next(filter(None, found), {})

    @cached_property
    def scores(self) -> dict[str, list[Score]]:
        """The scores of each system of the report; of all systems where there is none yet."""
        known = self.settings.get("systems")
        scores = (row for path in score_files(self.store.study) for row in read_scores(path))
        found = grouped(scores, lambda score: score.system)
        return {name: rows for name, rows in found.items() if known is None or name in known}


def _key(score: Score) -> str:
    return f"{score.suite}.{score.item}.{score.metric}"


def _prefixed(jobs: Sequence[RecordedJob], part: str) -> Iterator[tuple[str, Any]]:
    """Yields metrics or parameters of records, each with its stage in front."""
    for job in jobs:
        stage = job.record["stage"]
        for key, value in job.record[part].items():
            yield key if key.startswith(f"{stage}.") else f"{stage}.{key}", value


def _models(jobs: Sequence[RecordedJob]) -> list[str]:
    """Returns links to the registered models that jobs made."""
    names = [registered_name(job) for job in jobs if model_of(job)]
    return [f"[model {name}](#/models/{name})" for name in names]


def evaluation_tables(
    study: Path, system: str, scores: Sequence[Score]
) -> Iterator[tuple[str, Columns]]:
    """Yields the file and content of each table: ``scores.json``, and of each suite the answers. A
    row of ``answers/SUITE.json`` is a prompt: turns, references and answers, with blank lines
    between turns, and a column for every segment score. A malformed file is a ``StudyError``."""
    text = "\n\n".join
    yield "scores.json", _columns([asdict(score) for score in scores])
    for suite in dict.fromkeys(score.suite for score in scores):
        folders = [study / stage / system for stage in ("generation", "harness")]
        files = [path for folder in folders if (path := folder / f"{suite}.jsonl").is_file()]
        prompts = study / "prompts" / f"{suite}.jsonl"
        if files and prompts.is_file():
            answers = {row["id"]: row["turns"] for path in files for row in read_jsonl(path)}
            found = [f / f"{suite}.segments.jsonl" for f in score_folders(study, system)]
            segments = read_segment_scores(found)
            rows = []
            for prompt in (p for p in read_prompts(prompts) if p.id in answers):
                row = {"id": prompt.id, "item": prompt.item, "prompt": text(prompt.turns)}
                row |= {"reference": text(prompt.references), "answer": text(answers[prompt.id])}
                rows.append(row | {name: own.get(prompt.id) for name, own in segments.items()})
            yield f"answers/{suite}.json", _columns(rows)


def _columns(rows: Sequence[dict[str, Any]]) -> Columns:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
