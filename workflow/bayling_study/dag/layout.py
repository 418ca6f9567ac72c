"""Where a study's files are, and which of them each file is made from. The workflow's rules ask
this module for paths; stage programs are given paths and never ask."""

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import TypeVar

from bayling_study.config.combined import MergedSystem, RoutedSystem
from bayling_study.config.comparison import made_of
from bayling_study.config.model import StudyConfig
from bayling_study.config.multiple_choice import MULTIPLE_CHOICE_KINDS
from bayling_study.config.rehearsal import refuse_rehearsal
from bayling_study.config.sources import NAMED_BY
from bayling_study.config.suites import InteractiveSuite, JudgedSuite, TranslationSuite
from bayling_study.config.synthesis import Mixture
from bayling_study.config.systems import (
    DeltaSystem,
    EndpointSystem,
    FoundationSystem,
    OtherForm,
    PrecisionSystem,
    PublishedSystem,
    TunedSystem,
)
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import look_up
from bayling_study.shared.metrics.measures import check_own
from bayling_study.shared.sources.table import SourceRow, known_sources, row_hash

MADE_FROM_ANOTHER = TunedSystem | OtherForm | DeltaSystem
WITH_MODEL = FoundationSystem | MADE_FROM_ANOTHER | MergedSystem
DOWNLOADED = FoundationSystem | PublishedSystem | DeltaSystem


def one_of(names: Iterable[str]) -> str:
    """Returns the pattern of a wildcard that is one of the names; of none, one that never fits."""
    return "|".join(map(re.escape, names)) or "(?!)"


Kind = TypeVar("Kind")


class Layout:
    """The files of the study of a checked configuration."""

    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self.resources = Path(config.study.resources)
        self.study = Path(config.study.results) / config.study.name

    def download(self, source: str) -> Path:
        """Returns a source's folder; its name carries the hash of the manifest's row."""
        return self.resources / "download" / f"{source}-{row_hash(self.row(source))}"

    def row(self, source: str) -> SourceRow:
        """Returns a source's row (``StudyError``: there is none)."""
        where = f"{self.config.download.manifest} and sources"
        return look_up("source", source, self.sources, where)

    @cached_property
    def sources(self) -> dict[str, SourceRow]:
        """All sources; read once (6 ms), for a graph asks hundreds of times."""
        return known_sources(self.config)

    def manifest(self, source: str) -> Path:
        """Returns the file that says a source is complete and verified."""
        return self.download(source) / "manifest.json"

    def manifests(self, *sources: str | None) -> list[Path]:
        """Returns the manifests of those of some sources that the study has."""
        return [self.manifest(source) for source in sources if source]

    def foundation(self, system: str) -> Path:
        """Returns the folder of a foundation as released, shared by all studies."""
        source = self.system(system, FoundationSystem).source
        return self.resources / "foundation" / self.download(source).name

    def system(self, name: str, kind: type[Kind]) -> Kind:
        """Returns a system of the configuration, which must be of a kind."""
        found = self.config.systems[name]
        assert isinstance(found, kind), name
        return found

    def checkpoint(self, system: str) -> Path:
        """Returns the folder of the checkpoint that a system generates with."""
        found = self.config.systems[system]
        if isinstance(found, FoundationSystem) and found.vocabulary is None:
            return self.foundation(system)
        if isinstance(found, PrecisionSystem):
            return self.checkpoint(found.base)
        made = {"foundation": "foundation/vocabulary", "int8": "export"}
        made |= {"delta": "deltas/applied", "merged": "deltas/merged"}
        return self.study / made.get(found.kind, "tuning") / system

    def base(self, system: str) -> str:
        """Returns the name of the system that a system is made from."""
        found = self.config.systems[system]
        assert isinstance(found, MADE_FROM_ANOTHER), system
        return found.base

    def instructions(self, system: str) -> Path:
        """Returns the folder of the training set of a tuned system."""
        return self.study / "synthesis" / self.system(system, TunedSystem).mixture

    def aligned_pairs(self, system: str) -> list[Path]:
        """Returns the file of translations that a tuned system's ``alignment`` needs, if any."""
        needed = self.config.tuning_of(system).alignment
        return [self.study / "corpora" / "parallel.parquet"] if needed else []

    def example_text(self, system: str) -> list[Path]:
        """Returns the file of translations that a system is shown examples of, if any."""
        needed = self.config.answering_of(system).examples is not None
        return [self.study / "corpora" / "parallel.parquet"] * needed

    def mixture(self, system: str) -> Mixture:
        """Returns what the training set of a tuned system is mixed from."""
        return self.config.synthesis.mixtures[self.system(system, TunedSystem).mixture]

    def teachers(self, mixture: str) -> dict[str, Path]:
        """Returns the checkpoints of a mixture's teacher and translator, of those run here."""
        asked = self.config.synthesis.mixtures[mixture].asked
        return {name: self.checkpoint(name) for name in asked if self.with_model(name)}

    def deltas(self) -> list[Path]:
        """Returns the folders of tuned systems as differences to their bases."""
        folder, tuned = self.study / "deltas" / "made", self.names(TunedSystem)
        return [folder / name for name in tuned if self.system(name, TunedSystem).delta]

    def suite_sources(self, suite: str) -> list[str]:
        """Returns the sources that a suite is read from (none if it uses the corpora)."""
        source = getattr(self.config.suites[suite], "source", None)
        return [source] if source else []

    def suite_needs_corpora(self, suite: str) -> bool:
        """Tells whether a suite is drawn from the study's own corpora."""
        return isinstance(self.config.suites[suite], TranslationSuite | InteractiveSuite)

    def tokenizer_of(self, mixture: str) -> Path:
        """Returns the checkpoint whose tokenizer counts a mixture's tokens. The first tuned system
        of the mixture decides; without one, the first foundation."""
        for name, system in self.config.systems.items():
            if isinstance(system, TunedSystem) and system.mixture == mixture:
                return self.checkpoint(self.config.untuned(name))
        return self.checkpoint(self.names(FoundationSystem)[0])

    def judged_suites(self, system: str) -> list[str]:
        """Returns the suites in which a judge compares a system with the baseline."""
        if isinstance(self.config.systems[system], PublishedSystem):
            return []
        suites = self.config.suites.items()
        return [n for n, s in suites if isinstance(s, JudgedSuite) and s.baseline != system]

    def reviews(self, system: str) -> list[Path]:
        """Returns the judge's review files of a system."""
        folder = self.study / "judging" / system
        return [folder / f"{suite}.jsonl" for suite in self.judged_suites(system)]

    def names(self, kind: type | UnionType) -> list[str]:
        """Returns the names of the systems of a kind, in the order of the config."""
        return [name for name, system in self.config.systems.items() if isinstance(system, kind)]

    def with_model(self, *systems: str) -> list[str]:
        """Returns those of the systems, or of the evaluated ones, that have a checkpoint here."""
        asked = systems or self.config.evaluated()
        return [name for name in asked if isinstance(self.config.systems[name], WITH_MODEL)]

    def probed(self) -> list[str]:
        """Returns the systems whose hidden states are looked into: of a method in several seeds the
        first, of those with one checkpoint too, for how they are asked changes no state; none in
        another precision, which is only there to show rounding."""
        first: dict[Path, str] = {}
        for name in self.with_model() if self.config.probing else ():
            seeds = map(self.config.training_seed, made_of(self.config.systems, name))
            if {*seeds} == {self.config.study.seed} and name not in self.names(PrecisionSystem):
                first.setdefault(self.checkpoint(name), name)
        return list(first.values())

    def without_model(self) -> list[str]:
        """Returns the evaluated systems whose answers come from elsewhere, or other systems."""
        here = self.with_model()
        return [name for name in self.config.evaluated() if name not in here]

    def generation_input(self, system: str) -> list[Path]:
        """Returns what a system's outputs are made from: a checkpoint, a release, or others'."""
        found = self.config.systems[system]
        if isinstance(found, PublishedSystem):
            return [self.manifest(found.source)]
        if isinstance(found, RoutedSystem):
            return [self.study / "generation" / name for name in found.members]
        return [] if isinstance(found, EndpointSystem) else [self.checkpoint(system)]

    def prompts(self, suites: Iterable[str] | None = None) -> list[Path]:
        """Returns the prompt sets of the given suites, or of all."""
        names = self.config.suites if suites is None else suites
        return [self.study / "prompts" / f"{suite}.jsonl" for suite in names]

    def knowledge_suites(self) -> list[str]:
        """Returns the suites that are answered by likelihood, through the harness."""
        suites = self.config.suites.items()
        return [name for name, suite in suites if suite.kind in MULTIPLE_CHOICE_KINDS]

    def generated_suites(self) -> list[str]:
        """Returns the suites that are answered by generation."""
        known = self.knowledge_suites()
        return [name for name in self.config.suites if name not in known]

    def harness(self, *systems: str) -> list[Path]:
        """Returns the folders of multiple-choice answers, of systems that have a model here."""
        if not self.knowledge_suites() or not systems:
            return []
        return [self.study / "harness" / name for name in self.with_model(*systems)]

    def used_sources(self) -> list[str]:
        """Returns every source that this study downloads, each once."""
        config, comet = self.config, self.config.comet
        used: list[str | None] = [*config.corpora.sources]
        used += [one.source for one in config.systems.values() if isinstance(one, DOWNLOADED)]
        used += [source for suite in config.suites for source in self.suite_sources(suite)]
        used += [comet.source, comet.encoder, *comet.more, *comet.more.values(), config.scoring.spm]
        return list(dict.fromkeys(filter(None, used)))

    def missing_sources(self) -> list[SourceRow]:
        """Returns the rows of the sources that are still to be fetched."""
        fetched = [source for source in self.used_sources() if self.manifest(source).is_file()]
        there = {*fetched, *self.config.download.local}
        return [self.row(source) for source in self.used_sources() if source not in there]

    def shared_records(self) -> list[Path]:
        """Returns the run records of the jobs whose outputs all studies share, and lie with them:
        a study that finds a download in place reports the run that made it."""
        made = [self.download(source) for source in self.used_sources()]
        made += dict.fromkeys(self.foundation(name) for name in self.names(FoundationSystem))
        runs = self.resources / "runs"
        return [runs / folder.parent.name / f"{folder.name}.json" for folder in made]

    def check(self) -> None:
        """Checks that every source and file the configuration names is there (``StudyError``: the
        key, what is missing and what to write)."""
        check_own(self.config.scoring.metrics, "scoring.metrics")
        local = self.config.download.local
        for source in (*self.used_sources(), *local):
            self.row(source)
        paths = {f"download.local.{key}": path for key, path in local.items()}
        for source, own in self.config.sources.items():
            named = own.note.startswith(NAMED_BY)
            key = own.note.removeprefix(NAMED_BY) if named else f"sources.{source}.location"
            if own.kind == "local" and source not in local and not self.manifest(source).is_file():
                paths[key] = own.location
            place = own.location.removeprefix("models/")
            if named and own.kind == "hub" and not own.revision and Path(place).exists():
                what, fix = f"{place} is here, and may be a name on the hub", f"./{place}"
                raise StudyError(what, where=key, fix=f"source: {fix}, or {place}@main of the hub")
        for where, path in paths.items():
            if not Path(path).expanduser().exists():
                raise StudyError("the path does not exist", where=f"{where}: {path}")
            if self.config.rehearsal is None:
                refuse_rehearsal(Path(path), where)
        comet, published = self.config.comet.path, self.config.report.published
        for key, file in (("comet.path", comet), ("report.published", published)):
            if file is not None and not Path(file).is_file():
                raise StudyError("the file does not exist", where=f"{key}: {file}")
