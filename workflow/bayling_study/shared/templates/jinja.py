"""The templates once more, as Jinja chat templates for a checkpoint's tokenizer. A tuned checkpoint
must work with ``apply_chat_template``, which tokenises a rendered string as a whole; a test asserts
that this gives the ids of ``encoding``."""

import json
from typing import Any

from bayling_study.config.systems import TemplateName
from bayling_study.core.tables import beside
from bayling_study.shared.templates import definitions
from bayling_study.shared.templates.encoding import adds_bos, marks_after_special, marks_start
from bayling_study.shared.templates.foundation import pinned_template

SOURCES: dict[str, str] = {k: text.replace("\n", "") for k, text in beside(__file__).items()}
"""Sources by template, and that of the ``system`` text, which comes first."""


def chat_template(tokenizer: Any, template: TemplateName) -> str:
    """Returns the Jinja source that a tokenizer of this template must carry. Version 1 has ``###
    Response:`` behind any user turn: ``add_generation_prompt`` adds nothing."""
    if template == "foundation":
        return pinned_template(tokenizer)
    names = {
        "DEFAULT": json.dumps(definitions.SYSTEMS[template]),
        "BOS": _bos(tokenizer),
        "HEADER_END": json.dumps(definitions.HEADER_END),
        "HEADER": json.dumps(definitions.HEADER),
        "EOT": json.dumps(definitions.END_OF_TURN),
    }
    text = SOURCES["system"] + SOURCES[template]
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def _bos(tokenizer: Any) -> str:
    """Returns the expression for what stands before the text: behind a BOS that is part of the
    string, the blank too by which some tokenizers mark a text's start, but not there."""
    if not adds_bos(tokenizer):
        return "''"
    lost = marks_start(tokenizer) and not marks_after_special(tokenizer)
    return "bos_token + ' '" if lost else "bos_token"
