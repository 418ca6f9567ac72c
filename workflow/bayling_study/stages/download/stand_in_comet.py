"""A COMET checkpoint of random weights around a small encoder, for a rehearsal.

The names of tensors are those of unbabel-comet 2.2, which is in another environment; a test loads
a checkpoint of each class with its code.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import CONFIG_MAPPING, AutoModel

from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import derive_seed
from bayling_study.shared.sources.gates import page
from bayling_study.shared.sources.table import SourceRow

HPARAMS = "hparams.yaml"
ENCODERS = {"XLM-RoBERTa": ("xlm-roberta", 250_002), "XLM-RoBERTa-XL": ("xlm-roberta-xl", 250_880)}
"""unbabel-comet's name of an encoder to its architecture and the ``vocab_size`` of its
``config.json``: facebook/xlm-roberta-xl and, of both others, the same."""
POSITIONS = {"max_position_embeddings": 514, "type_vocab_size": 1}
VECTORS = {
    "regression_metric": 6,
    "referenceless_regression_metric": 4,
    "unified_metric": 1,
    "xcomet_metric": 1,
}
"""Class to vectors of a text's width that its estimator reads."""
MARKED = ("unified_metric", "xcomet_metric")
"""Classes that may label words, and whose layer of the sentence has another name."""
GATED: dict[str, dict[str, Any]] = {
    "models/Unbabel/XCOMET-XL": {
        "class_identifier": "xcomet_metric",
        "encoder_model": "XLM-RoBERTa-XL",
        "pretrained_model": "facebook/xlm-roberta-xl",
        "hidden_sizes": [2560, 1280],
        "word_layer": 36,
        "word_level_training": True,
        "cross_entropy_weights": [0.08, 0.486, 0.505, 0.533],
    },
    "models/Unbabel/wmt22-cometkiwi-da": {
        "class_identifier": "unified_metric",
        "encoder_model": "XLM-RoBERTa",
        "pretrained_model": "microsoft/infoxlm-large",
        "hidden_sizes": [3072, 1024],
        "input_segments": ["mt", "src"],
    },
}
"""What stands for the hyper-parameters of a gated model: its class's own defaults in unbabel-comet,
and its model card."""


def write_comet(
    row: SourceRow, folder: Path, shrunk: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Writes ``checkpoints/model.ckpt`` to fit ``hparams.yaml``, which is made if it is absent.

    ``shrunk`` makes the encoder small as it does the ``config.json`` of the encoder's own source.

    Raises:
        StudyError: a class or an encoder that no stand-in is made of.
    """
    path = folder / HPARAMS
    if not path.exists():
        if row.location not in GATED:
            fix = f"accept the terms of {page(row)}, or leave the model out of comet.more"
            what = "no stand-in can be made of a COMET model without its hparams.yaml"
            raise StudyError(what, where=f"source {row.id}", fix=fix)
        path.write_text(yaml.safe_dump(GATED[row.location]), encoding="utf-8")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    kind, name = values.get("class_identifier"), values.get("encoder_model")
    if kind not in VECTORS or name not in ENCODERS:
        what = f"no stand-in is made of the class {kind!r} with the encoder {name!r}"
        fix = f"a class of {', '.join(VECTORS)} with an encoder of {', '.join(ENCODERS)}"
        raise StudyError(what, where=path, fix=fix)
    model, words = ENCODERS[name]
    config = CONFIG_MAPPING[model](
        **shrunk({"model_type": model, "vocab_size": words, **POSITIONS})
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(0, row.id))
        encoder = AutoModel.from_config(config, add_pooling_layer=False).state_dict()
        head = _head(values, config.hidden_size, config.num_hidden_layers)
    for key in {"layer", "sent_layer", "word_layer"} & values.keys():
        if values[key] != "mix":
            values[key] = min(int(values[key]), config.num_hidden_layers)
    state = {**{f"encoder.model.{name}": value for name, value in encoder.items()}, **head}
    content = {"state_dict": state, "hyper_parameters": values, "pytorch-lightning_version": "2.0"}
    (folder / "checkpoints").mkdir(exist_ok=True)
    torch.save(content, folder / "checkpoints" / "model.ckpt")


def _head(values: dict[str, Any], width: int, layers: int) -> dict[str, torch.Tensor]:
    """Returns the tensors of all that stands on the encoder."""
    kind = values["class_identifier"]
    state: dict[str, torch.Tensor] = {}
    if values.get("sent_layer" if kind in MARKED else "layer", "mix") == "mix":
        mixed = layers + 1  # the embeddings are one
        state["layerwise_attention.gamma"] = torch.ones(1)
        for number in range(mixed):
            state[f"layerwise_attention.scalar_parameters.{number}"] = torch.zeros(1)
        if values.get("dropout", 0.1):
            state["layerwise_attention.dropout_mask"] = torch.zeros(mixed)
            state["layerwise_attention.dropout_fill"] = torch.full((mixed,), -1e20)
    sizes = [VECTORS[kind] * width, *values.get("hidden_sizes", [3072, 1024]), 1]
    for number, (count, out) in enumerate(pairwise(sizes)):  # an activation and dropout between
        layer = torch.nn.Linear(count, out).state_dict()
        state |= {f"estimator.ff.{3 * number}.{name}": value for name, value in layer.items()}
    if kind == "xcomet_metric" or values.get("word_level_training"):
        labels = 1 + len(values.get("error_labels", ("minor", "major", "critical")))
        layer = torch.nn.Linear(width, labels).state_dict()
        state |= {f"hidden2tag.{name}": value for name, value in layer.items()}
        if values.get("cross_entropy_weights"):
            state["wordloss.weight"] = torch.tensor(values["cross_entropy_weights"])
    return state
