"""Translations: BLEU, chrF, the off-target rate, and for FLORES-101 spBLEU.

spBLEU (Goyal et al. 2022) is BLEU over the pieces of one SentencePiece model for all languages, so
that unspaced and rare ones are scored alike. The model, which sacreBLEU would download, is a
fetched source here; a test holds the values to sacreBLEU's own tokenizer ``flores101``.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics import identification, overlap, own
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options
from bayling_study.shared.metrics.one_form import one_form

MODEL = "sacrebleu_tokenizer_spm.model"
"""The model's file, as sacreBLEU calls it (``tokenizers/tokenizer_spm.py``)."""


@one_form
def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns what every translation of single segments is measured by."""
    parts = (overlap, identification, own)
    return [found for part in parts for found in part.measure(answers, options)]


@one_form
def measure_flores(answers: Answers, options: Options) -> list[Measurement]:
    """Returns the same and, where its model is at hand, spBLEU."""
    found = measure(answers, options)
    return found if options.spm is None else [spbleu(answers, options.spm, options), *found]


def spbleu(answers: Answers, model: Path, options: Options) -> Measurement:
    """Returns spBLEU with sacreBLEU's signature (``StudyError`` if the model cannot be read)."""
    given = _pieces(model, answers.last_turns())
    expected = _pieces(model, answers.last_references())
    note = overlap.empty_note(given)
    found = overlap.bleu("spbleu", given, expected, "none", options, note)
    return replace(found, signature=found.signature.replace("tok:none", "tok:flores101"))


def _pieces(model: Path, texts: list[str]) -> list[str]:
    processor = _processor(model)
    return [" ".join(processor.EncodeAsPieces(text.replace("\n", " ").rstrip())) for text in texts]


@cache
def _processor(model: Path) -> Any:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.Load(str(model))
    except (OSError, RuntimeError) as error:
        what = f"spBLEU's SentencePiece model cannot be read ({error})"
        fix = f"fetch it again, or set download.local.sacrebleu-spm to a folder with {MODEL}"
        fix += "; or leave spBLEU out with scoring: {spm: null}"
        raise StudyError(what, where=model, fix=fix) from error
    return processor
