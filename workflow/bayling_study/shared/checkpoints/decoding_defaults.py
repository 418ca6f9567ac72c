"""A checkpoint's own ``generation_config.json``: its special ids are kept, its decoding is not. How
answers are decoded is for a study's configuration to say. What a checkpoint asks for (a repetition
penalty, suppressed tokens, a temperature) would reach some ways of decoding and not others:
transformers' ``generate`` takes every key that the caller leaves open from it."""

from collections.abc import Mapping
from typing import Any

FILE = "generation_config.json"
KEPT = ("bos_token_id", "eos_token_id", "pad_token_id", "use_cache", "transformers_version")
"""Keys that do not decide which token comes next: where an answer ends, how it is computed."""


def divided(own: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns what is kept of a generation config, and what is set aside, both as mappings. A key
    without a value, or that is false, asks for nothing and stays."""
    kept = {
        key: value
        for key, value in own.items()
        if key in KEPT or key.startswith("_") or value is None or value is False
    }
    return kept, {key: value for key, value in own.items() if key not in kept}
