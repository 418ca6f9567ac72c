"""The whole configuration and the checks that span sections."""

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from bayling_study.config import evaluation
from bayling_study.config.answering import Answering
from bayling_study.config.base import Name, Section
from bayling_study.config.combined import MergedSystem
from bayling_study.config.comparison import ComparisonSection, made_of, trainings
from bayling_study.config.corpora import CorporaSection
from bayling_study.config.rehearsal import RehearsalSection
from bayling_study.config.sources import Source, with_named_models
from bayling_study.config.study import (
    DownloadSection,
    EnvironmentsSection,
    StudySection,
    TrackingSection,
)
from bayling_study.config.suites import Suite
from bayling_study.config.synthesis import SynthesisSection
from bayling_study.config.systems import OtherForm, System, TemplateName, TunedSystem
from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import derive_seed


class StudyConfig(Section):
    """One study: everything that decides what is made from what."""

    extends: str | list[str] = []
    """Config files, relative to the repository's root, that this one is laid over key by key."""
    study: StudySection = StudySection()
    """Name, title, seed and folders."""
    environments: EnvironmentsSection = EnvironmentsSection()
    """Ready-made interpreters."""
    download: DownloadSection = DownloadSection()
    """How sources are fetched, and what replaces them."""
    sources: dict[Name, Source] = {}
    """Sources of one's own beside the table's, by name (``{mine: {kind: local, location: DIR,
    licence: CC0-1.0}}``); the keys are the table's columns. They join the table and replace none
    of its rows."""
    corpora: CorporaSection = CorporaSection()
    """Upstream data: read, cleaned and split."""
    synthesis: SynthesisSection = SynthesisSection()
    """Training sets made from the corpora."""
    systems: dict[Name, System] = {}
    """Systems by name, in the order of the report's columns."""
    tuning: TuningSection = TuningSection()
    """Hyper-parameters of all tuned systems."""
    export: evaluation.ExportSection = evaluation.ExportSection()
    """8-bit export."""
    perplexity: evaluation.PerplexitySection = evaluation.PerplexitySection()
    """Perplexity of 8-bit systems."""
    probing: evaluation.ProbingSection | None = None
    """Analysis of hidden states; none makes none."""
    generation: evaluation.GenerationSection = evaluation.GenerationSection()
    """How systems are run."""
    suites: dict[Name, Suite] = {}
    """Suites by name, in the order of the report's tables."""
    scoring: evaluation.ScoringSection = evaluation.ScoringSection()
    """Metrics and their uncertainty."""
    comet: evaluation.CometSection = evaluation.CometSection()
    """COMET, which runs in an environment of its own."""
    comparison: ComparisonSection | None = None
    """Methods that are compared under one training budget; none compares nothing but systems."""
    report: evaluation.ReportSection = evaluation.ReportSection()
    """What the report shows."""
    tracking: TrackingSection = TrackingSection()
    """How run records reach MLflow."""
    rehearsal: RehearsalSection | None = None
    """Set in a rehearsal alone, which proves a study in small; ``make rehearse`` writes it."""

    @model_validator(mode="before")
    @classmethod
    def _name_models(cls, values: Any) -> Any:
        return with_named_models(values) if isinstance(values, Mapping) else values

    def asked_as(self, system: str) -> list[str]:
        """Returns a system and those whose template and ``answering`` it has: of one in 8 bits or
        another precision its base, of a merged one its first member, for all are alike."""
        found = self.systems[system]
        if isinstance(found, OtherForm):
            return [system, *self.asked_as(found.base)]
        return [system, found.of[0]] if isinstance(found, MergedSystem) else [system]

    def evaluated(self) -> list[str]:
        """Returns the systems that answer the suites: all but servers that only judge or teach."""
        return [name for name, one in self.systems.items() if getattr(one, "evaluated", True)]

    def untuned(self, system: str) -> str:
        """Returns the foundation or delta that a tuned or merged system's stages started from."""
        parts = made_of(self.systems, system)
        return [one for one in parts if not trainings(self.systems, one)][-1]

    def training_seed(self, system: str) -> int:
        """Returns the seed of a system's training: the study's own for seed 1."""
        number = getattr(self.systems[system], "seed", 1)
        seed = self.study.seed
        return seed if number == 1 else derive_seed(seed, "tuning", "seed", str(number))

    def answering_of(self, system: str) -> Answering:
        """Returns how a system is asked; an 8-bit or merged one as what it is made from, unless it
        says otherwise."""
        own = (getattr(self.systems[one], "answering", None) for one in self.asked_as(system))
        return next(filter(None, own), Answering())

    def generation_of(self, system: str) -> evaluation.GenerationSection:
        """Returns how a system is run: the section, with the precision of one that has its own."""
        own = getattr(self.systems[system], "precision", self.generation.precision)
        return self.generation.model_copy(update={"precision": own})

    def tuning_of(self, system: str) -> TuningSection:
        """Returns the hyper-parameters of a tuned system: the section with its own keys laid over
        (``ValidationError``: an own key is unknown or its value does not pass)."""
        found = self.systems[system]
        own = found.tuning if isinstance(found, TunedSystem) else {}
        return TuningSection.model_validate(self.tuning.model_dump(exclude_unset=True) | own)

    def template_of(self, name: str) -> TemplateName:
        """Returns a system's template, or that of what an 8-bit or merged one was made from;
        published, routed systems and those behind a server have none here (``StudyError``)."""
        system = self.systems[self.asked_as(name)[-1]]
        if system.kind in ("published", "endpoint", "routed"):
            raise StudyError(f"{name} is {system.kind}, not run here, and has no template")
        return system.template  # type: ignore[union-attr]
