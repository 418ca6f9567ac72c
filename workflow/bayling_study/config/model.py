"""The whole configuration and the checks that span sections."""

from __future__ import annotations

from bayling_study.config.base import Name, Section
from bayling_study.config.corpora import CorporaSection
from bayling_study.config.evaluation import (
    ExportSection,
    GenerationSection,
    ReportSection,
    ScoringSection,
)
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
    generation: GenerationSection = GenerationSection()
    """How systems are run."""
    suites: dict[Name, Suite] = {}
    """Suites by name, in the order of the report's tables."""
    scoring: ScoringSection = ScoringSection()
    """Metrics and their uncertainty."""
    report: ReportSection = ReportSection()
    """What the report shows."""
    tracking: TrackingSection = TrackingSection()
    """How run records reach MLflow."""

    def tuning_of(self, system: str) -> TuningSection:
        """Returns the hyper-parameters of a tuned system: the section with its own keys laid over.

        Raises:
            ValidationError: an own key is unknown or its value does not pass.
        """
        found = self.systems[system]
        own = found.tuning if isinstance(found, TunedSystem) else {}
        return TuningSection.model_validate(self.tuning.model_dump(exclude_unset=True) | own)

    def seen_by_stages(self, system: str | None = None) -> StudyConfig:
        """Returns the config without what the workflow alone acts on, so that it reruns no stage.

        Args:
            system: a tuned system whose hyper-parameters become the section ``tuning``.
        """
        systems = {
            name: found.model_copy(update={"tuning": {}, "delta": False})
            if isinstance(found, TunedSystem)
            else found
            for name, found in self.systems.items()
        }
        tuning = self.tuning if system is None else self.tuning_of(system)
        return self.model_copy(update={"systems": systems, "tuning": tuning})
