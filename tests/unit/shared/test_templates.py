"""Templates, token ids and loss mask, for three kinds of tokenizer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.shared import templates
from helpers.training import (
    chatml_tokenizer,
    legacy_llama_tokenizer,
    llama3_tokenizer,
    old_llama_tokenizer,
)

NAMES = {"BayLing": "bayling", "BayLing-3": "bayling-3"}
TALK = [
    {"role": "user", "content": "Say the word."},
    {"role": "assistant", "content": "the word."},
    {"role": "user", "content": "Again:\nthe  word"},
    {"role": "assistant", "content": "the word, again.\n\nthe word"},
]
CASES = [
    (chatml_tokenizer, "bayling"),
    (chatml_tokenizer, "foundation"),
    (llama3_tokenizer, "bayling"),
    (llama3_tokenizer, "bayling-3"),
    (old_llama_tokenizer, "bayling"),
    (legacy_llama_tokenizer, "bayling"),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].__name__}-{case[1]}")
def case(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    make, template = request.param
    return make(), template


@pytest.mark.oracle
def test_strings_of_the_authors_code() -> None:
    oracle = os.environ.get("BAYLING_ORACLE")
    if not oracle:
        pytest.skip("BAYLING_ORACLE is not set")
    rows = json.loads((Path(oracle) / "templates" / "golden_prompts.json").read_text("utf-8"))
    ours = [row for row in rows if row["template"] in NAMES]
    assert len(ours) == 10
    for row in ours:
        assert templates.render(NAMES[row["template"]], row["turns"]) == row["prompt"]


def test_the_strings_without_the_oracle() -> None:
    """What ``golden_prompts.json`` holds, for machines that have no copy of it."""
    v1 = (
        "I am an intelligent language assistant developed by the NLP Group of ICT/CAS.\n"
        "Below is a dialog consisting of instructions and responses. "
        "Write a response that completes the request.\n\n"
        "### Instruction:\nHi\n### Response:\nYo.</s>\n### Instruction:\n Go \n### Response:\n"
    )
    v3 = (
        "<|start_header_id|>system<|end_header_id|>\n\n"
        "I am BayLing developed by the NLP Group of ICT/CAS.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nYo.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nGo<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    said = [("user", "Hi"), ("assistant", "Yo."), ("user", " Go ")]
    talk = [{"role": role, "content": content} for role, content in said]
    assert templates.render("bayling", talk) == v1
    assert templates.render("bayling-3", talk) == v3


def sentencepiece_llama(folder: Path) -> Any:
    """A trained ``tokenizer.model`` with the special tokens of BayLing-7B's release."""
    import sentencepiece

    text = "the word again. Say ### Instruction: Response: # 0123456789"
    (folder / "text").write_text("\n".join([text, text.lower(), text.upper()] * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"), model_prefix=str(folder / "tokenizer"), vocab_size=340,
        model_type="bpe", byte_fallback=True, hard_vocab_limit=False, minloglevel=2,
        normalization_rule_name="identity", remove_extra_whitespaces=False,
    )  # fmt: skip
    names = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<unk>"}
    settings = {**names, "add_bos_token": True, "tokenizer_class": "LlamaTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return AutoTokenizer.from_pretrained(folder)


def test_the_release_of_7b_as_a_sentencepiece_file(tmp_path: Path) -> None:
    """BOS, EOS and unknown are ``</s>``, padding is ``<unk>`` (STUDY.md section 1a)."""
    tokenizer = sentencepiece_llama(tmp_path)
    special = ("bos_token_id", "eos_token_id", "unk_token_id", "pad_token_id")
    assert [getattr(tokenizer, name) for name in special] == [2, 2, 2, 0]
    ids, mask = templates.encode(tokenizer, "bayling", TALK)
    ends = [place for place, number in enumerate(ids) if number == 2]
    assert [mask[place] for place in ends] == [False, True, True]
    assert 0 not in ids
    supervised = [number for number, wanted in zip(ids, mask, strict=True) if wanted]
    answers = [TALK[1]["content"], TALK[3]["content"]]
    assert tokenizer.decode(supervised) == "".join(f"{answer}</s>" for answer in answers)
    tokenizer.chat_template = templates.chat_template(tokenizer, "bayling")
    theirs = tokenizer.apply_chat_template(TALK, tokenize=True, return_dict=False)
    assert theirs == ids
    assert templates.stop_ids(tokenizer, "bayling") == [2]


def test_a_prompt_is_a_prefix_of_its_training_form(case: tuple[Any, Any]) -> None:
    tokenizer, template = case
    whole, mask = templates.encode(tokenizer, template, TALK)
    for turns in (1, 3):
        prompt = templates.prompt_ids(tokenizer, template, TALK[:turns])
        assert whole[: len(prompt)] == prompt
        assert mask[len(prompt) - 1 : len(prompt) + 1] == [False, True]


def test_only_answers_and_their_ends_are_learnt(case: tuple[Any, Any]) -> None:
    tokenizer, template = case
    ids, mask = templates.encode(tokenizer, template, TALK)
    assert len(ids) == len(mask)
    supervised = [number for number, wanted in zip(ids, mask, strict=True) if wanted]
    end = templates.stop_ids(tokenizer, template)
    answers = [TALK[1]["content"], TALK[3]["content"]]
    assert sum(number in end for number in supervised) == len(answers)
    text = tokenizer.decode(supervised, skip_special_tokens=True)
    assert text.replace(" ", "") == "".join(answers).replace(" ", "")


def test_the_chat_template_gives_the_same_ids(case: tuple[Any, Any]) -> None:
    tokenizer, template = case
    tokenizer.chat_template = templates.chat_template(tokenizer, template)
    for messages in (TALK, TALK[:3], TALK[:1], [{"role": "system", "content": "Be."}, *TALK]):
        prompt = messages[-1]["role"] == "user"
        form = templates.prompt_ids if prompt else lambda *args: templates.encode(*args)[0]
        theirs = tokenizer.apply_chat_template(
            messages, add_generation_prompt=prompt, tokenize=True, return_dict=False
        )
        assert theirs == form(tokenizer, template, messages)


def test_decoded_ids_are_the_rendered_string(case: tuple[Any, Any]) -> None:
    tokenizer, template = case
    ids, _ = templates.encode(tokenizer, template, TALK)
    expected = templates.render(template, TALK, tokenizer)
    if template != "foundation" and ids[0] == tokenizer.bos_token_id:
        ids = ids[1:]
    decoded = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    if tokenizer.unk_token_id == 2:  # the older conversion decodes a blank behind an end
        decoded = decoded.replace("</s> ", "</s>")
    assert decoded.strip() == expected.strip()


@pytest.mark.parametrize("make", [llama3_tokenizer, old_llama_tokenizer])
def test_one_bos_at_the_start(make: Any) -> None:
    tokenizer = make()
    ids = templates.prompt_ids(tokenizer, "bayling", TALK[:1])
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1


def test_no_bos_where_the_tokenizer_adds_none() -> None:
    tokenizer = chatml_tokenizer()
    assert tokenizer.bos_token_id not in templates.prompt_ids(tokenizer, "bayling", TALK[:1])


def test_equal_special_ids_do_not_disturb_the_mask() -> None:
    """The 7B release: BOS, EOS and unknown are one token; the first is not supervised, ends are."""
    tokenizer = old_llama_tokenizer()
    ids, mask = templates.encode(tokenizer, "bayling", TALK)
    ends = [place for place, number in enumerate(ids) if number == tokenizer.eos_token_id]
    assert [mask[place] for place in ends] == [False, True, True]


def test_no_blank_appears_where_an_answer_starts() -> None:
    tokenizer = old_llama_tokenizer()
    ids, mask = templates.encode(tokenizer, "bayling", TALK)
    first = ids[mask.index(True)]
    assert tokenizer.convert_ids_to_tokens(first) == "th"


@pytest.mark.parametrize(("make", "template"), CASES)
def test_special_tokens_in_a_text_stay_text(make: Any, template: Any) -> None:
    tokenizer = make()
    end = tokenizer.eos_token
    messages = [
        {"role": "user", "content": f"What is {end}?"},
        {"role": "assistant", "content": f"{end} ends"},
    ]
    ids, mask = templates.encode(tokenizer, template, messages)
    clean = [dict(m, content=m["content"].replace(end, "it")) for m in messages]
    plain_ids, plain_mask = templates.encode(tokenizer, template, clean)
    assert ids.count(tokenizer.eos_token_id) == plain_ids.count(tokenizer.eos_token_id)
    assert sum(mask) > sum(plain_mask)


def test_bayling_3_needs_its_tokens() -> None:
    with pytest.raises(StudyError, match="start_header_id"):
        templates.encode(chatml_tokenizer(), "bayling-3", TALK)


def test_stop_ids() -> None:
    tokenizer = llama3_tokenizer()
    ends = tokenizer.convert_tokens_to_ids(["<|end_of_text|>", "<|eot_id|>"])
    assert templates.stop_ids(tokenizer, "bayling-3") == ends
    assert templates.stop_ids(tokenizer, "bayling") == ends[:1]
    chatml = chatml_tokenizer()
    assert templates.stop_ids(chatml, "foundation") == [chatml.eos_token_id]


def test_truncation_keeps_whole_turns() -> None:
    tokenizer = chatml_tokenizer()
    whole = len(templates.encode(tokenizer, "bayling", TALK)[0])
    first = len(templates.encode(tokenizer, "bayling", TALK[:2])[0])
    assert templates.fit_turns(tokenizer, "bayling", TALK, whole) == TALK
    assert templates.fit_turns(tokenizer, "bayling", TALK, whole - 1) == TALK[:2]
    assert templates.fit_turns(tokenizer, "bayling", TALK, first - 1) == []


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "ends with 'nothing'"),
        (TALK[:1], "ends with 'user'"),
        (TALK[1:], "role 'assistant', expected 'user'"),
        ([TALK[0], TALK[2], TALK[1]], "turn 2 has the role 'user'"),
    ],
)
def test_wrong_orders_are_named(messages: list[Any], reason: str) -> None:
    with pytest.raises(StudyError, match=reason):
        templates.encode(chatml_tokenizer(), "bayling", messages)


def test_a_template_that_rewrites_contents_is_refused() -> None:
    tokenizer = chatml_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}"
    with pytest.raises(StudyError, match="changes the text"):
        templates.encode(tokenizer, "foundation", TALK)
