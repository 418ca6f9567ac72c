"""This project: its loading and its generation loop, with as many rows at once as places."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from common import job
from speed import report

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "workflow"))

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding
from bayling_study.shared.models import load
from bayling_study.stages.generation.batching import BatchLimits, PromptTokens
from bayling_study.stages.generation.decoding import decode

task = job()
torch.set_num_threads(task["threads"])
# An 8-bit export is computed as the section says by default.
named = {} if task["type"] == "int8" else {"precision": task["type"]}
model = load(Path(task["model"]), GenerationSection(**named)).model


def answer(prompts: list[list[int]]) -> list[list[int]]:
    """Answers with ``decode``; no limit but the number of places."""
    asked = [PromptTokens(f"{n:06d}", ids, task["limit"]) for n, ids in enumerate(prompts)]
    limits = BatchLimits(task["places"] * max(one.width for one in asked), task["places"])
    found: dict[str, list[int]] = {}
    for some in decode(model, limits, {}, asked, Decoding(beams=1), task["stops"], {}):
        found |= {request.id: answer.ids for request, answer in some}
    return [found[request.id] for request in asked]


report(task, answer, f"torch {torch.__version__}")
