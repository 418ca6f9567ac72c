"""Bad input: a clear error that names the culprit, no output, the original untouched."""

from __future__ import annotations

import json
import os
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.shared.quantised import load
from bayling_study.stages.export.encoding import encode_kept
from helpers.export_models import change, export_tiny, refused, save_pickled, save_tiny, tiny_model

FORMATS = ["groupwise", "bitsandbytes", "gguf"]
WEIGHT = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_tiny(folder)
    return folder


@pytest.fixture
def model(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def sharded(tmp_path):
    save_tiny(tmp_path / "model", shard="200KB")
    return tmp_path / "model"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("tensor", [WEIGHT, "model.norm.weight", "model.embed_tokens.weight"])
def test_a_value_that_is_no_number_is_named(model, name, tensor, bad):
    def spoil(tensors):
        tensors[tensor].view(-1)[-1] = bad

    change(model, spoil)
    refused(model, tensor, name)


def test_a_missing_shard_is_named(sharded):
    gone = sorted(sharded.glob("*.safetensors"))[1]
    gone.unlink()
    refused(sharded, gone.name)


@pytest.mark.parametrize("cut", [1, 1000, "header", "empty"])
def test_a_truncated_shard_is_refused(model, cut):
    file = model / "model.safetensors"
    size = {"header": 100, "empty": 0}.get(cut) if isinstance(cut, str) else -cut
    os.truncate(file, size if size >= 0 else file.stat().st_size + size)
    refused(model, "truncated|not a safetensors file")


def test_a_shard_that_grew_is_refused(model):
    with open(model / "model.safetensors", "ab") as stream:
        stream.write(b"\0")
    refused(model, "truncated or changed")


@pytest.mark.parametrize("length", [2**63, 10**12, 200_000_000, 0])
def test_a_header_length_that_lies_is_refused_without_reading_it(model, length):
    with open(model / "model.safetensors", "r+b") as stream:
        stream.write(struct.pack("<Q", length))
    refused(model, "header too large|invalid JSON in header")


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"dtype": "F16", "shape": [2**40, 2**40], "data_offsets": [0, 8]}, "overflow"),
        ({"dtype": "F16", "shape": [-2, -2], "data_offsets": [0, 8]}, "integer `-2`"),
        ({"dtype": "F16", "shape": [True, 4], "data_offsets": [0, 8]}, "boolean `true`"),
        ({"dtype": "F8_X", "shape": [4], "data_offsets": [0, 8]}, "unknown variant `F8_X`"),
        ({"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]}, "type 'F8_E4M3' are not"),
        ({"shape": [4]}, "missing field `dtype`"),
        ([1, 2], "expected string or map"),
        ({"dtype": "F16", "shape": [4], "data_offsets": [8, 16]}, "invalid offset"),
    ],
)
def test_a_malicious_header_entry_is_refused(model, entry, text):
    header = json.dumps({"a": entry}).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    refused(model, text)


@pytest.mark.parametrize("header", [b"[1]", b"\xff\xfe", b"{" * 5000, b'{"a":'])
def test_a_header_that_is_no_json_mapping_is_refused(model, header):
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    refused(model, "invalid (JSON|UTF-8) in header")


def test_an_index_cannot_point_outside_its_folder(sharded):
    path = sharded / "model.safetensors.index.json"
    index = read_json(path)
    index["weight_map"]["lm_head.weight"] = "../model.safetensors"
    write_json(path, index)
    refused(sharded, "not a plain file name")


def test_an_index_that_promises_too_much_is_refused(sharded):
    path = sharded / "model.safetensors.index.json"
    index = read_json(path)
    index["weight_map"]["model.extra.weight"] = index["weight_map"]["lm_head.weight"]
    write_json(path, index)
    refused(sharded, "model.extra.weight")


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda t: t.pop(WEIGHT), WEIGHT),
        (lambda t: t.update(extra=torch.zeros(2)), "extra"),
        (lambda t: t.update({WEIGHT: torch.zeros(4, 4)}), r"stored \(4, 4\)"),
    ],
)
def test_tensors_must_fit_the_architecture(model, edit, text):
    change(model, edit)
    refused(model, text)


def test_rotary_buffers_of_old_checkpoints_are_left_out(model):
    change(
        model, lambda t: t.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)})
    )
    report = export_tiny(model, model.parent / "out")
    assert not [row for row in report["tensors"] if "inv_freq" in row["tensor"]]


@pytest.mark.parametrize("kind", ["no-such-model", None, 7])
def test_an_unknown_architecture_is_named(model, kind):
    config = read_json(model / "config.json") | {"model_type": kind, "architectures": ["X"]}
    write_json(model / "config.json", config)
    refused(model, "architecture")


def test_code_beside_a_checkpoint_is_never_run(model):
    mark = model.parent / "ran"
    (model / "modeling_evil.py").write_text(f"open({str(mark)!r}, 'w')")
    auto = {"AutoConfig": "modeling_evil.C", "AutoModelForCausalLM": "modeling_evil.M"}
    config = read_json(model / "config.json") | {"model_type": "evil", "auto_map": auto}
    write_json(model / "config.json", config)
    refused(model, "architecture")
    assert not mark.exists()


def test_gguf_refuses_what_llama_cpp_would_misread(model):
    path = model / "tokenizer.json"
    values = read_json(path)
    values["pre_tokenizer"] = {"type": "Whitespace"}
    write_json(path, values)
    refused(model, "pre-tokenizer", "gguf")
    config = read_json(model / "config.json")
    scaling = {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
    write_json(model / "config.json", config | {"rope_parameters": scaling})
    refused(model, "rope scaling", "gguf")


def test_a_pickle_that_runs_code_is_refused(model):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(model.parent / "ran"),)

    (model / "model.safetensors").unlink()
    torch.save({"a": Evil()}, model / "pytorch_model.bin")
    refused(model, "cannot be read")
    assert not (model.parent / "ran").exists()


@pytest.mark.parametrize("cut", [10, 5000])
def test_a_truncated_pickle_is_refused(tmp_path, cut):
    save_pickled(tmp_path / "model", tiny_model())
    file = tmp_path / "model" / "pytorch_model.bin"
    os.truncate(file, file.stat().st_size - cut)
    refused(tmp_path / "model", "truncated|cannot be read")


def test_tied_weights_that_differ_are_an_error(tmp_path):
    model = tiny_model(tie_word_embeddings=True)
    save_pickled(tmp_path / "model", model)
    state = model.state_dict()
    state["lm_head.weight"] = state["lm_head.weight"] + 1
    torch.save(state, tmp_path / "model" / "pytorch_model.bin")
    refused(tmp_path / "model", "ties 'lm_head.weight'")


def test_a_value_beyond_fp16_is_refused_where_fp16_is_asked(tmp_path):
    model = tiny_model(dtype=torch.float32)
    with torch.no_grad():
        model.model.norm.weight[0] = 1e6
    save_tiny(tmp_path / "model", model)
    assert "kept_precision" in str(refused(tmp_path / "model", "model.norm.weight"))


@pytest.mark.parametrize("damage", ["cut", "flip", "missing", "outside", "scheme"])
def test_the_loader_refuses_a_damaged_export(model, damage):
    out = model.parent / "out"
    export_tiny(model, out)
    file, description = out / "groupwise.safetensors", out / "quantization.json"
    if damage == "cut":
        os.truncate(file, file.stat().st_size - 1)
    elif damage == "flip":
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    elif damage == "missing":
        file.unlink()
    else:
        values = read_json(description)
        facts = values["files"].pop("groupwise.safetensors")
        values["files"]["../x" if damage == "outside" else "groupwise.safetensors"] = facts
        values["scheme"] = "other" if damage == "scheme" else "groupwise"
        write_json(description, values)
    with pytest.raises(StudyError):
        load(out, torch.float32)


@pytest.mark.parametrize("drop", ["model.norm.weight", f"{WEIGHT}.scale"])
def test_the_loader_names_a_tensor_that_is_not_there(model, drop):
    out = model.parent / "out"
    export_tiny(model, out)
    tensors = load_file(out / "groupwise.safetensors")
    del tensors[drop]
    save_file(tensors, out / "groupwise.safetensors")
    with pytest.raises(StudyError, match=drop):
        load(out, torch.float32, verify=False)


def test_squares_of_a_large_tensor_are_not_lost() -> None:
    """torch's norm of so many values in fp32 is too small; an embedding has as many."""
    value = torch.randn(3000, 4000, generator=torch.Generator().manual_seed(2)) / 8
    found = encode_kept("embedding", value, torch.bfloat16, lambda number, part: None)
    exact = float(value.double().square().sum())
    lost = float((value - value.bfloat16().float()).double().square().sum())
    assert found.weight_square == pytest.approx(exact, rel=5e-5)
    assert found.error_square == pytest.approx(lost, rel=5e-5)
