"""Tokenizers inside GGUF files: SentencePiece-like ones, ids without a token, wrong ones."""

from __future__ import annotations

import json

import gguf
import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.shared import templates
from bayling_study.stages.export import gguf_tokenizer
from helpers.export_models import TEXT, export_tiny, save_tiny, tiny_model

MARK = "▁"
SPECIAL = ["<unk>", "<s>", "</s>"]


def sentencepiece_like(marks: bool = True) -> PreTrainedTokenizerFast:
    """A BPE tokenizer as Llama's: byte fallback, pieces in the order of their merges."""
    steps = [normalizers.Prepend(MARK)] if marks else []
    normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", MARK)])
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizer
    trained.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=80, show_progress=False))
    values = read_model(trained)
    merges = [tuple(merge) for merge in values["merges"]]
    joined = ["".join(merge) for merge in merges]
    letters = [text for text in values["vocab"] if text not in joined]
    pieces = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)] + joined + letters
    vocabulary = {text: number for number, text in enumerate(dict.fromkeys(pieces))}
    core = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    core.normalizer = normalizer
    core.decoder = decoders.Sequence(
        [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def read_model(tokenizer):
    return json.loads(tokenizer.to_str())["model"]


def fields(out):
    reader = gguf.GGUFReader(out / "model-q8_0.gguf")
    return {name: field.contents() for name, field in reader.fields.items()}


def test_a_sentencepiece_like_tokenizer_keeps_its_ids(tmp_path):
    tokenizer = sentencepiece_like()
    save_tiny(tmp_path / "model", tiny_model(vocab_size=400))
    tokenizer.save_pretrained(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out", "gguf")
    stored = fields(tmp_path / "out")
    assert stored["tokenizer.ggml.model"] == "llama"
    types = stored["tokenizer.ggml.token_type"]
    assert types[:3] == [2, 3, 3] and set(types[3:259]) == {6}  # unknown, control, bytes
    assert stored["tokenizer.ggml.scores"][259:262] == [0.0, -1.0, -2.0]
    (tmp_path / "out" / "tokenizer.json").unlink()  # so that only the GGUF's own is there
    (tmp_path / "out" / "tokenizer_config.json").unlink()
    inside = AutoTokenizer.from_pretrained(tmp_path / "out", gguf_file="model-q8_0.gguf")
    for text in ("the weather is nice today", "translate this, please", "Größe 你好"):
        ours = tokenizer(text, add_special_tokens=False).input_ids
        assert inside(text, add_special_tokens=False).input_ids == ours


def test_rows_without_a_token_are_marked_unused(tmp_path):
    save_tiny(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out", "gguf")
    stored = fields(tmp_path / "out")
    assert len(stored["tokenizer.ggml.tokens"]) == 300
    assert stored["tokenizer.ggml.tokens"][-1] == "[PAD299]"
    assert stored["tokenizer.ggml.token_type"][-1] == 5
    assert stored["tokenizer.ggml.pre"] == "smollm"
    assert stored["tokenizer.ggml.eos_token_id"] == 1
    assert stored["tokenizer.ggml.add_bos_token"] is False


def test_a_token_beyond_the_embedding_is_an_error(tmp_path):
    save_tiny(tmp_path / "model")
    path = tmp_path / "model" / "tokenizer.json"
    values = read_json(path)
    values["added_tokens"].append(values["added_tokens"][0] | {"id": 300, "content": "<extra>"})
    write_json(path, values)
    with pytest.raises(StudyError, match="300 has no row"):
        export_tiny(tmp_path / "model", tmp_path / "out", "gguf")


def test_a_tokenizer_that_is_no_bpe_is_an_error(tmp_path):
    save_tiny(tmp_path / "model")
    path = tmp_path / "model" / "tokenizer.json"
    values = read_json(path)
    values["model"] = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    write_json(path, values)
    with pytest.raises(StudyError, match="WordLevel"):
        export_tiny(tmp_path / "model", tmp_path / "out", "gguf")


@pytest.mark.parametrize("marks", [True, False])
def test_the_blank_before_a_text_is_the_tokenizers_own(tmp_path, marks):
    save_tiny(tmp_path / "model", tiny_model(vocab_size=400))
    sentencepiece_like(marks).save_pretrained(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out", "gguf")
    assert fields(tmp_path / "out")["tokenizer.ggml.add_space_prefix"] is marks


def byte_level(tmp_path, pre_tokenizer, **model):
    save_tiny(tmp_path / "model")
    path = tmp_path / "model" / "tokenizer.json"
    values = read_json(path)
    values["pre_tokenizer"] = pre_tokenizer
    values["model"] |= model
    write_json(path, values)


LLAMA3 = {
    "type": "Sequence",
    "pretokenizers": [
        {
            "type": "Split",
            "pattern": {"Regex": gguf_tokenizer.LLAMA3},
            "behavior": "Isolated",
            "invert": False,
        },
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ],
}
BLANK = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


def test_llama_3_has_its_name(tmp_path):
    byte_level(tmp_path, LLAMA3, ignore_merges=True)
    export_tiny(tmp_path / "model", tmp_path / "out", "gguf")
    assert fields(tmp_path / "out")["tokenizer.ggml.pre"] == "llama-bpe"


@pytest.mark.parametrize(
    ("pre_tokenizer", "ignores"), [(LLAMA3, False), (BLANK, False), (BLANK, True)]
)
def test_what_llama_cpp_would_split_otherwise_is_refused(tmp_path, pre_tokenizer, ignores):
    byte_level(tmp_path, pre_tokenizer, ignore_merges=ignores)
    with pytest.raises(StudyError, match="name for the pre-tokenizer"):
        export_tiny(tmp_path / "model", tmp_path / "out", "gguf")


def test_scores_follow_merges_where_the_vocabulary_does_not():
    """Llama-2's vocabulary begins with a run of blanks whose merge is among the last."""
    tokens = ["<unk>", MARK * 2, "ab", "abc", MARK, "a"]
    merges = [["a", "b"], ["ab", "c"], [MARK, MARK], ["a", "bc"]]
    scores = gguf_tokenizer._scores(tokens, [2, 1, 1, 1, 1, 1], merges)
    assert scores[:4] == [0.0, -2.0, 0.0, -1.0]
    assert min(scores[1:4]) > max(scores[4:])


@pytest.mark.parametrize(
    ("everywhere", "bos", "templated", "expected"),
    [
        (True, True, True, True),
        (False, True, True, False),  # a conversation opens with a BOS: no blank of llama.cpp's own
        (False, True, False, True),  # plain text only: the start has its blank
        (False, False, True, True),  # the template's first word is the start of the text
    ],
)
def test_llama_cpp_puts_blanks_where_the_conversations_of_training_had_them(
    tmp_path, everywhere, bos, templated, expected
):
    """llama.cpp puts one behind each special token where it puts one at the start."""
    tokenizer = sentencepiece_like()
    core = tokenizer.backend_tokenizer
    if not everywhere:
        core.normalizer = None
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    if bos:
        start = [("<s>", tokenizer.bos_token_id)]
        core.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=start)
    tokenizer.chat_template = templates.chat_template(tokenizer, "bayling") if templated else None
    save_tiny(tmp_path / "model", tiny_model(vocab_size=400))
    (tmp_path / "model" / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out", "gguf")
    assert fields(tmp_path / "out")["tokenizer.ggml.add_space_prefix"] is expected
