"""Which aligned rows a mixture uses, and how they are cut into blocks of work.

A block holds all material that its conversations are made from: rows of one or a few languages,
in file order so that neighbours stay together. Small corpora are one block. A language with more
rows than a block holds is cut into several; of one with more rows than its directions need,
whole documents are drawn. For a direction between two languages without the pivot (Chinese to
French, both aligned to English) the rows of the second language that share a pivot text with the
block come along.

Blocks depend on the corpora, the mixture and the seed alone, not on the number of workers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.stages.synthesis.hashing import Hashes, Integers, mix, text_hashes

BLOCK_ROWS = 16_384  # rows of a block's own languages: what one worker holds and indexes at a time
MARGIN = 1.5  # rows kept for each conversation of a direction: some are too long or in a test
MIN_ROWS = 256  # rows of a language that are kept anyway
PENDING_ROWS = 200_000  # rows held while they are sorted into blocks
COLUMNS = ["lang_a", "lang_b", "text_a", "document", "split"]


class Rows:
    """An index of the training rows of ``parallel.parquet``: three numbers a row, no text.
    ``languages`` are codes, in the order in which they occur."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.languages: list[str] = []
        self._sizes: dict[str, int] = {}
        with pq.ParquetFile(path) as file:
            groups = range(file.num_row_groups)
            parts = [self._read(file.read_row_group(group, COLUMNS)) for group in groups]
        empty = np.empty(0, np.uint64)
        parts = parts or [(np.empty((0, 3), np.int16), empty, empty)]
        self._codes = np.concatenate([part[0] for part in parts])
        self.documents: Hashes = np.concatenate([part[1] for part in parts])
        self.pivots: Hashes = np.concatenate([part[2] for part in parts])

    def _read(self, table: pa.Table) -> tuple[npt.NDArray[np.int16], Hashes, Hashes]:
        codes = np.empty((len(table), 3), np.int16)
        codes[:, 0] = self._numbers(table["lang_a"])
        codes[:, 1] = self._numbers(table["lang_b"])
        codes[:, 2] = table["split"].to_numpy() == "train"
        documents = table["document"].combine_chunks().dictionary_encode()
        hashed = text_hashes(documents.dictionary.to_pylist())
        return codes, hashed[documents.indices.to_numpy()], text_hashes(table["text_a"].to_pylist())

    def _numbers(self, column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
        encoded = column.combine_chunks().dictionary_encode()
        known = encoded.dictionary.to_pylist()
        self.languages += [code for code in known if code not in self.languages]
        numbers = np.array([self.languages.index(code) for code in known] or [0], np.int64)
        places: Integers = encoded.indices.to_numpy()
        return numbers[places]

    @cached_property
    def _by_pair(self) -> dict[tuple[str, str], Integers]:
        """Row numbers of each pair of languages, pivot first."""
        train = np.flatnonzero(self._codes[:, 2])
        pairs, inverse = np.unique(self._codes[train, :2], axis=0, return_inverse=True)
        return {
            (self.languages[a], self.languages[b]): train[inverse == number]
            for number, (a, b) in enumerate(pairs.tolist())
        }

    @property
    def count(self) -> int:
        """The number of training rows."""
        return int(self._codes[:, 2].sum())

    def direct(self, direction: str) -> Integers:
        """Returns the rows whose two sides are a direction's languages."""
        one, other = direction.split("-")
        empty = np.empty(0, np.int64)
        found = [self._by_pair.get(pair, empty) for pair in ((one, other), (other, one))]
        return np.sort(np.concatenate(found))

    def of(self, language: str) -> Integers:
        """Returns the rows in which a language is aligned to a pivot."""
        found = [rows for (_, other), rows in self._by_pair.items() if other == language]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)

    def joined(self, rows: Integers, other: str) -> Integers:
        """Returns those of the rows whose pivot text another language has too."""
        return rows[np.isin(self.pivots[rows], self.pivots[self.of(other)])]

    def companions(self, rows: Integers, other: str) -> Integers:
        """Returns one row of another language for each pivot text that the rows share with it."""
        others = self.of(other)
        shared = others[np.isin(self.pivots[others], self.pivots[rows])]
        _, first = np.unique(self.pivots[shared], return_index=True)
        return np.sort(shared[first])

    def material(self, direction: str) -> Integers:
        """Returns the rows that a direction is made from, aligned directly or over a pivot."""
        direct = self.direct(direction)
        if len(direct):
            return direct
        owner, other = self.owner(direction)
        return self.joined(self.of(owner), other)

    def size(self, direction: str) -> int:
        """Returns the number of segments of a direction."""
        if direction not in self._sizes:
            self._sizes[direction] = len(self.material(direction))
        return self._sizes[direction]

    def owner(self, direction: str) -> tuple[str, str]:
        """Returns the language that decides the block of a direction, and the other one. Beside the
        pivot it is the other language; of two, the one with fewer rows."""
        one, other = sorted(direction.split("-"), key=lambda code: (len(self.of(code)), code))
        return (other, one) if not len(self.of(one)) else (one, other)


@dataclass
class AlignedBlock:
    """Rows that one worker makes conversations from, by ascending number. ``companions`` are rows
    of other languages over which some of them are joined; ``sizes`` are the segments of each
    direction."""

    rows: Integers
    companions: Integers
    sizes: dict[str, int] = field(default_factory=dict)


def blocks(rows: Rows, wanted: Mapping[str, int], seed: int) -> list[AlignedBlock]:
    """Returns the blocks for so many conversations of each direction."""
    result: list[AlignedBlock] = []
    owners = _owners(rows, wanted)
    least = max(MIN_ROWS, BLOCK_ROWS // max(1, len(owners)))
    for directions in owners:
        chosen = _chosen(rows, directions, least, seed)
        for own in np.array_split(chosen, max(1, -(-len(chosen) // BLOCK_ROWS))):
            if not len(own):
                continue
            last = result[-1] if result else None
            block = _block(rows, own, directions)
            if last is not None and len(last.rows) + len(own) <= BLOCK_ROWS:
                last.rows = np.union1d(last.rows, own)
                last.companions = np.union1d(last.companions, block.companions)
                last.sizes |= block.sizes
            else:
                result.append(block)
    for block in result:
        block.companions = np.setdiff1d(block.companions, block.rows)
    return result


def _owners(rows: Rows, wanted: Mapping[str, int]) -> list[dict[str, int]]:
    """Returns the directions of each language that has blocks, in the order of the corpora."""
    found: dict[str, dict[str, int]] = {code: {} for code in rows.languages}
    for direction, count in wanted.items():
        if count:
            found[rows.owner(direction)[0]][direction] = count
    return [directions for directions in found.values() if directions]


def _chosen(rows: Rows, directions: Mapping[str, int], least: int, seed: int) -> Integers:
    """Returns the rows of a language that are kept: enough for each of its directions. Small
    studies fill a block with what the corpora have, so that minimal pairs and terms are found;
    large ones have enough of them anyway."""
    chosen = []
    for direction, count in directions.items():
        material = rows.material(direction)
        keys = mix(rows.documents[material] ^ np.uint64(seed))  # which decides their order
        order = np.argsort(keys, kind="stable")
        chosen.append(material[order[: max(least, round(MARGIN * count))]])
    return np.unique(np.concatenate(chosen))


def _block(rows: Rows, own: Integers, directions: Iterable[str]) -> AlignedBlock:
    companions = [np.empty(0, np.int64)]
    sizes = {}
    for direction in directions:
        count = len(np.intersect1d(own, rows.direct(direction), assume_unique=True))
        if not len(rows.direct(direction)):
            other = rows.owner(direction)[1]
            count = len(rows.joined(own, other))
            companions.append(rows.companions(own, other))
        sizes[direction] = count
    return AlignedBlock(own, np.unique(np.concatenate(companions)), sizes)


def write_rows(rows: Rows, made: list[AlignedBlock], folder: Path) -> list[list[Path]]:
    """Copies each block's rows to files of its own and returns them, block by block. The rows keep
    their order and get a column ``own``, false for companions. One pass over the corpora; memory
    holds ``PENDING_ROWS`` rows."""
    paths: list[list[Path]] = [[] for _ in made]
    pending: list[list[pa.Table]] = [[] for _ in made]
    held = start = 0
    with pq.ParquetFile(rows.path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            for number, block in enumerate(made):
                part = _part(table, block, start)
                if len(part):
                    pending[number].append(part)
                    held += len(part)
            start += len(table)
            if held > PENDING_ROWS or group + 1 == file.num_row_groups:
                _flush(pending, paths, folder)
                held = 0
    return paths


def _part(table: pa.Table, block: AlignedBlock, start: int) -> pa.Table:
    """Returns the rows of a block in a row group that begins at a row number."""
    found = []
    for kind in (block.rows, block.companions):
        first, last = np.searchsorted(kind, (start, start + len(table)))
        found.append(kind[first:last] - start)
    places = np.concatenate(found)
    own = np.repeat([True, False], [len(found[0]), len(found[1])])
    order = np.argsort(places, kind="stable")
    return table.take(places[order]).append_column("own", pa.array(own[order]))


def _flush(pending: list[list[pa.Table]], paths: list[list[Path]], folder: Path) -> None:
    for number, tables in enumerate(pending):
        if tables:
            path = folder / f"rows-{number:05d}-{len(paths[number]):03d}.arrow"
            whole = pa.concat_tables(tables)
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            with pa.ipc.new_file(path, whole.schema, options=options) as writer:
                writer.write_table(whole)
            paths[number].append(path)
            tables.clear()
