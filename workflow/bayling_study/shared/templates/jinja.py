"""The templates once more, as Jinja chat templates for a checkpoint's tokenizer. A tuned checkpoint
must work with ``apply_chat_template``, which tokenises a rendered string as a whole; a test asserts
that this gives the ids of ``encoding``."""

import json
from typing import Any

from bayling_study.config.systems import TemplateName
from bayling_study.shared.templates import definitions
from bayling_study.shared.templates.encoding import adds_bos, marks_after_special, marks_start
from bayling_study.shared.templates.foundation import pinned_template

SYSTEM = (
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set system = messages[0]['content'] -%}{%- set turns = messages[1:] -%}"
    "{%- else -%}{%- set system = DEFAULT -%}{%- set turns = messages -%}{%- endif -%}"
)
V1 = (
    "{{- BOS + system + '\\n\\n' -}}"
    "{%- for message in turns -%}{%- if message['role'] == 'user' -%}"
    "{{- ('' if loop.first else '\\n') + '### Instruction:\\n' + message['content'] -}}"
    "{{- '\\n### Response:\\n' -}}"
    "{%- else -%}{{- message['content'] + eos_token -}}{%- endif -%}{%- endfor -%}"
)
V3 = (
    "{%- macro turn(role, text) -%}"
    "{{- HEADER + role + HEADER_END + '\\n\\n' + text | trim + EOT -}}{%- endmacro -%}"
    "{{- BOS + turn('system', system) -}}"
    "{%- for message in turns -%}{{- turn(message['role'], message['content']) -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}"
    "{{- HEADER + 'assistant' + HEADER_END + '\\n\\n' -}}{%- endif -%}"
)


def chat_template(tokenizer: Any, template: TemplateName) -> str:
    """Returns the Jinja source that a tokenizer of this template must carry. Version 1 has ``###
    Response:`` behind any user turn: ``add_generation_prompt`` adds nothing."""
    if template == "foundation":
        return pinned_template(tokenizer)
    forms = {"bayling": (V1, definitions.V1_SYSTEM), "bayling-3": (V3, definitions.V3_SYSTEM)}
    source, system = forms[template]
    names = {
        "DEFAULT": json.dumps(system),
        "BOS": _bos(tokenizer),
        "HEADER_END": json.dumps(definitions.HEADER_END),
        "HEADER": json.dumps(definitions.HEADER),
        "EOT": json.dumps(definitions.END_OF_TURN),
    }
    text = SYSTEM + source
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
