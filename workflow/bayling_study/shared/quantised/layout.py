"""The files of a groupwise 8-bit checkpoint.

::

    quantization.json                   what is below (schema 1)
    groupwise-00001-of-00002.safetensors, …
    config.json, tokenizer files, chat template, generation_config.json: as in the original

A quantised matrix ``X.weight`` of shape ``(out, in)`` is two tensors: ``X.weight.int8`` (int8,
``(out, in)``) and ``X.weight.scale`` (fp32, ``(out, ceil(in / group))``); weight = int8 times the
scale of its group. Everything else keeps its name. A tied output layer is the embedding and is
not stored. As the weight files are not called ``model*.safetensors``, a loader which does not know
the scheme stops instead of starting from random weights.

``quantization.json``: ``scheme`` ("groupwise"), ``schema`` (1), ``bits`` (8), ``group_size``,
``quantised`` (names of the matrices), ``tied`` (name to name), ``files`` (name to ``{bytes,
sha256}``).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bayling_study.core.disk import damage
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json

QUANTISATION_FILE = "quantization.json"
SCHEME = "groupwise"
SCHEMA = 1
INT8 = ".int8"
SCALE = ".scale"


@dataclass(frozen=True)
class Quantisation:
    """The content of ``quantization.json``."""

    group_size: int
    quantised: list[str]
    tied: dict[str, str]
    files: dict[str, dict[str, Any]]
    scheme: str = SCHEME
    schema: int = SCHEMA
    bits: int = 8

    def write(self, folder: Path) -> None:
        """Writes the description into a checkpoint folder."""
        write_json(folder / QUANTISATION_FILE, asdict(self))


def is_groupwise(folder: Path) -> bool:
    """Tells whether a folder holds a groupwise 8-bit checkpoint."""
    return (folder / QUANTISATION_FILE).is_file()


def read_quantisation(folder: Path) -> Quantisation:
    """Reads the description of a groupwise checkpoint (``StudyError``: it is absent, of another
    scheme or schema, or names a file elsewhere)."""
    where = folder / QUANTISATION_FILE
    values = read_json(where)
    try:
        description = Quantisation(**values)
    except TypeError as error:
        raise StudyError(f"not a description of 8-bit weights ({error})", where=where) from error
    if (description.scheme, description.schema, description.bits) != (SCHEME, SCHEMA, 8):
        raise StudyError("another scheme or schema than this version reads", where=where)
    if outside := [name for name in description.files if name != Path(name).name]:
        raise StudyError(f"{outside[0]!r} is not a plain file name", where=where)
    return description


def check_files(folder: Path, description: Quantisation) -> None:
    """Compares the weight files with their recorded sizes and hashes (``StudyError``: a file is
    absent, has another size or another content)."""
    for name, facts in description.files.items():
        if problem := damage(folder / name, facts["bytes"], facts["sha256"]):
            what = f"the weight file {problem}, by {QUANTISATION_FILE}"
            fix = "export again; the file was truncated or changed"
            raise StudyError(what, where=folder / name, fix=fix)
