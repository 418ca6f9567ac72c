"""Conversations as models read them: templates, token ids and the loss mask.

    from bayling_study import chat
    ids = chat.prompt_ids(tokenizer, "bayling", messages)          # to generate an answer
    ids, mask = chat.encode(tokenizer, "bayling", messages)        # to train on all answers
    stops = chat.stop_ids(tokenizer, "bayling")                    # token ids that end an answer
    text = chat.render("bayling", messages)                        # the prompt as a string

A template turns messages into pieces (``chat.pieces``), and only pieces are
tokenised, never the joined text. The mask therefore follows from the pieces and
cannot drift from the ids, and a prompt is an exact prefix of its training form.
Templates are named by the configuration and never guessed from a path.
"""

from bayling_study.shared.templates.encoding import encode, fit_turns, prompt_ids, render, stop_ids
from bayling_study.shared.templates.jinja import chat_template
from bayling_study.shared.templates.pieces import Message

__all__ = ["Message", "chat_template", "encode", "fit_turns", "prompt_ids", "render", "stop_ids"]
