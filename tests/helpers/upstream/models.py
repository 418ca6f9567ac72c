"""Repositories of the full studies' models: real configs, small tokenizers, names of weights."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from helpers.hub_models import CONFIGS, small_files
from helpers.upstream.hub import Repository
from helpers.upstream.packing import Files
from helpers.upstream.texts import sentences
from helpers.upstream.vocabularies import llama, llama_3

LLAMA_2_CHAT = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ '[INST] <<SYS>>\\n' + "
    "messages[0]['content'] + '\\n<</SYS>>\\n\\n' }}{% set messages = messages[1:] %}"
    "{% else %}{{ '[INST] ' }}{% endif %}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ ('' if loop.first else bos_token + '[INST] ') + "
    "message['content'].strip() + ' [/INST]' }}{% else %}{{ ' ' + message['content'].strip() + "
    "' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3_CHAT = (
    "{% for message in messages %}{{ ('<|begin_of_text|>' if loop.first else '') + "
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + "
    "message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
CHATS = {
    **dict.fromkeys(("llama-2-7b-chat", "llama-2-13b-chat"), LLAMA_2_CHAT),
    "llama-3-8b-instruct": LLAMA_3_CHAT,
}
"""Templates of models that have one of their own."""
PLACES = {
    "llama-7b": "huggyllama/llama-7b",
    "llama-13b": "huggyllama/llama-13b",
    "llama-2-7b-chat": "meta-llama/Llama-2-7b-chat-hf",
    "llama-2-13b-chat": "meta-llama/Llama-2-13b-chat-hf",
    "llama-3-8b-instruct": "meta-llama/Meta-Llama-3-8B-Instruct",
    "bayling-2-7b": "ICTNLP/bayling-2-7b",
    "bayling-2-13b": "ICTNLP/bayling-2-13b",
    "bayling-2-llama-3-8b": "ICTNLP/bayling-llama-3-8b",
    "xlm-roberta-large": "FacebookAI/xlm-roberta-large",
    "wmt22-comet-da": "Unbabel/wmt22-comet-da",
}
"""Names on the hub by source; of BayLing-2's two on Llama 3, the second is there."""
NO_WEIGHTS = b"these weights are never asked for"


@cache
def sentence_pieces() -> bytes:
    """Returns a small SentencePiece model of our own texts."""
    sink = io.BytesIO()
    texts = [text for triple in sentences(200) for text in triple]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=sink, vocab_size=600, byte_fallback=True,
        hard_vocab_limit=False, minloglevel=2, num_threads=1,
    )  # fmt: skip
    return sink.getvalue()


def repositories() -> dict[str, Repository]:
    """Returns the repositories of all models, those of Meta's gated."""
    return {
        f"models/{place}": Repository(
            {"main": _files(source)}, gated=place.startswith("meta-llama")
        )
        for source, place in PLACES.items()
    }


def _files(source: str) -> Files:
    """Returns a model's small files, and what stands for its weights."""
    files: Files = {"README.md": b"---\nlicense: other\n---\n", ".gitattributes": b""}
    with TemporaryDirectory() as scratch:
        folder = small_files(Path(scratch, "model"), source)
        if source in CONFIGS:
            (llama_3 if "llama-3" in source else llama)().save_pretrained(folder)
        for path in folder.iterdir():
            files[path.name] = path.read_bytes()
    if source == "wmt22-comet-da":
        return files | {"checkpoints/model.ckpt": NO_WEIGHTS, "LICENSE": b"Apache License\n"}
    if source == "xlm-roberta-large":
        return files | _encoder()
    if chat := CHATS.get(source):  # in the file where both have it, not in one of its own
        settings = json.loads(files["tokenizer_config.json"])
        files["tokenizer_config.json"] = json.dumps({**settings, "chat_template": chat}).encode()
    if "llama-3" in source:
        ids = {"bos_token_id": 128000, "eos_token_id": [128001, 128009]}
        files["generation_config.json"] = json.dumps(ids).encode()
    else:
        files["tokenizer.model"] = sentence_pieces()
    shards = [f"{number:05}-of-00002" for number in (1, 2)]
    index = json.dumps({"metadata": {"total_size": 13476839424}, "weight_map": {}}).encode()
    files |= {f"model-{shard}.safetensors": NO_WEIGHTS for shard in shards}
    files["model.safetensors.index.json"] = index
    if source in ("llama-7b", "llama-13b", *CHATS) and "llama-3" not in source:
        files |= {f"pytorch_model-{shard}.bin": NO_WEIGHTS for shard in shards}
        files["pytorch_model.bin.index.json"] = index
    return files


def _encoder() -> Files:
    """What XLM-R has beside its config: a tokenizer in both forms, and weights in four."""
    model = sentencepiece.SentencePieceProcessor(model_proto=sentence_pieces())
    pieces = [
        (model.id_to_piece(number), model.get_score(number)) for number in range(3, len(model))
    ]
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = [*((name, 0.0) for name in special), *pieces, ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 3, False))
    tokenizer.add_special_tokens([*special, "<mask>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )  # fmt: skip
    weights = ("model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "tf_model.h5")
    return {
        "sentencepiece.bpe.model": sentence_pieces(),
        "tokenizer.json": tokenizer.to_str().encode(),
        "tokenizer_config.json": b'{"model_max_length": 512}',
        **dict.fromkeys(weights, NO_WEIGHTS),
    }
