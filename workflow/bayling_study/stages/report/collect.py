"""Everything the report shows, read from files: scores, records, audits, manifests. The report
imports no stage: what it cannot read from a file it does not show."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

from bayling_study.config.model import StudyConfig
from bayling_study.core.cli import MACHINE_FAULTS
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, read_jsonl
from bayling_study.core.records import Prompt, Score, grouped, read_prompts, read_scores
from bayling_study.shared.metrics.segment_scores import read_segment_scores
from bayling_study.shared.score_files import score_files, score_folders
from bayling_study.stages.report.published_table import ScoreKey
from bayling_study.stages.report.significance import Significance

log = logging.getLogger(__name__)

UNFINISHED = ("report", "tracking")
"""Stages that still run, or have yet to run, when the report is made."""


def _by_name(pattern: str) -> "cached_property[dict[str, dict[str, Any]]]":
    """Returns a property with the contents of a study's JSON files by the pattern's first name."""

    def read(study: "Study") -> dict[str, dict[str, Any]]:
        paths = sorted(study.folder.glob(pattern))
        names = [path.relative_to(study.folder).parts[1].removesuffix(".json") for path in paths]
        return dict(zip(names, map(read_json, paths), strict=True))

    return cached_property(read)


@dataclass
class Study:
    """A finished study, read lazily from its results folder. ``shared`` are the run records of jobs
    whose outputs all studies share, ``missing`` the blocks of the page that failed, and why."""

    folder: Path
    config: StudyConfig
    shared: list[Path] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    _outputs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _files: dict[ScoreKey, Path] = field(default_factory=dict)

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """Makes one block of the page: if that fails, the page lacks this block alone, for hours of
        work must not end without a report for one figure of it. What is missing is in ``missing``,
        the traceback in the job's log. An ``OSError`` or ``MemoryError`` of which the machine is at
        fault is raised: other blocks would fail like this."""
        try:
            yield
        except Exception as error:
            machine = isinstance(error, OSError) and error.errno in MACHINE_FAULTS
            if machine or isinstance(error, MemoryError):
                raise
            log.exception("the report lacks this block: %s", name)
            self.missing[name] = f"{type(error).__name__}: {error}"

    @cached_property
    def scores(self) -> list[Score]:
        """All scores of the config's systems, in the order of suites, items and systems there."""
        found: list[Score] = []
        for path in score_files(self.folder):
            rows = [row for row in read_scores(path) if row.system in self.config.systems]
            self._files |= {_key(score): path for score in rows}
            found += rows
        if not found:
            raise StudyError("no scores", where=self.folder / "scoring", fix="run the study first")
        return sorted(found, key=self._position)

    @cached_property
    def by_suite(self) -> dict[str, list[Score]]:
        """All scores by suite, in their order."""
        return grouped(self.scores, lambda score: score.suite)

    def link(self, score: Score) -> str:
        """Returns a score's file, relative to the report; empty for a derived score."""
        path = self._files.get(_key(score))
        return f"../{path.relative_to(self.folder).as_posix()}" if path else ""

    def _position(self, score: Score) -> tuple[int, int, str, int]:
        suites, systems = list(self.config.suites), list(self.config.systems)
        items = list(getattr(self.config.suites.get(score.suite), "directions", []))
        suite = suites.index(score.suite) if score.suite in suites else len(suites)
        item = items.index(score.item) if score.item in items else len(items)
        return suite, item, score.item, systems.index(score.system)

    def ordered(self, systems: Iterable[str]) -> list[str]:
        """Returns systems once each, in the order of the config."""
        present = set(systems)
        return [name for name in self.config.systems if name in present]

    @cached_property
    def published_only(self) -> bool:
        """Whether all systems are published outputs, so that the verdicts are the result."""
        return all(system.kind == "published" for system in self.config.systems.values())

    @cached_property
    def baseline(self) -> str:
        """The system against which the others are tested."""
        return str(self.comparisons["method"]["baseline"])

    @cached_property
    def comparisons(self) -> dict[str, Any]:
        """The paired tests between systems, with a statement of the method."""
        return dict(read_json(self.folder / "significance" / "comparisons.json"))

    @cached_property
    def significance(self) -> Significance:
        """The paired tests, ready to be asked."""
        return Significance(self.comparisons["comparisons"], self.baseline)

    @property
    def records(self) -> list[dict[str, Any]]:
        """The run records of all jobs but the report itself, in the order of their starts."""
        return sorted([*self.shared_records, *self.own_records], key=itemgetter("start"))

    @cached_property
    def own_records(self) -> list[dict[str, Any]]:
        """The run records of the study's own jobs but the report, in the order of their starts."""
        return _read_records((self.folder / "runs").glob("*/*.json"))

    @cached_property
    def shared_records(self) -> list[dict[str, Any]]:
        """The run records of jobs whose outputs all studies share, whichever study ran them."""
        return _read_records(self.shared)

    @property
    def trainings(self) -> dict[str, dict[str, Any]]:
        """The run records of trainings by tuned system."""
        return {row["name"]: row for row in self.records if row["stage"] == "tuning"}

    @cached_property
    def corpora(self) -> dict[str, Any] | None:
        """The report of the corpora stage, or none where the study has none."""
        path = self.folder / "corpora" / "report.json"
        return read_json(path) if path.exists() else None

    @cached_property
    def comet_correlation(self) -> float | None:
        """Spearman's correlation of the study's own COMET model on held-out degradations."""
        path = self.folder / "comet" / "training" / "correlation.json"
        return float(read_json(path)["spearman"]) if path.exists() else None

    perplexities = _by_name("perplexity/*.json")
    """The perplexities of 8-bit systems and of what they were made from."""
    probings = _by_name("probing/*.json")
    """What the hidden states of systems hold."""
    audits = _by_name("synthesis/*/audit.json")
    """The audits of the training sets by mixture."""
    masks = _by_name("masks/*/mask_audit.json")
    """The audits of the loss masks by tuned system."""
    exports = _by_name("export/*/error.json")
    """The error reports of 8-bit systems."""
    systems = _by_name("generation/*/system.json")
    """What each system's outputs were made with."""
    examined = _by_name("harness/*/system.json")
    """What each system's multiple-choice answers were made with."""

    @cached_property
    def sources(self) -> list[dict[str, Any]]:
        """The manifests of the downloads that this study's records name."""
        folders: dict[str, dict[str, Any]] = {}
        for record in self.records:
            for reference in [*record["inputs"].values(), *record["outputs"].values()]:
                path = Path(reference["path"])
                manifest = path if path.name == "manifest.json" else path / "manifest.json"
                if "download" in path.parts and manifest.is_file():
                    folders[str(manifest)] = read_json(manifest)
        return [folders[name] for name in sorted(folders)]

    def segments(self, system: str, suite: str, metric: str) -> dict[str, float]:
        """Returns a system's segment scores of a metric by prompt id; empty without any."""
        return read_segment_scores(self.segment_files(system, suite)).get(metric, {})

    def segment_files(self, system: str, suite: str) -> list[Path]:
        """Returns the files with a system's segment scores, of the scorers and of COMET."""
        folders = score_folders(self.folder, system)
        return [path for f in folders if (path := f / f"{suite}.segments.jsonl").is_file()]

    def prompts(self, suite: str) -> list[Prompt]:
        """Returns a suite's prompts."""
        return read_prompts(self.folder / "prompts" / f"{suite}.jsonl")

    def answers(self, system: str, suite: str) -> dict[str, Any]:
        """Returns a system's hypotheses by prompt id; empty where it has none for the suite."""
        key = (system, suite)
        if key not in self._outputs:
            folders = (self.folder / "generation", self.folder / "harness")
            paths = [folder / system / f"{suite}.jsonl" for folder in folders]
            rows = (row for path in paths if path.exists() for row in read_jsonl(path))
            self._outputs[key] = {row["id"]: row for row in rows}
        return self._outputs[key]


def _read_records(paths: Iterable[Path]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [read_json(path) for path in paths]
    return sorted((row for row in rows if row["stage"] not in UNFINISHED), key=itemgetter("start"))


def _key(score: Score) -> ScoreKey:
    return (score.suite, score.item, score.system, score.metric)
