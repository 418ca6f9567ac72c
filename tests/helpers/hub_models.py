"""What the models of the full studies publish beside their weights, in small: facts, not files.

The values are those of the ``config.json`` and ``hparams.yaml`` on the hub; the tokenizers are
small ones of the same kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bayling_study.core.files import write_json
from bayling_study.shared.sources.table import SourceRow, read_sources
from helpers import ROOT
from helpers.training import llama3_tokenizer, old_llama_tokenizer

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 11008,
    "max_position_embeddings": 2048,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "pad_token_id": 0,
    "rms_norm_eps": 1e-06,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "transformers_version": "4.28.0.dev0",
    "use_cache": True,
    "vocab_size": 32000,
}
LLAMA_13B = {
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_attention_heads": 40,
    "num_hidden_layers": 40,
}
LLAMA_2 = {
    **LLAMA,
    "max_position_embeddings": 4096,
    "num_key_value_heads": 32,
    "pretraining_tp": 1,
    "rope_scaling": None,
}
LLAMA_3 = {
    **LLAMA_2,
    "bos_token_id": 128000,
    "eos_token_id": 128009,
    "intermediate_size": 14336,
    "max_position_embeddings": 8192,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0,
    "torch_dtype": "bfloat16",
    "vocab_size": 128256,
}
del LLAMA_3["pad_token_id"]
ENCODER = {
    "architectures": ["XLMRobertaForMaskedLM"],
    "attention_probs_dropout_prob": 0.1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 1024,
    "initializer_range": 0.02,
    "intermediate_size": 4096,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 514,
    "model_type": "xlm-roberta",
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "output_past": True,
    "pad_token_id": 1,
    "position_embedding_type": "absolute",
    "type_vocab_size": 1,
    "vocab_size": 250002,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama-7b": LLAMA,
    "llama-13b": {**LLAMA, **LLAMA_13B},
    "llama-2-7b-chat": LLAMA_2,
    "llama-2-13b-chat": {**LLAMA_2, **LLAMA_13B, "num_key_value_heads": 40},
    "llama-3-8b-instruct": LLAMA_3,
    "bayling-7b-diff": LLAMA,
    "bayling-13b-diff": {**LLAMA, **LLAMA_13B},
    "bayling-2-7b": LLAMA_2,
    "bayling-2-13b": {**LLAMA_2, **LLAMA_13B, "num_key_value_heads": 40},
    "bayling-2-llama-3-8b": LLAMA_3,
}
"""Of the language models, by source id."""
ENCODERS: dict[str, dict[str, Any]] = {
    "xlm-roberta-large": ENCODER,
    "xlm-roberta-xl": {
        **ENCODER,
        "architectures": ["XLMRobertaXLForMaskedLM"],
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "xlm-roberta-xl",
        "num_attention_heads": 32,
        "num_hidden_layers": 36,
        "vocab_size": 250880,
    },
    "infoxlm-large": {**ENCODER, "architectures": ["XLMRobertaModel"]},
}
TRAINED = {
    "activations": "Tanh",
    "batch_size": 4,
    "dropout": 0.1,
    "encoder_learning_rate": 1e-06,
    "final_activation": None,
    "keep_embeddings_frozen": True,
    "layer_norm": False,
    "layer_transformation": "sparsemax",
    "layerwise_decay": 0.95,
    "loss": "mse",
    "nr_frozen_epochs": 0.3,
    "optimizer": "AdamW",
    "train_data": ["data/train.csv"],
    "validation_data": ["data/en-de.csv", "data/zh-en.csv"],
    "warmup_steps": 0,
}
HPARAMS: dict[str, dict[str, Any]] = {
    "wmt22-comet-da": {
        **TRAINED,
        "class_identifier": "regression_metric",
        "encoder_model": "XLM-RoBERTa",
        "hidden_sizes": [3072, 1024],
        "layer": "mix",
        "pool": "avg",
        "pretrained_model": "xlm-roberta-large",
    },
    "xcomet-xl": {
        **TRAINED,
        "class_identifier": "xcomet_metric",
        "cross_entropy_weights": [0.08, 0.486, 0.505, 0.533],
        "encoder_model": "XLM-RoBERTa-XL",
        "error_labels": ["minor", "major", "critical"],
        "hidden_sizes": [2560, 1280],
        "loss_lambda": 0.055,
        "pretrained_model": "facebook/xlm-roberta-xl",
        "sent_layer": "mix",
        "word_layer": 36,
        "word_level_training": True,
    },
    "wmt22-cometkiwi-da": {
        **TRAINED,
        "class_identifier": "unified_metric",
        "encoder_model": "XLM-RoBERTa",
        "hidden_sizes": [3072, 1024],
        "input_segments": ["mt", "src"],
        "pretrained_model": "microsoft/infoxlm-large",
        "sent_layer": "mix",
        "word_layer": 24,
        "word_level_training": False,
    },
}
"""Of the COMET models, by source id."""


def row(source: str) -> SourceRow:
    """Returns the source's row of the shipped table."""
    return read_sources(ROOT / "config" / "sources.tsv")[source]


def small_files(folder: Path, source: str, **changed: Any) -> Path:
    """Writes what is fetched of a model for a rehearsal: all but the weights."""
    folder.mkdir(parents=True)
    if source in HPARAMS:
        text = yaml.safe_dump({**HPARAMS[source], **changed})
        (folder / "hparams.yaml").write_text(text)
        return folder
    values = {**CONFIGS, **ENCODERS}[source]
    write_json(folder / "config.json", {**values, **changed})
    if source in CONFIGS:
        new = values["vocab_size"] == 128256
        (llama3_tokenizer if new else old_llama_tokenizer)().save_pretrained(folder)
        ids = {key: values[key] for key in ("bos_token_id", "eos_token_id")}
        write_json(folder / "generation_config.json", ids)
    return folder
