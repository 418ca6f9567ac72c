"""Puts a tokenizer into a GGUF file, from ``tokenizer.json``.

llama.cpp does not run the pre-tokenizer of a ``tokenizer.json``; it has its own under a name.
One without a name here is an error: the file would load, and split text otherwise than the model
was trained with. ``tests/bench/llama_cpp_tokens.py`` compares the ids of 200 texts with
llama.cpp's: all are equal for Llama-2's, Llama-3's and SmolLM2's vocabulary (llama-cpp-python
0.3.36). What a GGUF file cannot say: a ``Metaspace`` of the scheme ``first`` puts no second
blank before a text that begins with one, and llama.cpp does. Nor has it a word for a blank at
the start of a text and none behind special tokens: it has one in both or in neither (``_spaced``).
"""

from pathlib import Path
from typing import Any

from gguf import TokenType
from transformers import AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.templates.encoding import adds_bos, marks_after_special, marks_start

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Llama-3's pattern (its ``tokenizer.json``), which llama.cpp calls ``llama-bpe``."""


def add_tokenizer(writer: Any, checkpoint: Path, vocabulary: int) -> None:
    """Adds vocabulary, merges or scores, special tokens and chat template (``StudyError`` if there
    is no ``tokenizer.json``, it is no BPE, its pre-tokenizer has no name in llama.cpp, or it has
    more ids than rows). ``vocabulary`` is the number of the embedding's rows; ids without a token
    are marked unused."""
    where = checkpoint / "tokenizer.json"
    values = read_json(where)
    model = values["model"]
    if model.get("type") != "BPE":
        what = f"GGUF export knows BPE tokenizers, not {model.get('type')!r}"
        raise StudyError(what, where=where)
    tokens, types = _tokens(values, vocabulary, where)
    if model.get("byte_fallback"):
        writer.add_tokenizer_model("llama")  # SentencePiece
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(_scores(tokens, types, model["merges"]))
    else:
        writer.add_tokenizer_model("gpt2")  # byte level
        writer.add_tokenizer_pre(_pre_tokenizer(values, where))
        writer.add_token_merges([_merge(merge) for merge in model["merges"]])
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    _add_special(writer, checkpoint, spaced=bool(model.get("byte_fallback")))


def _tokens(values: Any, vocabulary: int, where: Path) -> tuple[list[str], list[int]]:
    """Returns the text and the type of every id of the embedding."""
    tokens = [f"[PAD{number}]" for number in range(vocabulary)]
    types = [int(TokenType.UNUSED)] * vocabulary
    known = dict(values["model"]["vocab"])
    added = {token["id"]: token for token in values.get("added_tokens", [])}
    for text, number in [*known.items(), *((t["content"], i) for i, t in added.items())]:
        if number >= vocabulary:
            raise StudyError(f"token id {number} has no row in the embedding", where=where)
        tokens[number] = text
        types[number] = _type(text, number, added, values["model"])
    return tokens, types


def _type(text: str, number: int, added: dict[int, Any], model: Any) -> int:
    if text == model.get("unk_token") and model.get("byte_fallback"):
        return int(TokenType.UNKNOWN)
    if number in added:
        return int(TokenType.CONTROL if added[number]["special"] else TokenType.USER_DEFINED)
    if model.get("byte_fallback") and len(text) == 6 and text.startswith("<0x"):
        return int(TokenType.BYTE)
    return int(TokenType.NORMAL)


def _scores(tokens: list[str], types: list[int], merges: list[Any]) -> list[float]:
    """Returns SentencePiece BPE scores: minus the rank, as its trainer assigns them. llama.cpp
    joins the neighbours whose piece has the highest score, so the pieces rank as their first merges
    do; what no merge makes comes last."""
    made = dict.fromkeys(_merge(merge).replace(" ", "") for merge in merges)
    rank = {text: number for number, text in enumerate(dict.fromkeys([*made, *tokens]))}
    return [
        -float(rank[text]) if kind == TokenType.NORMAL else 0.0
        for text, kind in zip(tokens, types, strict=True)
    ]


def _merge(merge: Any) -> str:
    return merge if isinstance(merge, str) else " ".join(merge)


def _pre_tokenizer(values: Any, where: Path) -> str:
    """Returns llama.cpp's name of the pre-tokenizer."""
    node = values.get("pre_tokenizer") or {}
    steps = node.get("pretokenizers", [node])
    kinds = [step.get("type") for step in steps]
    own_split = steps[-1].get("use_regex", True)
    # llama.cpp normalises no text and puts no blank before it, and its name decides
    # whether a word of the vocabulary is taken without its merges.
    plain = not values.get("normalizer") and not steps[-1].get("add_prefix_space")
    whole_words = bool(values["model"].get("ignore_merges"))
    if plain and kinds == ["ByteLevel"] and own_split and not whole_words:
        return "gpt-2"
    digits = kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits")
    if plain and digits and own_split and not whole_words:
        return "smollm"
    split = kinds == ["Split", "ByteLevel"] and steps[0]["pattern"].get("Regex") == LLAMA3
    if plain and split and not own_split and whole_words:
        return "llama-bpe"
    what = f"llama.cpp's name for the pre-tokenizer {kinds} is not known"
    raise StudyError(what, where=where, fix="format: groupwise")


def _add_special(writer: Any, checkpoint: Path, spaced: bool) -> None:
    """Adds special ids, BOS, the blank before a text if ``spaced``, and the chat template."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    for name in ("bos", "eos", "unk", "pad"):
        number = getattr(tokenizer, f"{name}_token_id")
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    if spaced:
        writer.add_add_space_prefix(_spaced(tokenizer))
    plain = tokenizer("a").input_ids
    writer.add_add_bos_token(bool(plain) and plain[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(bool(plain) and plain[-1] == tokenizer.eos_token_id)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)


def _spaced(tokenizer: Any) -> bool:
    """Tells whether llama.cpp is to put a blank before a text and behind every special token. Where
    the tokenizer has it at the start only, a conversation is right without it: its template opens
    with a BOS, and writes the blank itself where the tokenizer would lose it."""
    templated = isinstance(tokenizer.chat_template, str) and adds_bos(tokenizer)
    return marks_start(tokenizer) and (marks_after_special(tokenizer) or not templated)
