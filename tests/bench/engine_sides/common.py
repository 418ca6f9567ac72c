"""What every side does alike: read the job, write the answers. Imports numpy alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def job() -> dict[str, Any]:
    """Returns what ``engines.py`` asks for: model, prompts, limit, stops, conversations, place."""
    values: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    return values


def report(
    task: dict[str, Any],
    answers: list[list[int]],
    logits: list[Any],
    version: str,
    **facts: Any,
) -> None:
    """Writes the answers, ids without the one that ended them, and their first tokens' logits."""
    out = Path(task["out"])
    np.save(out.with_suffix(".npy"), np.stack([np.asarray(row, np.float32) for row in logits]))
    out.write_text(json.dumps({"version": version, "answers": answers, **facts}), encoding="utf-8")


def rendered(tokenizer: Any, talks: list[Any]) -> list[list[int]]:
    """Returns the ids that a library's ``apply_chat_template`` gives for each conversation."""
    texts = [
        tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
        for talk in talks
    ]
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def cut(ids: list[int], stops: list[int]) -> list[int]:
    """Returns the ids before the first that ends an answer."""
    places = [place for place, number in enumerate(ids) if number in stops]
    return ids[: places[0]] if places else ids
