"""Which conversation template a system answers in."""

from bayling_study.config import StudyConfig
from bayling_study.config.systems import EndpointSystem, Int8System, PublishedSystem, TemplateName
from bayling_study.core.errors import StudyError


def template_of(config: StudyConfig, name: str) -> TemplateName:
    """Returns a system's template; an 8-bit export has that of the system it was made from.
    Published systems and those behind a server have none here (``StudyError``)."""
    system = config.systems[name]
    if isinstance(system, Int8System):
        return template_of(config, system.base)
    if isinstance(system, PublishedSystem):
        raise StudyError(f"{name} is a published system and has no template")
    if isinstance(system, EndpointSystem):
        raise StudyError(f"{name} is behind a server, which has its own template")
    return system.template
