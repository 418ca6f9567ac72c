"""A tiny random checkpoint whose answers differ from prompt to prompt and end at times."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from helpers.tiny import write_foundation

SPREAD = 20
"""Weights are made this much larger, or a random model says the same to everybody."""


def save_checkpoint(folder: Path, seed: int = 3, context: int = 512) -> Path:
    """Writes config, safetensors and tokenizer; returns ``folder``."""
    write_foundation(folder, seed)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.config.max_position_embeddings = context
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(SPREAD)
    model.save_pretrained(folder)
    return folder
