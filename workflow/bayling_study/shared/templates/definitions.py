"""The templates: messages to pieces.

``bayling``     BayLing v1, also used for the Llama-2 based BayLing 2 models
                (STUDY.md section 1, from the authors' conversation module).
``bayling-3``   the Llama-3 chat form with BayLing's system text.
``foundation``  whatever chat template the foundation's own tokenizer carries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.shared.templates.pieces import EOS, Message, Piece, merge_text, split_system

V1_SYSTEM = (
    "I am an intelligent language assistant developed by the NLP Group of ICT/CAS.\n"
    "Below is a dialog consisting of instructions and responses. "
    "Write a response that completes the request."
)
V3_SYSTEM = "I am BayLing developed by the NLP Group of ICT/CAS."
HEADER, HEADER_END, END_OF_TURN = "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"
PLACEHOLDER = "\ue000{}\ue001"  # private-use characters: no template and no text contains them


def bayling_pieces(messages: Sequence[Message]) -> list[Piece]:
    """Returns BayLing v1 pieces; an answer ends with the tokenizer's EOS."""
    system, turns = split_system(messages, V1_SYSTEM)
    pieces = [Piece(f"{system}\n\n")]
    for number, message in enumerate(turns):
        if message["role"] == "user":
            lead = "\n" if number else ""
            pieces.append(Piece(f"{lead}### Instruction:\n{message['content']}\n### Response:\n"))
        else:
            pieces += [Piece(message["content"], supervised=True), Piece(EOS, True, True)]
    return merge_text(pieces)


def bayling3_pieces(messages: Sequence[Message]) -> list[Piece]:
    """Returns Llama-3 chat pieces; contents are stripped and an answer ends with <|eot_id|>."""
    system, turns = split_system(messages, V3_SYSTEM)
    pieces = [*_header("system"), Piece(system.strip()), Piece(END_OF_TURN, True)]
    for message in turns:
        supervised = message["role"] == "assistant"
        pieces += _header(message["role"])
        pieces.append(Piece(message["content"].strip(), supervised=supervised))
        pieces.append(Piece(END_OF_TURN, True, supervised))
    if turns[-1]["role"] == "user":
        pieces += _header("assistant")
    return merge_text(pieces)


def _header(role: str) -> list[Piece]:
    return [Piece(HEADER, True), Piece(role), Piece(HEADER_END, True), Piece("\n\n")]


def foundation_pieces(tokenizer: Any, messages: Sequence[Message]) -> list[Piece]:
    """Returns the pieces of the tokenizer's own chat template.

    The template is rendered with placeholders for the contents, which shows
    where each content stands without searching for its text. An answer is
    supervised up to and with the special token that follows it.

    Raises:
        StudyError: the tokenizer has no template, or its template rewrites contents.
    """
    wanted = _apply(tokenizer, messages)
    held = [
        {"role": message["role"], "content": PLACEHOLDER.format(number)}
        for number, message in enumerate(messages)
    ]
    frame = _apply(tokenizer, held)
    for contents in ([m["content"] for m in messages], [m["content"].strip() for m in messages]):
        pieces = list(_fill(tokenizer, frame, messages, contents))
        if "".join(piece.text for piece in pieces) == wanted:
            return merge_text(pieces)
    raise StudyError("the foundation's chat template changes the text of messages")


def _apply(tokenizer: Any, messages: Sequence[Message]) -> str:
    if not tokenizer.chat_template:
        raise StudyError(
            "the foundation's tokenizer has no chat template",
            where="template: foundation",
            fix="template: bayling",
        )
    rendered = tokenizer.apply_chat_template(
        [dict(message) for message in messages],
        tokenize=False,
        add_generation_prompt=messages[-1]["role"] == "user",
    )
    return str(rendered)


def _fill(
    tokenizer: Any, frame: str, messages: Sequence[Message], contents: list[str]
) -> Iterator[Piece]:
    """Cuts a rendered frame at placeholders and special tokens, and puts the contents in."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    specials = sorted({*added, *tokenizer.all_special_tokens}, key=len, reverse=True)
    cut = re.compile("(\ue000\\d+\ue001|" + "|".join(map(re.escape, specials)) + ")")
    answer = False  # between an answer's content and the token that ends it
    for part in filter(None, cut.split(frame)):
        if part.startswith("\ue000"):
            number = int(part[1:-1])
            answer = messages[number]["role"] == "assistant"
            yield Piece(contents[number], supervised=answer)
        elif part in specials:
            yield Piece(part, True, supervised=answer)
            answer = False
        else:
            yield Piece(part, supervised=answer)
