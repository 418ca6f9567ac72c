"""The encoder of the embedded model: a small XLM-R shape and its own tokenizer."""

import io
from collections.abc import Iterable
from pathlib import Path

import sentencepiece
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

from bayling_study.core.errors import StudyError
from bayling_study.stages.comet.settings import EmbeddedSettings

CHARACTER_COVERAGE = 0.9995
"""Share of characters that get a piece: SentencePiece's advice for rich character sets."""

HEAD_WIDTH = 32


def train_tokenizer(texts: Iterable[str], vocabulary: int, folder: Path) -> XLMRobertaTokenizerFast:
    """Trains a SentencePiece unigram model and saves it as an XLM-R tokenizer in ``folder``. One
    thread and a fixed order of the text, so that the same text gives the same pieces. A text too
    small for ``vocabulary`` gives fewer; one with more characters is refused (``StudyError``)."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocabulary,
            hard_vocab_limit=False,
            character_coverage=CHARACTER_COVERAGE,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        what = f"no tokenizer of {vocabulary} pieces can be trained ({error})"
        fix = "a larger vocabulary"
        raise StudyError(what, where="comet.embedded.vocabulary", fix=fix) from error
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sentencepiece.bpe.model"
    file.write_bytes(model.getvalue())
    tokenizer = XLMRobertaTokenizerFast(vocab_file=str(file))
    tokenizer.save_pretrained(folder)
    return tokenizer


def create_encoder(folder: Path, vocabulary: int, settings: EmbeddedSettings) -> None:
    """Saves a random XLM-R encoder in ``folder``, without dropout: a small model underfits."""
    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=settings.hidden,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.hidden // HEAD_WIDTH,
        intermediate_size=2 * settings.hidden,
        max_position_embeddings=514,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
