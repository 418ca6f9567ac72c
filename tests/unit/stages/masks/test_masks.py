"""The mask audit as a job of its own, and how training takes its encoding over."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from bayling_study.core.cli import EXIT_USER_ERROR
from bayling_study.core.errors import StudyError
from bayling_study.shared import templates, token_set
from bayling_study.stages.masks.__main__ import encode
from bayling_study.stages.tuning.__main__ import adopt
from helpers.programs import run_training
from helpers.training import Stage, conversations, write_foundation, write_instructions

MASKS = "bayling_study.stages.masks"


def prepared(folder: Path) -> tuple[Path, Path]:
    return write_instructions(folder / "synthesis"), write_foundation(folder / "foundation")


def test_the_audit_shows_supervised_tokens(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    audit = encode(tmp_path / "out", *prepared(tmp_path), "bayling", 512)
    assert audit["conversations"] == 24
    assert audit["fully_masked"] == 0
    [sample] = audit["samples"]
    supervised = [part["text"] for part in sample["spans"] if part["supervised"]]
    assert supervised == ["the 0. <|im_end|>", "the 0 again<|im_end|>"]
    assert sample["spans"][0]["text"].startswith("I am an intelligent language assistant")
    assert sample["spans"][0]["text"].endswith("### Response:\n")
    assert json.loads((tmp_path / "out" / token_set.AUDIT).read_text()) == audit


def test_training_takes_the_encoding_over(tmp_path: Path) -> None:
    both = prepared(tmp_path)
    made, folder = tmp_path / "masks", tmp_path / "job"
    made.mkdir()
    folder.mkdir()
    audit = encode(made, *both, "bayling", 512)
    for _ in range(2):
        taken = adopt(made, folder, token_set.made_from(*both, "bayling", 512))
        assert taken == audit
    ours, theirs = token_set.load(folder / "tokens"), token_set.load(made / "tokens")
    assert ours.digest == theirs.digest
    assert ours.names == theirs.names


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    both = prepared(tmp_path)
    made = tmp_path / "masks"
    made.mkdir()
    encode(made, *both, "bayling", 512)
    with pytest.raises(StudyError, match="of other max_length, template"):
        adopt(made, tmp_path, token_set.made_from(*both, "foundation", 256))
    tokenizer = both[1] / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + " ")
    with pytest.raises(StudyError, match="of other tokenizer"):
        adopt(made, tmp_path, token_set.made_from(*both, "bayling", 512))


@pytest.mark.slow
def test_the_program_names_a_conversation_without_an_answer(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    out = tmp_path / "masks"
    command = [
        *(sys.executable, "-m", MASKS, "--system", "tuned", "--out", str(out)),
        *("--settings", str(tmp_path / "settings.json"), "--record", str(tmp_path / "m.json")),
        *("--foundation", str(tmp_path / "foundation")),
        *("--synthesis", str(tmp_path / "synthesis")),
    ]

    fresh = subprocess.run(command, env=stage.environment, capture_output=True, text=True)
    assert fresh.returncode == 0, fresh.stderr
    record = json.loads((tmp_path / "m.json").read_text())
    assert record["metrics"]["conversations"] == 24
    assert (out / "tokens" / "mask.npy").exists()
    rows = conversations(3)
    rows[1]["messages"] = rows[1]["messages"][:1]
    path = tmp_path / "synthesis" / "train.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path)
    done = run_training(command, stage.environment)
    assert done.returncode == EXIT_USER_ERROR
    assert "conversation c1: the conversation ends with 'user'" in done.stderr
    assert (out / "tokens" / "mask.npy").exists()  # what an earlier run wrote stays


def test_a_fully_masked_conversation_ends_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a template would whose answers carry no token that is supervised."""
    both = prepared(tmp_path)
    original = templates.encode

    def masked(tokenizer: Any, template: Any, messages: Any) -> Any:
        ids, mask = original(tokenizer, template, messages)
        return ids, [False] * len(mask) if "Say 7 " in messages[0]["content"] else mask

    monkeypatch.setattr(templates, "encode", masked)
    with pytest.raises(StudyError, match="1 conversations have no supervised token: c7"):
        encode(tmp_path, *both, "bayling", 512)
    assert not (tmp_path / token_set.AUDIT).exists()


def test_an_answer_that_does_not_end_where_generation_stops_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a template would that lets the stop token out, or unsupervised, in one answer of many."""
    both = prepared(tmp_path)
    original = templates.encode

    def endless(tokenizer: Any, template: Any, messages: Any) -> Any:
        ids, mask = original(tokenizer, template, messages)
        last = max(place for place, learnt in enumerate(mask) if learnt)
        if "Say 7 " in messages[0]["content"]:
            mask[last] = False
        return ids, mask

    monkeypatch.setattr(templates, "encode", endless)
    with pytest.raises(StudyError, match="at which generation does not stop") as caught:
        encode(tmp_path, *both, "bayling", 512)
    assert caught.value.where == "conversation c7"


def carry(foundation: Path, template: str) -> None:
    """Gives a foundation another chat template."""
    (foundation / "chat_template.jinja").unlink(missing_ok=True)
    path = foundation / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))


def test_a_template_that_refuses_a_conversation_is_named_with_it(tmp_path: Path) -> None:
    instructions, foundation = prepared(tmp_path)
    carry(foundation, "{{ raise_exception('no such roles') }}")
    with pytest.raises(StudyError, match="no such roles") as caught:
        encode(tmp_path, instructions, foundation, "foundation", 512)
    assert "refuses the turns" in caught.value.what
    assert "template: bayling" in str(caught.value.fix)


def test_a_refused_system_turn_is_named_with_its_conversation(tmp_path: Path) -> None:
    instructions, foundation = prepared(tmp_path)
    rows = conversations(3)
    rows[1]["messages"] = [{"role": "system", "content": "Be."}, *rows[1]["messages"]]
    parquet.write_table(pa.Table.from_pylist(rows), instructions / "train.parquet")
    guard = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    turns = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}"
    end = "{{ '<|im_end|>' }}{% endfor %}"
    ask = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    carry(foundation, guard + turns + end + ask)
    with pytest.raises(StudyError, match="no system") as caught:
        encode(tmp_path, instructions, foundation, "foundation", 512)
    assert caught.value.where == "conversation c1"


def test_a_pinned_date_is_in_the_audit(tmp_path: Path) -> None:
    instructions, foundation = prepared(tmp_path)
    turns = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}"
    end = "{{ '<|im_end|>' }}{% endfor %}"
    ask = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    carry(foundation, "{{ strftime_now('%d %B %Y') }}" + turns + end + ask)
    audit = encode(tmp_path, instructions, foundation, "foundation", 512)
    assert audit["template_date"] == "2024-07-26"
    assert audit["samples"][0]["spans"][0]["text"].startswith("26 July 2024")


def test_a_template_whose_turns_end_in_plain_text_teaches_no_stop(tmp_path: Path) -> None:
    instructions, foundation = prepared(tmp_path)
    plain = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    ask = "{% if add_generation_prompt %}assistant: {% endif %}"
    carry(foundation, plain + ask)
    with pytest.raises(StudyError, match="does not stop") as caught:
        encode(tmp_path, instructions, foundation, "foundation", 512)
    assert caught.value.where == "conversation c0"
