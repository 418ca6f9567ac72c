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
XLMR = {"vocab_size": 250_002, "max_position_embeddings": 514, "type_vocab_size": 1}
ENCODERS = {
    "XLM-RoBERTa": {**XLMR, "model_type": "xlm-roberta"},
    "XLM-RoBERTa-XL": {**XLMR, "model_type": "xlm-roberta-xl", "vocab_size": 250_880},
}
"""unbabel-comet's name of an encoder to what its ``config.json`` says, beside widths and depth."""
CLASSES: dict[str, dict[str, Any]] = {
    "regression_metric": {"hidden_sizes": [3072, 1024]},
    "referenceless_regression_metric": {"hidden_sizes": [2048, 1024]},
    "unified_metric": {
        "hidden_sizes": [3072, 1024], "word_layer": 24, "error_labels": ["minor", "major"],
    },
    "xcomet_metric": {
        "hidden_sizes": [2560, 1280], "word_layer": 36, "word_level_training": True,
        "error_labels": ["minor", "major", "critical"],
        "cross_entropy_weights": [0.08, 0.486, 0.505, 0.533],
    },
}  # fmt: skip
"""Class to its defaults in unbabel-comet."""
VECTORS = dict(zip(CLASSES, (6, 4, 1, 1), strict=True))
"""Class to vectors of a text's width that its estimator reads."""
GATED: dict[str, dict[str, Any]] = {
    "models/Unbabel/XCOMET-XL": {
        "class_identifier": "xcomet_metric",
        "encoder_model": "XLM-RoBERTa-XL",
        "pretrained_model": "facebook/xlm-roberta-xl",
    },
    "models/Unbabel/wmt22-cometkiwi-da": {
        "class_identifier": "unified_metric",
        "encoder_model": "XLM-RoBERTa",
        "pretrained_model": "microsoft/infoxlm-large",
        "input_segments": ["mt", "src"],
    },
}
"""What stands for the hyper-parameters of a gated model, from its card."""


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
    if kind not in CLASSES or name not in ENCODERS:
        what = f"no stand-in is made of the class {kind!r} with the encoder {name!r}"
        fix = f"a class of {', '.join(CLASSES)} with an encoder of {', '.join(ENCODERS)}"
        raise StudyError(what, where=path, fix=fix)
    values = {**CLASSES[kind], **values}
    small = shrunk(ENCODERS[name])
    layers = small["num_hidden_layers"]
    for key in {"layer", "sent_layer", "word_layer"} & values.keys():
        if values[key] != "mix":
            values[key] = min(int(values[key]), layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(0, row.id))
        config = CONFIG_MAPPING[small["model_type"]](**small)
        encoder = AutoModel.from_config(config, add_pooling_layer=False).state_dict()
        head = _head(values, small["hidden_size"], layers + 1)  # the embeddings are one
    state = {**{f"encoder.model.{name}": value for name, value in encoder.items()}, **head}
    content = {"state_dict": state, "hyper_parameters": values, "pytorch-lightning_version": "2.0"}
    (folder / "checkpoints").mkdir(exist_ok=True)
    torch.save(content, folder / "checkpoints" / "model.ckpt")


def _head(values: dict[str, Any], width: int, mixed: int) -> dict[str, torch.Tensor]:
    """Returns the tensors of all that stands on the encoder, of which so many layers are mixed."""
    kind, state = values["class_identifier"], {}
    if values.get("layer" if "regression" in kind else "sent_layer", "mix") == "mix":
        state["layerwise_attention.gamma"] = torch.ones(1)
        for number in range(mixed):
            state[f"layerwise_attention.scalar_parameters.{number}"] = torch.zeros(1)
        if values.get("dropout", 0.1):
            state["layerwise_attention.dropout_mask"] = torch.zeros(mixed)
            state["layerwise_attention.dropout_fill"] = torch.full((mixed,), -1e20)
    sizes = [VECTORS[kind] * width, *values["hidden_sizes"], 1]
    for number, (count, out) in enumerate(pairwise(sizes)):  # an activation and dropout between
        layer = torch.nn.Linear(count, out)
        layer.state_dict(destination=state, prefix=f"estimator.ff.{3 * number}.")
    if kind == "xcomet_metric" or values.get("word_level_training"):
        labels = 1 + len(values["error_labels"])
        torch.nn.Linear(width, labels).state_dict(destination=state, prefix="hidden2tag.")
        if values.get("cross_entropy_weights"):
            state["wordloss.weight"] = torch.tensor(values["cross_entropy_weights"])
    return state
