"""A foundation with new tokens for some languages, after Bailong (arXiv 2404.00862).

The model's own byte-level BPE is trained further on text of the languages: each new merge joins two
tokens, and follows all merges that there are. So a text without a new token is encoded as before;
tokens that are only added would be split off before BPE.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor

from bayling_study.config import load_settings
from bayling_study.config.systems import FoundationSystem, Vocabulary
from bayling_study.core import cli, parquet
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, write_json
from bayling_study.core.lookup import look_up_kind
from bayling_study.core.seeds import derive_seed
from bayling_study.shared.checkpoints.loading import load_whole
from bayling_study.shared.checkpoints.older_readers import add_older_names
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.foundation.checkpoint import SHARD_BYTES, adopt_hub, prove_equal

TOKENIZER = "tokenizer.json"
CHANGED = re.compile(r"safetensors|^(generation_)?config\.|^(tokenizer|vocab)\.|^merges\.")
"""Names of the files that hold the weights and the vocabulary as they were."""
SYMBOL = 0x10000
"""The character that stands for token 0 while merges are learnt; from here on none is a blank."""
SPARE = 3  # merges learnt per token wanted: one whose token exists already is left out

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    system=cli.SYSTEM,
    foundation=cli.path("checkpoint to start from"),
    parallel=cli.path("segments of the corpora stage"),
    out=cli.path("checkpoint folder to write"),
)


def main() -> None:
    """Writes the checkpoint of one system."""
    options = COMMAND_LINE.parse_args()
    config, label = load_settings(options.settings, "systems"), f"vocabulary-{options.system}"
    system = look_up_kind(FoundationSystem, "foundation", options.system, config.systems)
    wanted = Vocabulary.model_validate(system.vocabulary)
    with run_record(options.record, "foundation", label, config.study.name, options.code) as run:
        run.parameters(wanted.model_dump(mode="json"))
        run.input("foundation", options.foundation)
        run.input("corpora", options.parallel)
        texts = training_texts(options.parallel, wanted.languages)
        with atomic_directory(options.out) as scratch:
            run.metrics(grow(options.foundation, scratch, wanted, texts, config.study.seed))
        run.output("checkpoint", options.out)


def training_texts(path: Path, languages: Sequence[str]) -> list[str]:
    """Returns the texts in the languages on the training side of ``parallel.parquet``."""
    rows = parquet.rows(path, ["lang_a", "lang_b", "text_a", "text_b", "split"])
    train = [row for row in rows if row["split"] == "train"]
    return [row[f"text_{s}"] for row in train for s in "ab" if row[f"lang_{s}"] in languages]


def grow(
    source: Path, out: Path, wanted: Vocabulary, texts: list[str], seed: int
) -> dict[str, float]:
    """Writes the checkpoint ``source`` with new tokens to the folder ``out``; returns the texts'
    tokens before and after. Without a new token, the files stay as they are. ``StudyError`` if the
    tokenizer is no byte-level BPE, or the texts give too few tokens."""
    facts = adopt_hub(source, out)
    if not wanted.tokens:
        return facts
    content, pieces = extended(source / TOKENIZER, texts, wanted.tokens)
    end = max(content["model"]["vocab"].values()) + 1
    first = end - wanted.tokens
    model = load_whole(source, dtype="auto")
    model.resize_token_embeddings(max(model.config.vocab_size, end), mean_resizing=False)
    layers = model.get_input_embeddings(), model.get_output_embeddings()
    for number, matrix in enumerate({id(one.weight): one.weight.data for one in layers}.values()):
        chance = derive_seed(seed, "vocabulary", str(number))
        matrix[first:end] = started(matrix[:first], pieces, wanted.start, chance)
    for file in [file for file in out.iterdir() if CHANGED.search(file.name)]:
        file.unlink()  # a link to the one that stays
    model.save_pretrained(out, max_shard_size=SHARD_BYTES)
    write_json(out / TOKENIZER, content)
    add_older_names(out)
    prove_equal(model.state_dict(), out)
    read = (Tokenizer.from_file(str(folder / TOKENIZER)) for folder in (source, out))
    before, after = (sum(map(len, one.encode_batch(texts))) for one in read)
    return {"tokens.before": before, "tokens.after": after}


def extended(path: Path, texts: list[str], tokens: int) -> tuple[dict[str, Any], list[list[int]]]:
    """Returns a ``tokenizer.json`` with so many new tokens, their ids behind its last one, and of
    each the ids of the old tokens that it is made of (``StudyError`` as ``grow``)."""
    old = Tokenizer.from_file(str(path))
    content: dict[str, Any] = json.loads(old.to_str())
    model = content["model"]
    if model["type"] != "BPE" or "ByteLevel" not in json.dumps(content["pre_tokenizer"]):
        fix = "a foundation with byte-level BPE, as SmolLM2, Llama 3 and Qwen have"
        raise StudyError("its tokenizer is no byte-level BPE", where=path, fix=fix)
    names = {chr(SYMBOL + number): name for name, number in old.get_vocab().items()}
    usable, found, end = set(names), list[list[int]](), ord(max(names)) - SYMBOL + 1
    for left, right in merges_of(old, texts, SPARE * tokens):
        one, two = ("".join(map(names.__getitem__, part)) for part in (left, right))
        if len(found) < tokens and {left, right} <= usable and one + two not in model["vocab"]:
            usable.add(left + right)
            model["vocab"][one + two] = end + len(found)
            model["merges"].append([one, two])
            found.append([ord(symbol) - SYMBOL for symbol in left + right])
    if len(found) < tokens:
        what = f"the training text gives {len(found)} new tokens, not {tokens}"
        raise StudyError(what, where="vocabulary.tokens", fix="fewer, or more languages or text")
    return content, found


def merges_of(old: Tokenizer, texts: list[str], count: int) -> list[list[str]]:
    """Returns merges by which BPE goes on from a tokenizer, the most frequent pair first, none that
    occurs once; a character from ``SYMBOL`` on stands for each of its tokens."""

    @cache
    def symbols(word: str) -> str:
        return "".join(chr(SYMBOL + token.id) for token in old.model.tokenize(word))

    normal = old.normalizer.normalize_str if old.normalizer else str
    split = (old.pre_tokenizer.pre_tokenize_str(normal(text)) for text in texts)
    lines = [" ".join(symbols(word) for word, _ in words) for words in split]
    size = len(set().union(*lines)) + count
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False)
    learner.train_from_iterator(lines, trainer)
    merges: list[list[str]] = json.loads(learner.to_str())["model"]["merges"]
    return merges


def started(matrix: Tensor, pieces: Sequence[Sequence[int]], start: str, seed: int) -> Tensor:
    """Returns the first rows ``(tokens, width)`` of tokens that are made of rows of ``matrix``.

    ``mean``: their mean. ``random``: normal noise with the standard deviation of ``matrix``.
    ``similarity``: the mean weighted by the softmax of each row's cosine with the plain mean, so
    that one unlike the others counts less; Bailong's own formula (zip-tie) is not public.
    """
    if start == "random":
        chance = torch.Generator().manual_seed(seed)
        noise = torch.randn(len(pieces), matrix.shape[1], generator=chance)
        return (noise * matrix.float().std()).to(matrix.dtype)
    groups = [matrix[list(ids)].float() for ids in pieces]
    rows = [group.mean(dim=0) for group in groups]
    if start == "similarity":
        alike = (torch.cosine_similarity(g, m[None]) for g, m in zip(groups, rows, strict=True))
        rows = [torch.softmax(a, dim=0) @ g for a, g in zip(alike, groups, strict=True)]
    return torch.stack(rows).to(matrix.dtype)


if __name__ == "__main__":
    cli.run_program(main)
