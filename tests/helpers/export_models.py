"""Tiny checkpoints for the tests of the 8-bit export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bayling_study.config import StudyConfig
from bayling_study.config.evaluation import ExportSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_path
from bayling_study.shared.checkpoints.reading import open_checkpoint
from bayling_study.stages.export.__main__ import make_format
from bayling_study.stages.export.job import export

VOCABULARY = 300
TEXT = ["the weather is nice today", "translate this sentence into German, please"] * 3
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_config(**changes: Any) -> LlamaConfig:
    values: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 96,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 24,
        "max_position_embeddings": 128,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    return LlamaConfig(**(values | changes))


def tiny_model(seed: int = 7, dtype: torch.dtype = torch.float16, **changes: Any) -> Any:
    """A random model whose logits differ clearly from token to token."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(tiny_config(initializer_range=0.1, **changes)).to(dtype).eval()
    return model


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 10,  # some rows of the embedding have no token
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(TEXT, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_start|>",
        model_input_names=["input_ids", "attention_mask"],
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def save_tiny(folder: Path, model: Any = None, shard: str = "5GB", **changes: Any) -> Any:
    """Saves a tiny checkpoint with its tokenizer; returns the model."""
    model = tiny_model(**changes) if model is None else model
    model.save_pretrained(folder, max_shard_size=shard)
    tiny_tokenizer().save_pretrained(folder)
    return model


def save_pickled(folder: Path, model: Any) -> None:
    """Saves a tiny checkpoint with its weights in ``pytorch_model.bin``."""
    save_tiny(folder, model)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


def export_tiny(checkpoint: Path, out: Path, name: str = "groupwise", **options: Any) -> Any:
    """Exports a checkpoint as the stage does; returns the error report."""
    opened = open_checkpoint(checkpoint)
    config = StudyConfig(export=ExportSection(**options))
    return export(opened, make_format(opened, name, config), out)


def logits(model: Any, length: int = 24) -> torch.Tensor:
    """The model's fp32 logits on a fixed random sequence."""
    ids = torch.randint(2, 290, (2, length), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return model(ids).logits.float()


def refused(model: Path, text: str, name: str = "groupwise", **options: Any) -> StudyError:
    """Exports and expects an error with ``text``, no output and an unchanged original."""
    before = sha256_path(model)
    out = model.parent / "out"
    with pytest.raises(StudyError, match=text) as caught:
        export_tiny(model, out, name, **options)
    assert not out.exists()
    assert sha256_path(model) == before
    return caught.value


def change(model: Path, edit: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Edits the tensors of a saved checkpoint."""
    tensors = load_file(model / "model.safetensors")
    edit(tensors)
    save_file(tensors, model / "model.safetensors", {"format": "pt"})
