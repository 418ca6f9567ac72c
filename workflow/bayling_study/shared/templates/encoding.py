"""Spans to token ids and mask, for training and for generation.

What a tokenizer puts in front by itself (a BOS or nothing) stands once at the start; a chat
template that writes its own BOS (``foundation``) gets no second one. Nothing here compares ids
with the BOS, EOS or padding id, so tokenizers whose special ids coincide (the 7B release: BOS,
EOS and unknown are all ``</s>``) are treated correctly.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.templates import definitions
from bayling_study.shared.templates.foundation import answer_ends, foundation_spans
from bayling_study.shared.templates.spans import EOS, Message, Span, check_messages


def render(template: TemplateName, messages: Sequence[Message], tokenizer: Any = None) -> str:
    """Returns the conversation, a prompt if it ends with the user, as one string: without a BOS
    that the tokenizer adds itself, and without a tokenizer with ``</s>`` as EOS."""
    eos = "</s>" if tokenizer is None else tokenizer.eos_token
    spans = spans_of(template, messages, tokenizer)
    return "".join(eos if span.text == EOS else span.text for span in spans)


def prompt_ids(tokenizer: Any, template: TemplateName, messages: Sequence[Message]) -> list[int]:
    """Returns the ids after which a model writes its answer, an exact prefix of ``encode`` with an
    answer (``StudyError`` if messages do not alternate, or do not end with the user)."""
    check_messages(messages, last="user")
    return span_ids(tokenizer, template, spans_of(template, messages, tokenizer))[0]


def encode(
    tokenizer: Any, template: TemplateName, messages: Sequence[Message]
) -> tuple[list[int], list[bool]]:
    """Returns a whole conversation's ids and loss mask, both of the same length. The mask is true
    for the assistant's contents and for the token that ends each of them. Messages that do not
    alternate, or do not end with the assistant, are refused (``StudyError``)."""
    check_messages(messages, last="assistant")
    return span_ids(tokenizer, template, spans_of(template, messages, tokenizer))


def fit_turns(
    tokenizer: Any, template: TemplateName, messages: Sequence[Message], max_length: int
) -> Sequence[Message]:
    """Drops whole exchanges from the end until the conversation has at most ``max_length`` tokens,
    all if not even the first fits; refuses what ``encode`` does (``StudyError``)."""
    check_messages(messages, last="assistant")
    kept = messages
    while kept and kept[-1]["role"] == "assistant":
        if len(encode(tokenizer, template, kept)[0]) <= max_length:
            return kept
        kept = kept[:-2]
    return []


def stop_ids(tokenizer: Any, template: TemplateName) -> list[int]:
    """Returns the ids that end an answer, in ascending order.

    They are the tokenizer's EOS, Llama-3's <|end_of_text|> (its files call either that or
    <|eot_id|> the EOS, by their date), what ends the template's answers, and the special
    tokens among the ids of the checkpoint's ``generation_config.json``. The authors' list
    for BayLing 3 also has id 2, Llama-2's EOS, which is ``#`` in Llama-3's vocabulary: left
    out, because it would cut an answer at its first Markdown heading.
    """
    specials = {n for n, token in tokenizer.added_tokens_decoder.items() if token.special}
    specials |= set(tokenizer.all_special_ids)
    other = tokenizer.get_vocab().get(definitions.END_OF_TEXT)
    ids = specials & {tokenizer.eos_token_id, other, *declared_ends(tokenizer)}
    if template == "bayling-3":
        ids.add(_special_id(tokenizer, definitions.END_OF_TURN))
    if template == "foundation":
        ids |= {_special_id(tokenizer, end) for end in answer_ends(tokenizer)}
    return sorted(ids)


def declared_ends(tokenizer: Any) -> list[int]:
    """Returns the EOS ids that the checkpoint beside the tokenizer declares for generation."""
    path = Path(tokenizer.name_or_path) / "generation_config.json"
    known = bool(tokenizer.name_or_path) and path.is_file()  # one made in memory has no folder
    ids = read_json(path).get("eos_token_id") if known else None
    return list(ids) if isinstance(ids, list) else [] if ids is None else [ids]


def adds_bos(tokenizer: Any) -> bool:
    """Returns whether the tokenizer itself puts a BOS before a text."""
    ids = tokenizer("a")["input_ids"]
    bos = tokenizer.bos_token_id
    return bos is not None and len(ids) > 1 and ids[0] == bos


def marks_start(tokenizer: Any) -> bool:
    """Returns whether a text's first token carries a blank, as in SentencePiece vocabularies."""
    return _is_marked(tokenizer, _plain(tokenizer, "a")[0])


def marks_after_special(tokenizer: Any) -> bool:
    """Returns whether that blank also appears behind every special token (older conversions)."""
    text = f"{tokenizer.eos_token}a"
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=False)["input_ids"]
    return _is_marked(tokenizer, ids[1])


def _is_marked(tokenizer: Any, number: int) -> bool:
    return bool(tokenizer.convert_ids_to_tokens(number).startswith("\u2581"))


def spans_of(template: TemplateName, messages: Sequence[Message], tokenizer: Any) -> list[Span]:
    """Returns the text and the special tokens of a conversation, before tokenisation."""
    if template == "bayling":
        return definitions.bayling_pieces(messages)
    if template == "bayling-3":
        return definitions.bayling3_pieces(messages)
    if tokenizer is None:
        raise StudyError("the template 'foundation' needs the foundation's tokenizer")
    return foundation_spans(tokenizer, messages)


def span_ids(
    tokenizer: Any, template: TemplateName, spans: Sequence[Span]
) -> tuple[list[int], list[bool]]:
    """Returns ids and loss mask of the spans of a conversation, both of the same length."""
    lead = template != "foundation" and adds_bos(tokenizer)
    ids, mask = [tokenizer.bos_token_id] * lead, [False] * lead
    for before, span in zip([None, *spans], spans, strict=False):
        added = _span_ids(tokenizer, span, before)
        ids += added
        mask += [span.supervised] * len(added)
    return ids, mask


def _span_ids(tokenizer: Any, span: Span, before: Span | None) -> list[int]:
    if span.special:
        return [_special_id(tokenizer, span.text)]
    at_start = before is None or (before.special and marks_after_special(tokenizer))
    if at_start or not marks_start(tokenizer):
        return _plain(tokenizer, span.text)
    # Inside a text there is no such mark: tokenise behind a newline, which is a token
    # of its own in these vocabularies, and take the newline's ids away again.
    lead = _plain(tokenizer, "\n")
    ids = _plain(tokenizer, "\n" + span.text)
    if ids[: len(lead)] != lead:
        raise StudyError("this tokenizer joins a newline with the text after it")
    return ids[len(lead) :]


def _plain(tokenizer: Any, text: str) -> list[int]:
    """Tokenises text in which the names of special tokens mean nothing."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def _special_id(tokenizer: Any, name: str) -> int:
    """Returns a special token's id (``StudyError`` if the vocabulary has no such token)."""
    number = tokenizer.eos_token_id if name == EOS else tokenizer.convert_tokens_to_ids(name)
    if number is None or (name != EOS and tokenizer.convert_ids_to_tokens(number) != name):
        shown = "end-of-sequence token" if name == EOS else name
        raise StudyError(f"the tokenizer has no {shown}", fix="choose another template")
    return int(number)
