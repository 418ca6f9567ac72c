"""The whole configuration and the checks that span sections."""

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from bayling_study.config.base import Name, Section
from bayling_study.config.comparison import ComparisonSection
from bayling_study.config.corpora import CorporaSection
from bayling_study.config.evaluation import (
    CometSection,
    ExportSection,
    GenerationSection,
    PerplexitySection,
    ProbingSection,
    ReportSection,
    ScoringSection,
)
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
from bayling_study.config.systems import System, TunedSystem
from bayling_study.config.tuning import TuningSection
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
    export: ExportSection = ExportSection()
    """8-bit export."""
    perplexity: PerplexitySection = PerplexitySection()
    """Perplexity of 8-bit systems."""
    probing: ProbingSection | None = None
    """Analysis of hidden states; none makes none."""
    generation: GenerationSection = GenerationSection()
    """How systems are run."""
    suites: dict[Name, Suite] = {}
    """Suites by name, in the order of the report's tables."""
    scoring: ScoringSection = ScoringSection()
    """Metrics and their uncertainty."""
    comet: CometSection = CometSection()
    """COMET, which runs in an environment of its own."""
    comparison: ComparisonSection | None = None
    """Methods that are compared under one training budget; none compares nothing but systems."""
    report: ReportSection = ReportSection()
    """What the report shows."""
    tracking: TrackingSection = TrackingSection()
    """How run records reach MLflow."""
    rehearsal: RehearsalSection | None = None
    """Set in a rehearsal alone, which proves a study in small; ``make rehearse`` writes it."""

    @model_validator(mode="before")
    @classmethod
    def _name_models(cls, values: Any) -> Any:
        return with_named_models(values) if isinstance(values, Mapping) else values

    def training_seed(self, system: str) -> int:
        """Returns the seed of a system's training: the study's own for seed 1."""
        number = getattr(self.systems[system], "seed", 1)
        seed = self.study.seed
        return seed if number == 1 else derive_seed(seed, "tuning", "seed", str(number))

    def tuning_of(self, system: str) -> TuningSection:
        """Returns the hyper-parameters of a tuned system: the section with its own keys laid over.

        Raises:
            ValidationError: an own key is unknown or its value does not pass.
        """
        found = self.systems[system]
        own = found.tuning if isinstance(found, TunedSystem) else {}
        return TuningSection.model_validate(self.tuning.model_dump(exclude_unset=True) | own)
