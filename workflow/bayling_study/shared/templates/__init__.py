"""Conversations as models read them: templates, token ids and the loss mask.

    from bayling_study.shared import templates
    ids = templates.prompt_ids(tokenizer, "bayling", messages)     # to generate an answer
    ids, mask = templates.encode(tokenizer, "bayling", messages)   # to train on all answers
    stops = templates.stop_ids(tokenizer, "bayling")               # token ids that end an answer
    text = templates.render("bayling", messages)                   # the prompt as a string

A template turns messages into spans (``spans``), and only spans are tokenised, never the joined
text. So the mask cannot drift from the ids, and a prompt is an exact prefix of its training form.
"""

from bayling_study.shared.templates.encoding import encode, fit_turns, prompt_ids, render, stop_ids
from bayling_study.shared.templates.foundation import pinned_date
from bayling_study.shared.templates.jinja import chat_template
from bayling_study.shared.templates.spans import Message

__all__ = ["Message", "chat_template", "encode", "fit_turns", "pinned_date", "prompt_ids"]
__all__ += ["render", "stop_ids"]
