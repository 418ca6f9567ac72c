"""The study's configuration: one pydantic model per section. ``StudyConfig`` is the whole;
``load_config`` reads and checks a YAML file; ``load_settings`` reads the part of it that one stage
was given."""

from bayling_study.config.base import Section
from bayling_study.config.loading import load_config, load_settings
from bayling_study.config.model import StudyConfig

__all__ = ["Section", "StudyConfig", "load_config", "load_settings"]
