"""A tiny foundation, tokenizers and instructions for tests of chat and tuning."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bayling_study.stages.masks.__main__ import encode
from helpers import ROOT

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_SPECIALS = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
]
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def byte_level(specials: list[str], split: str | None = None) -> Tokenizer:
    """A byte-level vocabulary with the merges that matter here: punctuation before newlines."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    newline = "\u010a"
    merges = [(newline, newline), (".", newline), (":", newline), ("t", "h"), ("th", "e")]
    tokens = [*specials, *alphabet, *dict.fromkeys("".join(pair) for pair in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    if split:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(split), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def legacy_llama_tokenizer() -> PreTrainedTokenizerFast:
    """The older conversion of ``old_llama_tokenizer``."""
    return old_llama_tokenizer(legacy=True)


def chatml_tokenizer() -> PreTrainedTokenizerFast:
    """Like SmolLM2's: byte level, no BOS in front, ChatML template."""
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level(names),
        bos_token=names[1],
        eos_token=names[2],
        pad_token=names[0],
        unk_token=names[0],
        chat_template=CHATML,
    )


def llama3_tokenizer() -> PreTrainedTokenizerFast:
    """Like Llama-3's: its split rule joins punctuation with newlines; a BOS is put in front."""
    tokenizer = byte_level(LLAMA3_SPECIALS, LLAMA3_SPLIT)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=LLAMA3_SPECIALS[0],
        eos_token=LLAMA3_SPECIALS[1],
        additional_special_tokens=LLAMA3_SPECIALS[2:],
    )


def old_llama_tokenizer(legacy: bool = False) -> PreTrainedTokenizerFast:
    """Like BayLing-7B's: SentencePiece form, BOS, EOS and unknown all ``</s>``, padding <unk>.

    ``legacy`` puts a blank also behind every special token, as older conversions do.
    """
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["\u2581", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,:#/?!0123456789"]
    merges = [("\u2581", "a"), ("\u2581", "t"), ("#", "#"), ("##", "#"), ("t", "h")]
    pieces += ["".join(pair) for pair in merges]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    if legacy:
        steps = [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
        tokenizer.normalizer = normalizers.Sequence(steps)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="</s>",
        eos_token="</s>",
        unk_token="</s>",
        pad_token="<unk>",
    )


def tiny_model(vocabulary: int, tied: bool = True, **extra: Any) -> LlamaForCausalLM:
    """A random Llama of two layers, the same one every time."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **extra,
    )
    return LlamaForCausalLM(config)


def write_foundation(folder: Path, tied: bool = True) -> Path:
    """Writes a tiny foundation with a ChatML tokenizer."""
    tokenizer = chatml_tokenizer()
    tiny_model(len(tokenizer), tied).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_wide_foundation(folder: Path) -> Path:
    """Writes a tiny foundation of whole 4-bit blocks (64) with a ChatML tokenizer."""
    tokenizer = chatml_tokenizer()
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def conversations(count: int) -> list[dict[str, Any]]:
    """Conversations of very different lengths, every fourth with two exchanges."""
    rows = []
    for number in range(count):
        messages = [
            {"role": "user", "content": f"Say {number} " + "please " * (number % 5)},
            {"role": "assistant", "content": f"the {number}. " * (1 + number % 3)},
        ]
        if number % 4 == 0:
            messages += [
                {"role": "user", "content": "Again"},
                {"role": "assistant", "content": f"the {number} again"},
            ]
        rows.append({"id": f"c{number}", "recipe": "test", "source": "test", "messages": messages})
    return rows


def write_instructions(folder: Path, count: int = 24) -> Path:
    """Writes ``train.parquet``."""
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(conversations(count)), folder / "train.parquet")
    return folder


def write_masks(folder: Path, instructions: Path, foundation: Path, length: int) -> None:
    """Encodes instructions as the stage ``masks`` does, anew each time."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    encode(folder, instructions, foundation, "bayling", length)


class Stage:
    """A tuning job in a folder, ready to be started.

    Attributes:
        command: command line of the stage program.
        environment: of the stage program.
    """

    def __init__(self, folder: Path, processes: int = 1, **tuning: Any) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.checkpoints = folder / "checkpoints"
        self.record = folder / "runs" / "tuning" / "tuned.json"
        if not (folder / "foundation").exists():
            write_foundation(folder / "foundation")
            write_instructions(folder / "synthesis")
        values = {"epochs": 1, "batch": 4, "max_length": 512, "learning_rate": 1e-3}
        values |= {"precision": "fp32", "zero_stage": 1, "gradient_checkpointing": False}
        settings = {
            "study": {"name": "tiny", "title": "Tiny", "seed": 5},
            "tuning": {**values, "output_dtype": "fp32", **tuning},
            "systems": {
                "foundation": {"kind": "foundation", "source": "x"},
                "tuned": {"kind": "tuned", "base": "foundation", "mixture": "default"},
            },
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        length = settings["tuning"]["max_length"]
        write_masks(folder / "masks", folder / "synthesis", folder / "foundation", length)
        self.command = [
            *(sys.executable, "-m", "bayling_study.stages.tuning", "--system", "tuned"),
            *("--settings", str(folder / "settings.json"), "--record", str(self.record)),
            *("--foundation", str(folder / "foundation")),
            *("--synthesis", str(folder / "synthesis"), "--out", str(self.out)),
            *("--masks", str(folder / "masks")),
            *("--checkpoints", str(self.checkpoints), "--processes", str(processes)),
        ]
        if "alignment" in tuning:
            self.command += ["--corpora", str(folder / "corpora")]
        path = f"{ROOT / 'workflow'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self.environment = {**os.environ, "PYTHONPATH": path}
