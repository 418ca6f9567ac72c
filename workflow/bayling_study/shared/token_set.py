"""The training set: rows of a file, and encoded conversations in arrays. The stage ``masks`` writes
the arrays once; every process of a training maps them into memory."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, sha256_file, sha256_json, sha256_path

BATCH_ROWS = 4096
AUDIT = "mask_audit.json"
TOKENS = "tokens"
TOKENIZER_FILES = ("tokenizer*", "special_tokens_map.json", "chat_template*", "added_tokens.json")
HEAD = 16  # first tokens by which conversations with the same start are recognised
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TokenSet:
    """Encoded conversations, one behind the other.

    Attributes:
        names: id of each conversation.
        offsets: int64 [n + 1]; conversation ``i`` is ``tokens[offsets[i]:offsets[i + 1]]``.
        tokens: int32 [total] token ids.
        mask: bool [total]; true where the token is supervised.
        prefixes: for each conversation how many of its first tokens, none of them supervised, it
            has in common with all others that have a number here; 0 if it stands alone.
        digest: hash of the stored arrays, 64 hex digits.
    """

    names: list[str]
    offsets: Array
    tokens: Array
    mask: Array
    prefixes: list[int]
    digest: str

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each conversation."""
        return [int(length) for length in np.diff(self.offsets)]

    @cached_property
    def supervised(self) -> list[int]:
        """Supervised tokens of each conversation."""
        sums = np.concatenate([[0], np.cumsum(self.mask, dtype=np.int64)])
        return [int(count) for count in sums[self.offsets[1:]] - sums[self.offsets[:-1]]]

    def conversation(self, index: int) -> tuple[Array, Array]:
        """Returns ids and mask of one conversation."""
        part = slice(self.offsets[index], self.offsets[index + 1])
        return self.tokens[part], self.mask[part]


def read_conversations(
    instructions: Path, columns: Sequence[str] = ("id", "recipe", "messages")
) -> Iterator[dict[str, Any]]:
    """Yields the rows of ``train.parquet`` of an instruction folder, a batch in memory at a time
    (``StudyError`` if the file is absent or empty)."""
    path = instructions / "train.parquet"
    if not path.exists():
        raise StudyError("the instructions do not exist", where=path, fix="run the synthesis first")
    file = parquet.ParquetFile(path)
    if not file.metadata.num_rows:
        raise StudyError("there is no conversation to train on", where=path)
    for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
        yield from batch.to_pylist()


def languages(instructions: Path) -> list[str]:
    """Returns the codes of the languages in ``train.parquet``, sorted; none if it does not say."""
    path = instructions / "train.parquet"
    if not path.exists() or "languages" not in parquet.read_schema(path).names:
        return []
    rows = read_conversations(instructions, ["languages"])
    return sorted({code for row in rows for code in row["languages"]})


def load(path: Path) -> TokenSet:
    """Maps the arrays that ``encode_all`` wrote."""
    files = (path / f"{name}.npy" for name in ("offsets", "tokens", "mask"))
    offsets, tokens, mask = (np.load(file, mmap_mode="r") for file in files)
    prefixes = shared_prefixes(offsets, tokens, mask)
    names = read_json(path / "names.json")
    return TokenSet(names, offsets, tokens, mask, prefixes, sha256_path(path))


def shared_prefixes(offsets: Array, tokens: Array, mask: Array) -> list[int]:
    """Returns for each conversation how many first tokens it shares with the largest group. The
    group is the conversations with the most frequent first ``HEAD`` tokens: those with the
    template's system text. Others, with a system message of their own, get 0. The shared part ends
    at least two tokens before the first supervised one, so that a position that predicts a
    supervised token is the conversation's own."""
    spans = list(itertools.pairwise(offsets.tolist()))
    heads = [tokens[start : min(start + HEAD, end)].tobytes() for start, end in spans]
    common = Counter(heads).most_common(1)[0][0]
    members = [span for span, head in zip(spans, heads, strict=True) if head == common]
    first = tokens[slice(*members[0])]
    prefix = len(first)
    for start, end in members:
        prefix = min(prefix, end - start, int(np.argmax(mask[start:end])) - 1)
        differs = np.flatnonzero(tokens[start : start + prefix] != first[:prefix])
        prefix = max(0, int(differs[0]) if len(differs) else prefix)
    return [prefix if head == common else 0 for head in heads]


def made_from(
    instructions: Path, foundation: Path, template: str, max_length: int
) -> dict[str, Any]:
    """Returns what decides the encoding: hashes of the data and of the tokenizer, and settings."""
    files = sorted({file for name in TOKENIZER_FILES for file in foundation.glob(name)})
    hashes = {file.name: sha256_file(file) for file in files if file.is_file()}
    return {
        "instructions": sha256_file(instructions / "train.parquet"),
        "tokenizer": sha256_json(hashes),
        "template": template,
        "max_length": max_length,
    }
