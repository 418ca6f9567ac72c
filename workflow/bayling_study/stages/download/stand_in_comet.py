"""A COMET checkpoint of random weights around a small encoder, for a rehearsal. The names of
tensors are those of unbabel-comet 2.2, which is in another environment; a test loads a checkpoint
of each class with its code."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import CONFIG_MAPPING, AutoModel

from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import derive_seed
from bayling_study.core.tables import beside
from bayling_study.shared.sources.gates import page
from bayling_study.shared.sources.table import SourceRow

HPARAMS = "hparams.yaml"
ENCODERS = {"XLM-RoBERTa": ("xlm-roberta", 250_002), "XLM-RoBERTa-XL": ("xlm-roberta-xl", 250_880)}
"""unbabel-comet's name of an encoder to the architecture and the words of its ``config.json``."""
FACTS = beside(__file__)
CLASSES: dict[str, dict[str, Any]] = FACTS["classes"]
"""Class to its defaults in unbabel-comet."""
VECTORS: dict[str, int] = FACTS["vectors"]
"""Class to vectors of a text's width that its estimator reads."""
GATED: dict[str, dict[str, Any]] = FACTS["gated"]
"""What stands for the hyper-parameters of a gated model, from its card."""


def write_comet(
    row: SourceRow, path: Path, shrunk: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Writes ``checkpoints/model.ckpt`` to fit the ``hparams.yaml``, which is made if it is absent.
    ``shrunk`` makes the encoder small as it does the ``config.json`` of the encoder's own source.
    ``StudyError`` of a class or an encoder that no stand-in is made of, and of a model without
    access of which neither is known."""
    if not path.exists():
        path.write_text(yaml.safe_dump(GATED.get(row.location, {})), encoding="utf-8")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    kind, name = values.get("class_identifier"), values.get("encoder_model")
    if kind not in CLASSES or name not in ENCODERS:
        what = f"no stand-in is made of a model of the class {kind!r} with the encoder {name!r}"
        fix = f"one of {', '.join(CLASSES)} with {' or '.join(ENCODERS)}; if {page(row)} is gated, "
        fix += "accept its terms; or leave the model out of comet.more"
        raise StudyError(what, where=path, fix=fix)
    model, words = ENCODERS[name]
    shape = {"vocab_size": words, "max_position_embeddings": 514, "type_vocab_size": 1}
    config = CONFIG_MAPPING[model](**shrunk({"model_type": model, **shape}))
    layers, known = config.num_hidden_layers, {**CLASSES[kind], **values}
    for key in {"layer", "sent_layer", "word_layer"} & known.keys():
        values[key] = min(known[key], layers) if known[key] != "mix" else "mix"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(0, row.id))
        state = _head(known, config.hidden_size, layers + 1)  # the embeddings are one
        encoder = AutoModel.from_config(config, add_pooling_layer=False)
    encoder.state_dict(destination=state, prefix="encoder.model.")
    (path.parent / "checkpoints").mkdir(exist_ok=True)
    content = {"state_dict": state, "hyper_parameters": values, "pytorch-lightning_version": "2.0"}
    torch.save(content, path.parent / "checkpoints" / "model.ckpt")


def _head(values: dict[str, Any], width: int, mixed: int) -> dict[str, torch.Tensor]:
    """Returns the tensors of all that stands on the encoder, of which so many layers are mixed."""
    kind, state = values["class_identifier"], {}
    if values.get("layer" if "regression" in kind else "sent_layer", "mix") == "mix":
        name, zeros = "layerwise_attention", torch.zeros(mixed)
        state = {f"{name}.scalar_parameters.{layer}": torch.zeros(1) for layer in range(mixed)}
        state[f"{name}.gamma"] = torch.ones(1)
        if values.get("dropout", 0.1):
            state |= {f"{name}.dropout_mask": zeros, f"{name}.dropout_fill": zeros - 1e20}
    sizes = [VECTORS[kind] * width, *values["hidden_sizes"], 1]
    parts = {
        f"estimator.ff.{3 * number}.": torch.nn.Linear(*size)  # an activation and dropout between
        for number, size in enumerate(pairwise(sizes))
    }
    if values.get("word_level_training"):
        parts["hidden2tag."] = torch.nn.Linear(width, 1 + len(values["error_labels"]))
        if values.get("cross_entropy_weights"):
            state["wordloss.weight"] = torch.tensor(values["cross_entropy_weights"])
    for prefix, part in parts.items():
        part.state_dict(destination=state, prefix=prefix)
    return state
