"""Ten systems that share sources and references: this scorer against unbabel-comet's own.

Run it with the COMET interpreter; without ``--model`` it builds an XLM-R of random weights, large
enough that encoding is what takes the time, as with a released model:

    PYTHONPATH=workflow .venv/comet/bin/python tests/bench/comet_speed.py [--model CHECKPOINT]

``predict`` calls the model's ``predict`` for each system, as its documentation shows.
``comet-score`` does the same with the batch cache that the program of this name switches on; in
unbabel-comet 2.2.7 that cache is never hit, because its key holds the tensors' identity. All times
are without loading the model.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from comet.models import RegressionMetric

from bayling_study.stages.comet.cache import Cache, Triple
from bayling_study.stages.comet.checkpoint import find_checkpoint
from bayling_study.stages.comet.degrade import Material, mixed_damage
from bayling_study.stages.comet.model import load_model
from bayling_study.stages.comet.scorer import Scorer
from bayling_study.stages.comet.settings import EmbeddedSettings
from bayling_study.stages.comet.tokenizer import create_encoder, train_tokenizer
from bayling_study.stages.comet.training import hyper_parameters, save

SHAPE = EmbeddedSettings(
    rows=1,
    held_out=1,
    epochs=1,
    batch=1,
    learning_rate=1e-3,
    hidden=256,
    layers=6,
    vocabulary=2000,
    min_spearman=-1,
)


def sentences(count: int, seed: int) -> list[str]:
    """Returns sentences of made-up words; lengths spread as in news (log-normal, median 20)."""
    chance = random.Random(seed)
    words = ["".join(chance.choices("aeioulnrstdk", k=chance.randint(2, 9))) for _ in range(3000)]
    return [
        " ".join(chance.choices(words, k=min(120, 1 + round(chance.lognormvariate(3, 0.5)))))
        for _ in range(count)
    ]


def make_systems(segments: int, systems: int) -> list[list[Triple]]:
    """Returns the systems' translations: references with random damage."""
    sources, references = sentences(segments, 1), sentences(segments, 2)
    chance = random.Random(3)
    return [
        [
            Triple(source, mixed_damage(Material(source, ref, "", source, True), chance)[0], ref)
            for source, ref in zip(sources, references, strict=True)
        ]
        for _ in range(systems)
    ]


def random_model(folder: Path, texts: list[str]) -> Path:
    """Writes a checkpoint with random weights and returns its folder."""
    tokenizer = train_tokenizer(texts, SHAPE.vocabulary, folder / "encoder")
    torch.manual_seed(1)
    create_encoder(folder / "encoder", len(tokenizer), SHAPE)
    model = RegressionMetric(**hyper_parameters(SHAPE), pretrained_model=str(folder / "encoder"))
    save(model, folder)
    return folder


def theirs(model: RegressionMetric, systems: list[list[Triple]]) -> list[list[float]]:
    """Scores system by system with ``predict``."""
    found = []
    for triples in systems:
        rows = [dict(zip(("src", "mt", "ref"), triple, strict=True)) for triple in triples]
        options = {"batch_size": 16, "gpus": 0, "num_workers": 0, "progress_bar": False}
        found.append(model.predict(rows, **options).scores)
    return found


def ours(model: RegressionMetric, systems: list[list[Triple]]) -> list[list[float]]:
    """Scores all systems together, with an empty cache."""
    with tempfile.TemporaryDirectory() as scratch:
        scorer = Scorer(model, Cache(Path(scratch)), batch_tokens=4096)
        values = iter(scorer.score([triple for triples in systems for triple in triples]))
        return [[next(values) for _ in triples] for triples in systems]


def timed(call: Callable[..., list[list[float]]], *arguments: object) -> tuple[float, list[float]]:
    """Returns a call's seconds and its scores in one list."""
    start = time.perf_counter()
    found = call(*arguments)
    return time.perf_counter() - start, [value for values in found for value in values]


def main() -> None:
    """Prints seconds, ratios and the largest difference between the scores."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="checkpoint file or folder")
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--segments", type=int, default=100)
    parser.add_argument("--systems", type=int, default=10)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    systems = make_systems(options.segments, options.systems)
    with tempfile.TemporaryDirectory() as scratch:
        texts = [text for triple in systems[0] for text in triple]
        folder = options.model or random_model(Path(scratch), texts)
        model = load_model(find_checkpoint(folder, options.encoder), "fp32")
        own_seconds, own = timed(ours, model, systems)
        print(f"{options.systems} systems of {options.segments} segments, fp32, {model.device}")
        print(f"this scorer  {own_seconds:8.1f} s")
        for name in ("predict", "comet-score"):
            if name == "comet-score":
                model.set_embedding_cache()
            seconds, scores = timed(theirs, model, systems)
            gap = max(abs(a - b) for a, b in zip(own, scores, strict=True))
            print(f"{name:12} {seconds:8.1f} s  ratio {seconds / own_seconds:.2f}  gap {gap:.1e}")


if __name__ == "__main__":
    main()
