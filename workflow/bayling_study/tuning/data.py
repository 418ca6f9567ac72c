"""Conversations to one flat array of token ids with a loss mask, and its audit.

The stage program encodes once and writes arrays; every worker process maps them
into memory. Nothing is padded and nothing is guessed from text: the mask comes
from ``bayling_study.chat`` together with the ids.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from bayling_study import chat
from bayling_study.config.systems import TemplateName
from bayling_study.errors import StudyError
from bayling_study.files import atomic_directory, read_json, sha256_path, write_json

SHOWN_IDS = 5
HEAD = 16
"""First tokens by which conversations with the same start are recognised."""


@dataclass(frozen=True)
class TokenSet:
    """Encoded conversations, one behind the other.

    Attributes:
        names: id of each conversation.
        offsets: int64 [n + 1]; conversation ``i`` is ``tokens[offsets[i]:offsets[i + 1]]``.
        tokens: int32 [total] token ids.
        mask: bool [total]; true where the token is learnt.
        prefixes: for each conversation how many of its first tokens, none of them learnt, it
            has in common with all others that have a number here; 0 if it stands alone.
        digest: hash of the stored arrays, 64 hex digits.
    """

    names: list[str]
    offsets: np.ndarray[Any, Any]
    tokens: np.ndarray[Any, Any]
    mask: np.ndarray[Any, Any]
    prefixes: list[int]
    digest: str

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each conversation."""
        return [int(length) for length in np.diff(self.offsets)]

    @cached_property
    def trained(self) -> list[int]:
        """Learnt tokens of each conversation."""
        sums = np.concatenate([[0], np.cumsum(self.mask, dtype=np.int64)])
        return [int(count) for count in sums[self.offsets[1:]] - sums[self.offsets[:-1]]]

    def conversation(self, index: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Returns ids and mask of one conversation."""
        part = slice(self.offsets[index], self.offsets[index + 1])
        return self.tokens[part], self.mask[part]


def read_conversations(instructions: Path) -> list[dict[str, Any]]:
    """Reads ``train.parquet`` of an instruction folder.

    Raises:
        StudyError: the file is absent or empty, or an id occurs twice.
    """
    path = instructions / "train.parquet"
    if not path.exists():
        raise StudyError("the instructions do not exist", where=path, fix="run the synthesis first")
    rows: list[dict[str, Any]] = parquet.read_table(
        path, columns=["id", "recipe", "messages"]
    ).to_pylist()
    if not rows:
        raise StudyError("there is no conversation to train on", where=path)
    if len({row["id"] for row in rows}) != len(rows):
        raise StudyError("conversation ids are not unique", where=path)
    return rows


def languages(instructions: Path) -> list[str]:
    """Returns the codes of the languages in ``train.parquet``, sorted; none if it does not say."""
    path = instructions / "train.parquet"
    if "languages" not in parquet.read_schema(path).names:
        return []
    column = parquet.read_table(path, columns=["languages"]).column(0).to_pylist()
    return sorted({code for codes in column for code in codes})


def encode_all(
    rows: list[dict[str, Any]], tokenizer: Any, template: TemplateName, max_length: int, path: Path
) -> dict[str, Any]:
    """Encodes conversations into the folder ``path`` and returns the mask audit.

    A conversation of more than ``max_length`` tokens loses whole exchanges from
    its end; one whose first exchange is too long is left out. Both are counted.

    Raises:
        StudyError: a conversation is not well formed or has nothing to learn, or none is left.
    """
    names, ids, masks = [], [], []
    truncated, dropped = [], []
    for row in rows:
        try:
            kept = chat.fit_turns(tokenizer, template, row["messages"], max_length)
        except StudyError as error:
            raise StudyError(error.what, where=f"conversation {row['id']}") from error
        if not kept:
            dropped.append(row["id"])
            continue
        if len(kept) < len(row["messages"]):
            truncated.append(row["id"])
        tokens, mask = chat.encode(tokenizer, template, kept)
        names.append(row["id"])
        ids.append(np.asarray(tokens, dtype=np.int32))
        masks.append(np.asarray(mask, dtype=bool))
    check_masks(names, masks)
    with atomic_directory(path) as folder:
        np.save(folder / "tokens.npy", np.concatenate(ids))
        np.save(folder / "mask.npy", np.concatenate(masks))
        np.save(folder / "offsets.npy", np.cumsum([0, *map(len, ids)], dtype=np.int64))
        write_json(folder / "names.json", names)
    return audit(names, ids, masks, truncated, dropped)


def check_masks(names: list[str], masks: list[np.ndarray[Any, Any]]) -> None:
    """Checks that every conversation teaches something.

    Raises:
        StudyError: names conversations without a learnt token.
    """
    if not names:
        raise StudyError("no conversation fits into max_length", where="tuning.max_length")
    empty = [name for name, mask in zip(names, masks, strict=True) if not mask[1:].any()]
    if empty:
        shown = ", ".join(empty[:SHOWN_IDS])
        raise StudyError(f"{len(empty)} conversations have no token to learn: {shown}")


def audit(
    names: list[str],
    ids: list[np.ndarray[Any, Any]],
    masks: list[np.ndarray[Any, Any]],
    truncated: list[str],
    dropped: list[str],
) -> dict[str, Any]:
    """Returns counts, lengths and the share of learnt tokens, as plain values."""
    lengths = np.asarray([len(part) for part in ids])
    trained = np.asarray([int(mask.sum()) for mask in masks])
    quantiles = {f"p{q}": int(np.percentile(lengths, q)) for q in (0, 25, 50, 75, 95, 100)}
    return {
        "conversations": len(names),
        "tokens": int(lengths.sum()),
        "trained_tokens": int(trained.sum()),
        "trained_share": float(trained.sum() / lengths.sum()),
        "fewest_trained_tokens": int(trained.min()),
        "fully_masked": 0,  # any would have been an error
        "length": quantiles,
        "truncated": {"count": len(truncated), "ids": truncated[:SHOWN_IDS]},
        "left_out_as_too_long": {"count": len(dropped), "ids": dropped[:SHOWN_IDS]},
    }


def load(path: Path) -> TokenSet:
    """Maps the arrays that ``encode_all`` wrote."""
    arrays = {
        name: np.load(path / f"{name}.npy", mmap_mode="r") for name in ("offsets", "tokens", "mask")
    }
    names = read_json(path / "names.json")
    prefixes = shared_prefixes(**arrays)
    return TokenSet(names, **arrays, prefixes=prefixes, digest=sha256_path(path))


def shared_prefixes(
    offsets: np.ndarray[Any, Any], tokens: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]
) -> list[int]:
    """Returns for each conversation how many first tokens it shares with the largest group.

    The group is the conversations with the most frequent first ``HEAD`` tokens:
    those with the template's system text. Others, with a system message of their
    own, get 0. The shared part ends at least two tokens before the first learnt
    one, so that a place that predicts a learnt token is the conversation's own.
    """
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
