"""Conversations in the chat template that a foundation's own tokenizer carries. The template is
rendered with placeholders for the contents, which shows where each content stands without searching
for its text. What is learnt of an answer begins where the prompt of generation ends, and ends with
the special token behind it."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from jinja2.exceptions import TemplateError

from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.shared.templates.spans import Message, Span, merge_text

# private-use characters: no template and no text contains them
PLACEHOLDER, START = "\ue000{}\ue001", "\ue002"
DATE = datetime(2024, 7, 26)
"""The day that templates write as today: the one that Llama 3.1's writes where it knows none."""
NOW = re.compile(r"""strftime_now\s*\(\s*(["'])(.*?)\1\s*\)""")


def foundation_spans(tokenizer: Any, messages: Sequence[Message]) -> list[Span]:
    """Returns the spans of the tokenizer's own chat template, with today pinned to ``DATE``. It is
    a ``StudyError`` that the tokenizer has no template, or one that refuses the messages, rewrites
    or leaves out contents, or begins a prompt's answer otherwise than a finished one."""
    wanted = _apply(tokenizer, messages)
    held = [dict(m, content=PLACEHOLDER.format(n)) for n, m in enumerate(messages)]
    frame = _apply(tokenizer, held)
    for one in held:
        if frame.count(one["content"]) != 1:
            raise _unfit(f"leaves out or repeats the text of a message of the role {one['role']!r}")
    frame = _mark_starts(tokenizer, frame, held)
    for contents in ([m["content"] for m in messages], [m["content"].strip() for m in messages]):
        spans = list(_fill(tokenizer, frame, contents))
        if "".join(span.text for span in spans) == wanted:
            return merge_text(spans)
    raise _unfit("changes the text of messages")


def _unfit(what: str) -> StudyError:
    what = f"the foundation's chat template {what}"
    return StudyError(what, where="template: foundation", fix="template: bayling")


def answer_ends(tokenizer: Any) -> list[str]:
    """Returns the special token that ends an answer, or nothing if answers end in plain text."""
    content = PLACEHOLDER.format(0)
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": content}]
    spans = _fill(tokenizer, _apply(tokenizer, talk).replace(content, START + content), ["b"])
    return [span.text for span in spans if span.special and span.supervised]


def pinned_date(tokenizer: Any, template: TemplateName) -> dict[str, str]:
    """Returns ``{"template_date": day}`` if the template writes today's date, for records."""
    dated = template == "foundation" and "strftime_now" in str(tokenizer.chat_template)
    return {"template_date": f"{DATE:%Y-%m-%d}"} if dated else {}


def pinned_template(tokenizer: Any) -> str:
    """Returns the template's Jinja source with ``DATE`` for today (``StudyError`` if it cannot)."""
    if not tokenizer.chat_template:
        raise _unfit("is missing: its tokenizer has no chat template")
    source = NOW.sub(lambda call: repr(DATE.strftime(call[2])), tokenizer.get_chat_template())
    if re.search(r"strftime_now\s*\(", source):
        raise _unfit("writes today's date in a form that cannot be pinned to one day")
    return source


def _apply(tokenizer: Any, messages: Sequence[Message]) -> str:
    how = {"chat_template": pinned_template(tokenizer), "tokenize": False}
    prompt = messages[-1]["role"] == "user"
    try:
        plain = [dict(message) for message in messages]
        return str(tokenizer.apply_chat_template(plain, add_generation_prompt=prompt, **how))
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise _unfit(f"refuses the turns {roles}: {error}") from error


def _mark_starts(tokenizer: Any, frame: str, held: Sequence[Message]) -> str:
    """Puts ``START`` where each answer's prompt ends; in a prompt, which teaches nothing, not
    before an answer that begins otherwise."""
    for number in reversed(range(len(held))):
        if held[number]["role"] != "assistant":
            continue
        prompt = _apply(tokenizer, held[:number])
        if frame.startswith(prompt):
            frame = prompt + START + frame[len(prompt) :]
        elif held[-1]["role"] == "assistant":
            raise _unfit(f"ends a prompt otherwise than it begins the answer of turn {number + 1}")
    return frame


def _fill(tokenizer: Any, frame: str, contents: Sequence[str]) -> Iterator[Span]:
    """Cuts a rendered frame at starts, placeholders and special tokens; puts the contents in."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    specials = sorted({*added, *tokenizer.all_special_tokens}, key=len, reverse=True)
    cut = re.compile(f"({START}|\ue000\\d+\ue001|" + "|".join(map(re.escape, specials)) + ")")
    parts = [part for part in cut.split(frame) if part]
    learnt = said = False  # inside an answer; behind its content
    for place, part in enumerate(parts):
        if part == START:
            learnt, said = True, False
        elif part.startswith("\ue000"):
            yield Span(contents[int(part[1:-1])], supervised=learnt)
            # without a special token soon behind it, an answer ends with its content
            said = learnt = learnt and any(end in specials for end in parts[place + 1 : place + 3])
        else:
            special = part in specials
            yield Span(part, special, supervised=learnt)
            learnt = learnt and not (said and special)
