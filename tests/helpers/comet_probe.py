"""A program for the COMET interpreter: scores of unbabel-comet's own code, and of ours.

comet_probe.py reference FOLDER ROWS OUT          load_from_checkpoint and predict
comet_probe.py ours FOLDER ROWS OUT BUDGET...     one list of scores a token budget
comet_probe.py classes FOLDER ROWS                checkpoints of all classes, and their scores
comet_probe.py both FOLDER ROWS                   the scores of one checkpoint
comet_probe.py stand-ins ROWS FOLDER...           the same of each, whose weights fit exactly
comet_probe.py batches FOLDER CSV OUT             two epochs of training's batches: scores, shapes
comet_probe.py tokenizer FOLDER                   an encoder's files without its config
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


def ours(folder: str, rows: str, out: str, *budgets: str, precision: str = "fp32") -> None:
    from bayling_study.stages.comet.cache import Cache, Triple
    from bayling_study.stages.comet.checkpoint import find_checkpoint
    from bayling_study.stages.comet.model import load_model
    from bayling_study.stages.comet.scorer import JointScorer, Scorer

    checkpoint = find_checkpoint(Path(folder))
    model = load_model(checkpoint, precision)
    kind = Scorer if checkpoint.identifier == "regression_metric" else JointScorer
    samples = json.loads(Path(rows).read_text(encoding="utf-8"))
    triples = [Triple(row["src"], row["mt"], row["ref"]) for row in samples]
    found = []
    for budget in budgets:
        with tempfile.TemporaryDirectory() as cache:
            found.append(kind(model, Cache(Path(cache)), int(budget)).score(triples))
    Path(out).write_text(json.dumps(found), encoding="utf-8")


CLASSES: dict[str, tuple[str, dict[str, object]]] = {
    "regression": ("regression_metric", {}),
    "referenceless": ("referenceless_regression_metric", {}),
    "kiwi": ("unified_metric", {"input_segments": ["mt", "src"]}),
    "unified": ("unified_metric", {"input_segments": ["mt", "src", "ref"]}),
    "xcomet": ("xcomet_metric", {"word_layer": 1}),
}


def classes(folder: str, rows: str) -> None:
    """Writes a random checkpoint of each class, and beside it its scores and unbabel-comet's."""
    for name, (kind, own) in CLASSES.items():
        place = Path(folder).absolute() / name
        random(place, kind, own)
        both(str(place), rows)
        ours(str(place), rows, f"{place}/bf16.json", "1000000", precision="bf16")


def both(place: str, rows: str) -> None:
    """Writes the scores of a checkpoint beside it: unbabel-comet's and ours."""
    reference(place, rows, f"{place}/reference.json")
    ours(place, rows, f"{place}/ours.json", "1", "1000000")


def stand_ins(rows: str, *places: str) -> None:
    """Writes the scores of each checkpoint beside it; its encoder is given a tokenizer."""
    from comet import load_from_checkpoint

    for place in places:
        tokenizer(f"{place}/encoder")
        os.chdir(place)
        load_from_checkpoint("checkpoints/model.ckpt", strict=True, local_files_only=True)
        both(place, rows)


def batches(folder: str, table: str, out: str) -> None:
    """Writes each batch's scores, its tokens and how many the model would read."""
    from bayling_study.stages.comet import training
    from bayling_study.stages.comet.checkpoint import find_checkpoint
    from bayling_study.stages.comet.model import load_model

    loader = training.batches(load_model(find_checkpoint(Path(folder)), "fp32"), table)
    epochs = []
    for _ in range(2):
        epochs.append([])
        for inputs, targets in loader:
            masks = [value for name, value in inputs.items() if name.endswith("attention_mask")]
            tokens, read = sum(int(m.sum()) for m in masks), sum(m.numel() for m in masks)
            epochs[-1].append([targets["score"].tolist(), tokens, read])
    Path(out).write_text(json.dumps(epochs), encoding="utf-8")


def tokenizer(folder: str) -> int:
    """Writes a small tokenizer of an encoder; returns its pieces."""
    from bayling_study.stages.comet.tokenizer import train_tokenizer

    texts = [f"{a}{b} {c}" for a in "abcdefgh" for b in "aeiou" for c in ("the red", "THE RIVER")]
    return len(train_tokenizer(texts, 60, Path(folder)))


def random(folder: Path, kind: str, own: dict[str, object]) -> None:
    """Writes a checkpoint of a class as unbabel-comet does, with an encoder of two layers."""
    import torch
    import yaml
    from comet.models import str2model
    from transformers import XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(5)
    (folder / "checkpoints").mkdir(parents=True)
    os.chdir(folder)
    pieces = tokenizer("encoder")
    shape = {"num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 64}
    config = XLMRobertaConfig(pieces, 32, max_position_embeddings=514, type_vocab_size=1, **shape)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained("encoder")
    named = {"encoder_model": "XLM-RoBERTa", "pretrained_model": "encoder"}
    model = str2model[kind](**named, **own, hidden_sizes=[16, 8], local_files_only=True)
    found = {**model.hparams, "train_data": [], "validation_data": []}
    content = {"state_dict": model.state_dict(), "hyper_parameters": found}
    torch.save({**content, "pytorch-lightning_version": "2.0"}, "checkpoints/model.ckpt")
    Path("hparams.yaml").write_text(yaml.safe_dump(found), encoding="utf-8")


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
        known = {"reference": reference, "ours": ours, "classes": classes}
        known |= {"both": both, "tokenizer": tokenizer, "stand-ins": stand_ins}
        known["batches"] = batches
        known[command](*sys.argv[1:])
