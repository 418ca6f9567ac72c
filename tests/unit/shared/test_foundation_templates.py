"""Chat templates that foundations carry: where answers begin and end, dates, refusals, stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.shared import templates
from bayling_study.shared.templates.counting import count_tokens
from helpers.training import (
    chatml_tokenizer,
    legacy_llama_tokenizer,
    llama3_tokenizer,
    old_llama_tokenizer,
)

TALK = [
    {"role": "user", "content": "Say hello."},
    {"role": "assistant", "content": "Hello the a"},
    {"role": "user", "content": "And the word?"},
    {"role": "assistant", "content": "the word."},
]
SYSTEM = {"role": "system", "content": "Be brief."}
INST = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content.strip() "
    "+ ' [/INST]' }}{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}"
    "{% endif %}{% endfor %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + "
    "' [/INST]' }}{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
GUARD = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
TURNS = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m.content + '<|im_end|>\n' }}{% endfor %}"
)
ASK = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
ASK_THINKING = ASK.replace("assistant\n", "assistant\n<think>\n")
ZEPHYR = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
DATED = "{{ 'Today is ' + strftime_now('%d %b %Y') + '.\n' }}" + TURNS + ASK


def carrying(tokenizer: Any, template: str) -> Any:
    tokenizer.chat_template = template
    return tokenizer


CASES = {
    "llama-2": (old_llama_tokenizer, INST),
    "llama-2-older": (legacy_llama_tokenizer, INST),
    "mistral": (old_llama_tokenizer, MISTRAL),
    "mistral-bytes": (chatml_tokenizer, MISTRAL),
    "think": (chatml_tokenizer, TURNS + ASK),
    "zephyr": (old_llama_tokenizer, ZEPHYR),
    "gemma": (chatml_tokenizer, GUARD + TURNS + ASK),
}


@pytest.mark.parametrize("name", CASES)
def test_learning_begins_where_the_prompt_ends(name: str) -> None:
    make, source = CASES[name]
    tokenizer = carrying(make(), source)
    ids, mask = templates.encode(tokenizer, "foundation", TALK)
    edges = [n for n in range(1, len(mask)) if mask[n] and not mask[n - 1]]
    prompts = [templates.prompt_ids(tokenizer, "foundation", TALK[:turns]) for turns in (1, 3)]
    assert edges == [len(prompt) for prompt in prompts]
    assert [ids[: len(prompt)] for prompt in prompts] == prompts
    ends = [ids[n] for n in range(len(mask)) if mask[n] and not (mask[n + 1 :] or [False])[0]]
    assert ends == [tokenizer.eos_token_id] * 2
    assert count_tokens(tokenizer, "foundation", [TALK]) == [(len(ids), sum(mask))]


@pytest.mark.parametrize("name", CASES)
def test_ids_are_those_of_the_models_own_template(name: str) -> None:
    """Llama-2's history has "▁Hello", not "▁" and "Hello"."""
    make, source = CASES[name]
    tokenizer = carrying(make(), source)
    ours = [
        templates.prompt_ids(tokenizer, "foundation", TALK[:1]),
        templates.prompt_ids(tokenizer, "foundation", TALK[:3]),
        templates.encode(tokenizer, "foundation", TALK)[0],
    ]
    own = [
        tokenizer.apply_chat_template(
            talk, add_generation_prompt=len(talk) % 2 == 1, tokenize=True, return_dict=False
        )
        for talk in (TALK[:1], TALK[:3], TALK)
    ]
    assert ours == own


def test_an_answer_that_begins_otherwise_than_its_prompt_ended_is_refused() -> None:
    tokenizer = carrying(chatml_tokenizer(), TURNS.replace("<think>", "<t>") + ASK_THINKING)
    with pytest.raises(StudyError, match="ends a prompt otherwise") as caught:
        templates.encode(tokenizer, "foundation", TALK)
    assert caught.value.where == "template: foundation"
    prompt = templates.prompt_ids(tokenizer, "foundation", TALK[:3])  # it can still be asked
    own = tokenizer.apply_chat_template(
        TALK[:3], add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert prompt == own
    assert templates.stop_ids(tokenizer, "foundation") == [tokenizer.eos_token_id]


def test_the_date_is_pinned() -> None:
    tokenizer = carrying(chatml_tokenizer(), DATED)
    text = templates.render("foundation", TALK[:1], tokenizer)
    assert text.startswith("Today is 26 Jul 2024.\n")
    assert templates.pinned_date(tokenizer, "foundation") == {"template_date": "2024-07-26"}
    assert templates.pinned_date(tokenizer, "bayling") == {}
    assert templates.pinned_date(chatml_tokenizer(), "foundation") == {}
    saved = carrying(chatml_tokenizer(), templates.chat_template(tokenizer, "foundation"))
    own = saved.apply_chat_template(TALK[:1], add_generation_prompt=True, tokenize=False)
    assert own == text


def test_a_date_that_cannot_be_pinned_is_refused() -> None:
    source = "{% set form = '%d' %}{{ strftime_now(form) }}" + TURNS + ASK
    with pytest.raises(StudyError, match="cannot be pinned"):
        templates.encode(carrying(chatml_tokenizer(), source), "foundation", TALK)


ALTERNATE = "{% if messages|length > 2 %}{{ raise_exception('one turn only') }}{% endif %}"


@pytest.mark.parametrize(
    ("source", "messages", "reason"),
    [
        (GUARD + TURNS + ASK, [SYSTEM, *TALK], "refuses the turns system, user.*no system role"),
        (ALTERNATE + TURNS + ASK, TALK, "one turn only"),
        (
            "{% for m in messages if m.role != 'system' %}{{ m.content + eos_token }}{% endfor %}",
            [SYSTEM, *TALK],
            "leaves out or repeats the text of a message of the role 'system'",
        ),
    ],
)
def test_a_template_that_does_not_take_the_messages_is_named(
    source: str, messages: list[dict[str, str]], reason: str
) -> None:
    tokenizer = carrying(chatml_tokenizer(), source)
    with pytest.raises(StudyError, match=reason) as caught:
        templates.encode(tokenizer, "foundation", messages)
    assert "template: bayling" in str(caught.value.fix)


def test_a_turn_that_ends_in_plain_text_is_learnt_up_to_its_content() -> None:
    """Masks refuses it, for its last id is no stop; it can be asked and stops at the EOS."""
    source = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    ask = "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    tokenizer = carrying(chatml_tokenizer(), source + ask)
    ids, mask = templates.encode(tokenizer, "foundation", TALK)
    learnt = [number for number, wanted in zip(ids, mask, strict=True) if wanted]
    assert tokenizer.decode(learnt) == "Hello the athe word."
    assert templates.stop_ids(tokenizer, "foundation") == [tokenizer.eos_token_id]


LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + "
    "'<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)


@pytest.mark.parametrize("eos", ["<|end_of_text|>", "<|eot_id|>"])
@pytest.mark.parametrize("template", ["bayling-3", "foundation"])
def test_llama_3_stops_at_both_ends(eos: str, template: Any) -> None:
    tokenizer = carrying(llama3_tokenizer(), LLAMA3)
    tokenizer.eos_token = eos
    both = tokenizer.convert_tokens_to_ids(["<|end_of_text|>", "<|eot_id|>"])
    assert templates.stop_ids(tokenizer, template) == sorted(both)


def test_stops_of_the_generation_config_count_if_they_are_special(tmp_path: Path) -> None:
    """The authors' list has id 2, a piece of text in Llama-3's vocabulary."""
    made = chatml_tokenizer()
    made.save_pretrained(tmp_path)
    plain = made("a", add_special_tokens=False)["input_ids"][0]
    declared = {"eos_token_id": [made.pad_token_id, made.eos_token_id, plain]}
    (tmp_path / "generation_config.json").write_text(json.dumps(declared))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    both = sorted([made.pad_token_id, made.eos_token_id])
    assert templates.stop_ids(tokenizer, "foundation") == both
    assert templates.stop_ids(tokenizer, "bayling") == both
    declared = {"eos_token_id": made.pad_token_id}
    (tmp_path / "generation_config.json").write_text(json.dumps(declared))
    assert templates.stop_ids(tokenizer, "foundation") == both
