"""The templates: messages to spans.

``bayling``     BayLing v1, also used for the Llama-2 based BayLing 2 models
                (from the authors' conversation module: ictnlp/BayLing,
                ``bayling/conversation.py``).
``bayling-3``   the Llama-3 chat form with BayLing's system text.
``foundation``  whatever chat template the foundation's own tokenizer carries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.shared.templates.spans import EOS, Message, Span, merge_text, split_system

V1_SYSTEM = (
    "I am an intelligent language assistant developed by the NLP Group of ICT/CAS.\n"
    "Below is a dialog consisting of instructions and responses. "
    "Write a response that completes the request."
)
V3_SYSTEM = "I am BayLing developed by the NLP Group of ICT/CAS."
HEADER, HEADER_END, END_OF_TURN = "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"
PLACEHOLDER = "\ue000{}\ue001"  # private-use characters: no template and no text contains them


def bayling_pieces(messages: Sequence[Message]) -> list[Span]:
    """Returns BayLing v1 spans; an answer ends with the tokenizer's EOS."""
    system, turns = split_system(messages, V1_SYSTEM)
    spans = [Span(f"{system}\n\n")]
    for number, message in enumerate(turns):
        if message["role"] == "user":
            lead = "\n" if number else ""
            spans.append(Span(f"{lead}### Instruction:\n{message['content']}\n### Response:\n"))
        else:
            spans += [Span(message["content"], supervised=True), Span(EOS, True, True)]
    return merge_text(spans)


def bayling3_pieces(messages: Sequence[Message]) -> list[Span]:
    """Returns Llama-3 chat spans; contents are stripped and an answer ends with <|eot_id|>."""
    system, turns = split_system(messages, V3_SYSTEM)
    spans = [*_header("system"), Span(system.strip()), Span(END_OF_TURN, True)]
    for message in turns:
        supervised = message["role"] == "assistant"
        spans += _header(message["role"])
        spans.append(Span(message["content"].strip(), supervised=supervised))
        spans.append(Span(END_OF_TURN, True, supervised))
    if turns[-1]["role"] == "user":
        spans += _header("assistant")
    return merge_text(spans)


def _header(role: str) -> list[Span]:
    return [Span(HEADER, True), Span(role), Span(HEADER_END, True), Span("\n\n")]


def foundation_spans(tokenizer: Any, messages: Sequence[Message]) -> list[Span]:
    """Returns the spans of the tokenizer's own chat template.

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
        spans = list(_fill(tokenizer, frame, messages, contents))
        if "".join(span.text for span in spans) == wanted:
            return merge_text(spans)
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
) -> Iterator[Span]:
    """Cuts a rendered frame at placeholders and special tokens, and puts the contents in."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    specials = sorted({*added, *tokenizer.all_special_tokens}, key=len, reverse=True)
    cut = re.compile("(\ue000\\d+\ue001|" + "|".join(map(re.escape, specials)) + ")")
    answer = False  # between an answer's content and the token that ends it
    for part in filter(None, cut.split(frame)):
        if part.startswith("\ue000"):
            number = int(part[1:-1])
            answer = messages[number]["role"] == "assistant"
            yield Span(contents[number], supervised=answer)
        elif part in specials:
            yield Span(part, True, supervised=answer)
            answer = False
        else:
            yield Span(part, supervised=answer)
