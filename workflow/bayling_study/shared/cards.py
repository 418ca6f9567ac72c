"""What the cards of models say in the hub's own words."""

import re

LICENCES = {
    **{name: name for name in ("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "mpl-2.0")},
    **{name: name for name in ("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")},
    **{name: name for name in ("gpl-2.0", "gpl-3.0", "lgpl-3.0", "odc-by", "llama2", "llama3")},
    **{"llama-2-community-license": "llama2", "meta-llama-3-community-license": "llama3"},
}
"""Licences as sources name them, in lower case with dashes, to the hub's identifiers
(https://huggingface.co/docs/hub/repositories-licenses)."""


def licence_keys(licence: str) -> dict[str, str]:
    """Returns a card's key ``license``; of a licence without identifier also ``license_name``. What
    is conditional or unconfirmed ("MIT; LogiQA CC BY-NC-SA 4.0") has no identifier."""
    name = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-.")
    if name in LICENCES:
        return {"license": LICENCES[name]}
    return {"license": "other", "license_name": name or "unknown"}
