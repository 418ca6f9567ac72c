"""What the cards of models say in the hub's own words."""

import re

from bayling_study.core.tables import beside

LICENCES: dict[str, str] = beside(__file__)
"""Licences as sources name them, in lower case with dashes, to the hub's identifiers
(https://huggingface.co/docs/hub/repositories-licenses)."""


def licence_keys(licence: str) -> dict[str, str]:
    """Returns a card's key ``license``; of a licence without identifier also ``license_name``. What
    is conditional or unconfirmed ("MIT; LogiQA CC BY-NC-SA 4.0") has no identifier."""
    name = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-.")
    if name in LICENCES:
        return {"license": LICENCES[name]}
    return {"license": "other", "license_name": name or "unknown"}
