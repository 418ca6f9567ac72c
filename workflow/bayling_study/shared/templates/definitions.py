"""The templates: messages to spans.

``bayling``     BayLing v1, also of the Llama-2 based BayLing 2 models (ictnlp/BayLing,
                ``bayling/conversation.py``).
``bayling-3``   the Llama-3 chat form with BayLing's system text.
``foundation``  whatever chat template the foundation's own tokenizer carries (``foundation``).
"""

from collections.abc import Sequence

from bayling_study.core.tables import beside
from bayling_study.shared.templates.spans import EOS, Message, Span, merge_text, split_system

SYSTEMS: dict[str, str] = beside(__file__)
"""Template to the system text that it writes where a conversation has none."""
HEADER, HEADER_END, END_OF_TURN = "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"
END_OF_TEXT = "<|end_of_text|>"  # Llama-3's other end


def bayling_pieces(messages: Sequence[Message]) -> list[Span]:
    """Returns BayLing v1 spans; an answer ends with the tokenizer's EOS."""
    system, turns = split_system(messages, SYSTEMS["bayling"])
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
    system, turns = split_system(messages, SYSTEMS["bayling-3"])
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
