"""Which conversation template a system answers in."""

from bayling_study.config import StudyConfig
from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError


def template_of(config: StudyConfig, name: str) -> TemplateName:
    """Returns a system's template, or that of what an 8-bit or merged one was made from; published,
    routed systems and those behind a server have none here (``StudyError``)."""
    system = config.systems[config.asked_as(name)[-1]]
    if system.kind in ("published", "endpoint", "routed"):
        raise StudyError(f"{name} is {system.kind}, not run here, and has no template")
    return system.template  # type: ignore[union-attr]
