"""Translations: BLEU, chrF, the off-target rate, for FLORES-101 spBLEU, and constraints met.

spBLEU (Goyal et al. 2022) is BLEU over the pieces of one SentencePiece model for all languages, so
that unspaced and rare ones are scored alike. The model, which sacreBLEU would download, is a
fetched source here; a test holds the values to sacreBLEU's own tokenizer ``flores101``.

A lexical constraint is met when the answer contains it as it stands; the case-folded rate forgives
letter case. BLEU and chrF stand beside it: an answer that only lists the
fragments would meet them all.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics import identification, overlap, own
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options, rate
from bayling_study.shared.metrics.one_form import one_form

MODEL = "sacrebleu_tokenizer_spm.model"
"""The model's file, as sacreBLEU calls it (``tokenizers/tokenizer_spm.py``)."""
EXACT = "constraints|match:substring|case:exact|version:1"
FOLDED = "constraints|match:substring|case:folded|version:1"


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
    found = overlap.bleu("spbleu", given, expected, "none", options, overlap.empty_note(given))
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


@one_form
def measure_constrained(answers: Answers, options: Options) -> list[Measurement]:
    """Returns the two satisfaction rates, the share of segments with all, BLEU and chrF; notes give
    the percentages' counts (``StudyError`` if a prompt names no constraints)."""
    wanted = [_constraints(answers, index) for index in range(len(answers.prompts))]
    texts = answers.last_turns()
    exact = [_met(text, items) for text, items in zip(texts, wanted, strict=True)]
    folded = [
        _met(text.casefold(), [item.casefold() for item in items])
        for text, items in zip(texts, wanted, strict=True)
    ]
    sizes = [len(items) for items in wanted]
    complete = [float(met == size) for met, size in zip(exact, sizes, strict=True)]
    note = f"{int(sum(complete))}/{len(complete)} segments"
    return [
        rate("constraint-rate", EXACT, exact, sizes, f"{sum(exact)}/{sum(sizes)} constraints"),
        rate("constraint-rate-folded", FOLDED, folded, sizes, f"{sum(folded)}/{sum(sizes)}"),
        rate("constraint-all", EXACT, complete, note=note),
        *measure(answers, options),
    ]


def _constraints(answers: Answers, index: int) -> list[str]:
    items = answers.prompts[index].meta.get("constraints")
    if not items or not all(isinstance(item, str) and item for item in items):
        raise StudyError("the prompt's meta names no constraints", where=answers.where(index))
    return list(items)


def _met(text: str, items: list[str]) -> int:
    return sum(item in text for item in items)
