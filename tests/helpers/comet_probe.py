"""A program for the COMET interpreter: scores of unbabel-comet's own code, and of ours.

comet_probe.py reference FOLDER ROWS OUT          load_from_checkpoint and predict
comet_probe.py ours FOLDER ROWS OUT BUDGET...     one list of scores a token budget
comet_probe.py comet-score ARGUMENTS...           the program comet-score, kept in fp32
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"


def reference(folder: str, rows: str, out: str) -> None:
    from comet import load_from_checkpoint

    os.chdir(folder)  # the checkpoint names its encoder by a relative path
    model = load_from_checkpoint("checkpoints/model.ckpt", local_files_only=True)
    samples = json.loads(Path(rows).read_text(encoding="utf-8"))
    result = model.predict(samples, batch_size=8, gpus=0, num_workers=0, progress_bar=False)
    Path(out).write_text(json.dumps(result.scores), encoding="utf-8")


def ours(folder: str, rows: str, out: str, *budgets: str) -> None:
    from bayling_study.stages.comet.cache import Cache, Triple
    from bayling_study.stages.comet.checkpoint import find_checkpoint
    from bayling_study.stages.comet.model import load_model
    from bayling_study.stages.comet.scorer import Scorer

    model = load_model(find_checkpoint(Path(folder)), "fp32")
    samples = json.loads(Path(rows).read_text(encoding="utf-8"))
    triples = [Triple(row["src"], row["mt"], row["ref"]) for row in samples]
    found = []
    for budget in budgets:
        with tempfile.TemporaryDirectory() as cache:
            found.append(Scorer(model, Cache(Path(cache)), int(budget)).score(triples))
    Path(out).write_text(json.dumps(found), encoding="utf-8")


def comet_score() -> None:
    from comet.cli.score import score_command
    from comet.models import CometModel

    CometModel.half = lambda model: model
    score_command()


if __name__ == "__main__":
    command = sys.argv.pop(1)
    if command == "comet-score":
        comet_score()
    else:
        {"reference": reference, "ours": ours}[command](*sys.argv[1:])
