"""Conversations to one flat array of token ids with a loss mask, and its audit. Nothing is padded
or guessed from text: ``templates`` gives the mask together with the ids. Tokens go to disk as they
come, so that memory does not grow with them."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, write_json
from bayling_study.core.progress import Progress
from bayling_study.shared import templates

SHOWN_IDS = 5


class _Array:
    """A one-dimensional ``.npy`` file that grows; the same bytes as ``numpy.save`` writes."""

    def __init__(self, path: Path, dtype: type[np.generic]) -> None:
        self.dtype, self.count = np.dtype(dtype), 0
        self._file = path.open("wb")
        self._write_header()

    def _write_header(self) -> None:
        # numpy keeps room in the header for the digits of a growing first axis
        form = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.count,)}
        np.lib.format.write_array_header_1_0(self._file, form)

    def add(self, values: Sequence[Any]) -> None:
        self._file.write(np.asarray(values, dtype=self.dtype).tobytes())
        self.count += len(values)

    def close(self) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.close()


def encode_all(
    rows: Iterable[dict[str, Any]],
    tokenizer: Any,
    template: TemplateName,
    max_length: int,
    path: Path,
) -> dict[str, Any]:
    """Encodes conversations into the folder ``path`` and returns the mask audit (``StudyError`` if
    a conversation is not well formed, has no supervised token or an answer that ends where
    generation would not, an id occurs twice, or none is left). A conversation of more than
    ``max_length`` tokens loses whole exchanges from its end; one whose first exchange is too long
    is left out. Both are counted, and their tokens."""
    made, stops = _Tally(), templates.stop_ids(tokenizer, template)
    with atomic_directory(path) as folder:
        with (
            closing(_Array(folder / "tokens.npy", np.int32)) as tokens,
            closing(_Array(folder / "mask.npy", np.bool_)) as mask,
        ):
            for row in Progress("encoding", unit="conversations", over=rows):
                try:
                    kept = templates.fit_turns(tokenizer, template, row["messages"], max_length)
                except StudyError as error:
                    where = f"conversation {row['id']}"
                    raise StudyError(error.what, where=where, fix=error.fix) from error
                ids, supervised = templates.encode(tokenizer, template, kept) if kept else ([], [])
                if len(kept) < len(row["messages"]):
                    whole, _ = templates.encode(tokenizer, template, row["messages"])
                    part = made.truncated if kept else made.dropped
                    part.append((row["id"], len(whole) - len(ids)))
                if not kept:
                    continue
                _check_ends(row["id"], ids, supervised, stops, tokenizer)
                tokens.add(ids)
                mask.add(supervised)
                made.add(row, len(ids), sum(supervised), any(supervised[1:]))
        made.check()
        np.save(folder / "offsets.npy", np.cumsum([0, *made.lengths], dtype=np.int64))
        write_json(folder / "names.json", made.names)
    return made.audit()


def _check_ends(
    name: str, ids: Sequence[int], supervised: Sequence[bool], stops: Sequence[int], tokenizer: Any
) -> None:
    """Checks that every answer teaches to stop: its last supervised id ends generation
    (``StudyError`` if another id is the last)."""
    for number, learnt, following in zip(ids, supervised, [*supervised[1:], False], strict=True):
        if learnt and not following and number not in stops:
            what = f"an answer ends in {tokenizer.decode([number])!r}, at which generation "
            what += "does not stop: a system that learns it would never end"
            fix = "template: bayling, or a chat template that ends answers in a special token"
            raise StudyError(what, where=f"conversation {name}", fix=fix)


@dataclass
class _Tally:
    """What is known of the conversations encoded so far."""

    names: list[str] = field(default_factory=list)
    lengths: "array[int]" = field(default_factory=lambda: array("q"))
    supervised: "array[int]" = field(default_factory=lambda: array("q"))
    recipes: Counter[str] = field(default_factory=Counter)
    truncated: list[tuple[str, int]] = field(default_factory=list)
    dropped: list[tuple[str, int]] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def add(self, row: dict[str, Any], length: int, supervised: int, teaches: bool) -> None:
        self.names.append(row["id"])
        self.lengths.append(length)
        self.supervised.append(supervised)
        self.recipes[row["recipe"]] += 1
        if not teaches:
            self.empty.append(row["id"])

    def check(self) -> None:
        """Checks that there are conversations, that all have a name, and supervised tokens."""
        if not self.names:
            raise StudyError("no conversation fits into max_length", where="tuning.max_length")
        if len(set(self.names)) != len(self.names):
            twice = next(name for name, count in Counter(self.names).items() if count > 1)
            raise StudyError(f"conversation ids are not unique: {twice}")
        if self.empty:
            shown = ", ".join(self.empty[:SHOWN_IDS])
            raise StudyError(f"{len(self.empty)} conversations have no supervised token: {shown}")

    def audit(self) -> dict[str, Any]:
        """Returns counts, lengths and the share of supervised tokens, as plain values."""
        lengths, supervised = np.asarray(self.lengths), np.asarray(self.supervised)
        return {
            "conversations": len(self.names),
            "recipes": dict(sorted(self.recipes.items())),
            "tokens": int(lengths.sum()),
            "supervised_tokens": int(supervised.sum()),
            "supervised_share": float(supervised.sum() / lengths.sum()),
            "fewest_supervised_tokens": int(supervised.min()),
            "fully_masked": 0,  # any would have been an error
            "length": {f"p{q}": int(np.percentile(lengths, q)) for q in (0, 25, 50, 75, 95, 100)},
            "truncated": _lost(self.truncated),
            "left_out_as_too_long": _lost(self.dropped),
        }


def _lost(rows: list[tuple[str, int]]) -> dict[str, Any]:
    """Returns how many conversations lost how many tokens, with the ids of the first ones."""
    ids = [name for name, _ in rows[:SHOWN_IDS]]
    return {"count": len(rows), "tokens": sum(tokens for _, tokens in rows), "ids": ids}
