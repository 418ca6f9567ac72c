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
from bayling_study.config.systems import System
from bayling_study.config.tuning import TuningSection


class StudyConfig(Section):
    """One study: everything that decides what is made from what."""

    study: StudySection = StudySection()
    environments: EnvironmentsSection = EnvironmentsSection()
    download: DownloadSection = DownloadSection()
    corpora: CorporaSection = CorporaSection()
    synthesis: SynthesisSection = SynthesisSection()
    systems: dict[Name, System] = {}
    """Systems by name, in the order of the report's columns."""
    tuning: TuningSection = TuningSection()
    export: ExportSection = ExportSection()
    generation: GenerationSection = GenerationSection()
    suites: dict[Name, Suite] = {}
    """Suites by name, in the order of the report's tables."""
    scoring: ScoringSection = ScoringSection()
    report: ReportSection = ReportSection()
    tracking: TrackingSection = TrackingSection()
