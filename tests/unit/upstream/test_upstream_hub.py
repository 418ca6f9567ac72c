"""The models of the full studies, and the hub as it can be: gated, busy, of many pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from helpers.upstream.fetching import fetch, models, table
from helpers.upstream.hub import TOKEN
from helpers.upstream.server import Upstreams

WEIGHTS = (".safetensors", ".bin", ".ckpt")


@pytest.mark.parametrize("source", models())
def test_models_come_without_their_weights(source: str, upstreams: Upstreams, out: Path) -> None:
    upstreams.asked.clear()
    receipt = fetch(source, upstreams, out)
    files = {item["path"] for item in receipt["files"]}
    assert not any(path.endswith(WEIGHTS) for path in upstreams.asked)
    assert not table()[source].gated or not upstreams.asked
    if source == "wmt22-comet-da":
        assert {"hparams.yaml", "checkpoints/model.ckpt", "LICENSE"} <= files
        return
    tokenizer = AutoTokenizer.from_pretrained(out / "files")
    pieces = tokenizer("a mat", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(pieces).strip() == "a mat"
    weights = {path for path in files if path.endswith(WEIGHTS)}
    assert len(weights) == (source != "xlm-roberta-large")


@pytest.mark.parametrize("source", [name for name in models() if table()[name].gated])
def test_with_an_accepted_token_a_gated_model_comes_with_its_template(
    source: str, upstreams: Upstreams, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    receipt = fetch(source, upstreams, out)
    assert len(receipt["revision"]) == 40
    tokenizer = AutoTokenizer.from_pretrained(out / "files")
    turns = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi."}]
    asked = tokenizer.apply_chat_template(turns, tokenize=False)
    assert asked.startswith(
        ("<s>[INST] Hello. [/INST] Hi.", "<|begin_of_text|><|start_header_id|>")
    )


def test_of_two_names_of_a_model_the_second_answers(upstreams: Upstreams, out: Path) -> None:
    receipt = fetch("bayling-2-llama-3-8b", upstreams, out)
    assert receipt["location"] == "models/ICTNLP/bayling-llama-3-8b"


def test_a_token_without_the_terms_is_refused(
    upstreams: Upstreams, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    fetch("llama-3-8b-instruct", upstreams, out)
    note = read_json(out / "files" / "stand-in.json")
    assert "no accepted token" in note["why"]


@pytest.mark.parametrize("busy", [1, 2, 3])
def test_a_busy_hub_is_asked_again(busy: int, upstreams: Upstreams, out: Path) -> None:
    """What it is asked first, what it has, and a file."""
    upstreams.hub.busy = busy
    receipt = fetch("slimorca", upstreams, out, retries=3)
    assert upstreams.hub.busy == 0 and receipt["files"]


def test_a_hub_that_stays_busy_is_told(upstreams: Upstreams, out: Path) -> None:
    upstreams.hub.busy = 3
    with pytest.raises(StudyError, match=r"gave up .*429(.|\n)*start again"):
        fetch("slimorca", upstreams, out, retries=2)
    assert upstreams.hub.busy == 0


def test_a_tree_of_many_pages_is_read_to_its_end(upstreams: Upstreams, out: Path) -> None:
    receipt = fetch("opus-100", upstreams, out)
    assert len(receipt["files"]) == 99
    assert sum("/tree/" in path for path in upstreams.asked) > 3
