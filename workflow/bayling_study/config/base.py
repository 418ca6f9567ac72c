"""What all config sections share."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, ValidationInfo, field_validator

from bayling_study.core.credentials import ADVICE, NETRC, has_credentials

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""A file-name-safe name: lower case, digits, ``.``, ``_`` and ``-``; no path can hide in it."""

Direction = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}-[a-z]{2,3}$")]
"""A translation direction ``zh-en``: from Chinese to English (ISO 639 codes)."""

DirectionPattern = Annotated[str, StringConstraints(pattern=r"^([a-z]{2,3}|\*)-([a-z]{2,3}|\*)$")]
"""A direction, or several: ``en-*`` is from English into every other language."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """A config section: unknown keys are errors, numbers are finite, and values never change
    after parsing."""

    @field_validator("*")
    @classmethod
    def _no_credentials(cls, value: Any, info: ValidationInfo) -> Any:
        """A password in a config would end in settings files, records and process lists."""
        texts = [value, *value, *value.values()] if isinstance(value, Mapping) else [value]
        if any(isinstance(text, str) and "://" in text and has_credentials(text) for text in texts):
            advice = ADVICE if info.field_name == "uri" else NETRC
            raise ValueError(f"it carries a password or token; {advice}")
        return value


def leaves_source(path: str) -> bool:
    """Tells whether a path or pattern of a source's files leads out of the source."""
    return path.startswith("/") or ".." in path.split("/")
