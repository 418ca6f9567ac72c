"""Mixtures that derive from another one: for ablations, which differ in one thing.

The result is whole and stands by itself, so that a job's settings need not hold
the base, and a change of the base reruns what derives from it.
"""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

OWN_KEYS = ("base", "drop", "fraction")


class Derivation(BaseModel):
    """The types of what is looked at here; which values may stand there, the models tell."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    base: str | None = None
    drop: list[str] = []
    fraction: float = 1.0
    conversations: float = 1
    shares: dict[Any, float] = {}
    directions: dict[Any, float] = {}


def resolved(mixtures: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all mixtures with those that name a base made whole (``ValueError`` if a base is
    unknown or leads back to the mixture, or what is to be dropped is not in it)."""
    return {name: _whole(name, mixtures, ()) for name in mixtures}


def _whole(name: str, mixtures: Mapping[str, Any], chain: tuple[str, ...]) -> Any:
    """Returns one mixture; ``chain`` holds those that derive from it, against circles."""
    entry = mixtures[name]
    if not _is_sound(entry):
        return entry
    base = entry.get("base")
    if base is None:
        if entry.get("drop") or entry.get("fraction", 1.0) != 1.0:
            raise ValueError(f"{name}: drop and fraction need a base; write base: MIXTURE")
        return entry
    if base not in mixtures:
        known = ", ".join(other for other in mixtures if other != name)
        raise ValueError(f"{name}.base: no mixture is called {base!r}; one of: {known}")
    if base in (*chain, name):
        raise ValueError(f"{name}.base: {base} derives from {name}")
    inherited = _whole(base, mixtures, (*chain, name))
    return _changed(name, {**inherited}, entry) if _is_sound(inherited) else entry


def _is_sound(entry: Any) -> bool:
    """Tells whether what is looked at here has the right types; else the model will tell."""
    try:
        Derivation.model_validate(entry)
    except ValidationError:
        return False
    return True


def _changed(name: str, values: dict[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Applies what a derived mixture says to its base's values."""
    for dropped in entry.get("drop", []):
        places = [key for key in ("shares", "directions") if dropped in values.get(key, {})]
        if not places:
            raise ValueError(f"{name}.drop: the base has no recipe or direction {dropped!r}")
        for key in places:
            values[key] = _without(f"{name}.drop", values[key], dropped)
    if "fraction" in entry and "conversations" in values:
        values["conversations"] = max(1, round(values["conversations"] * entry["fraction"]))
    given = {key: value for key, value in entry.items() if key not in OWN_KEYS}
    return {**values, **given}


def _without(where: str, shares: Mapping[str, float], dropped: str) -> dict[str, float]:
    """Returns shares without one of them, scaled up to what they added up to."""
    kept = {name: share for name, share in shares.items() if name != dropped}
    total, left = math.fsum(shares.values()), math.fsum(kept.values())
    if not left:
        raise ValueError(f"{where}: nothing is left without {dropped!r}")
    return {name: share * total / left for name, share in kept.items()}
