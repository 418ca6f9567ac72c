"""Readers of upstream formats, registered by the name that the config uses.

A reader is a function of the download's folder and its section of the config; it yields raw rows,
one at a time and in a stable order. It judges form only: where rows stand alone, one that does not
fit is handed on as an ``OddRow``; else a file that is not what the format says is refused
(``StudyError``). Whether a row is worth keeping is decided later.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from bayling_study.config.corpora import ConversationCorpus, Lexicon, ParallelCorpus
from bayling_study.shared.corpus_tables import ParallelSegment, Term
from bayling_study.stages.corpora.readers import (
    alpaca,
    flores,
    json_catalogues,
    lexicons,
    libreoffice,
    moses,
    parallel_json,
    parquet,
    po,
    sharegpt,
    tsv,
    udhr,
)
from bayling_study.stages.corpora.readers.exchanges import Draft
from bayling_study.stages.corpora.readers.odd import OddRow

PARALLEL: dict[str, Callable[[Path, ParallelCorpus], Iterator[ParallelSegment | OddRow]]] = {
    "homeassistant": json_catalogues.read_homeassistant,
    "parallel-json": parallel_json.read,
    "parquet": parquet.read,
    "moses": moses.read,
    "tsv": tsv.read,
    "flores": flores.read,
    "po": po.read,
    "json": json_catalogues.read,
    "udhr": udhr.read,
    "libreoffice": libreoffice.read,
}
CONVERSATIONS: dict[str, Callable[[Path, ConversationCorpus], Iterator[Draft | OddRow]]] = {
    "alpaca": alpaca.read,
    "sharegpt": sharegpt.read,
}
LEXICONS: dict[str, Callable[[Path, Lexicon], Iterator[Term | OddRow]]] = {
    "muse": lexicons.read_muse,
    "cc-cedict": lexicons.read_cedict,
    "cldr": lexicons.read_cldr,
}
