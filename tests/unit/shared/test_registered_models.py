"""Registered models load with MLflow's own client from where the study wrote them."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pytest
import torch
from safetensors.torch import load_file
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from bayling_study.config.evaluation import GenerationSection
from bayling_study.shared.models import load
from bayling_study.shared.tracking.mlflow_store import Store
from bayling_study.shared.tracking.record import RunRecord
from bayling_study.shared.tracking.target import default_uri
from helpers.export_models import TEMPLATE, export_tiny, save_tiny
from helpers.servers import MlflowServer

QUESTION = {"messages": [{"role": "user", "content": "translate this"}], "max_tokens": 4}
FORMATS = ("groupwise", "gguf", "bitsandbytes")


def make_study(study: Path) -> Path:
    """Writes a tuned model, its exports in three formats, and the records of their jobs."""
    model = study / "tuning" / "tuned"
    save_tiny(model, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(model)  # one that begins every text with its mark
    start = [("<|im_start|>", tokenizer.bos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<|im_start|> $A", None, start)
    tokenizer.save_pretrained(model)
    (model / "README.md").write_text("# tuned")
    made = {("tuning", "tuned"): ({}, model)}
    for form in FORMATS:
        export_tiny(model, study / "export" / form, form)
        made["export", form] = ({"format": form}, study / "export" / form)
    for (stage, name), (parameters, folder) in made.items():
        record = RunRecord(study / "runs" / stage / f"{name}.json", stage, name, "demo", "c0de")
        record.data["command"] = ["python", "-m", "job", "--record", str(record.path)]
        record.parameters(parameters)
        record.output("checkpoint", folder)
        record.close("finished")
    return study


def send(study: Path, uri: str) -> None:
    """Sends all records, then points MLflow's own functions to the store."""
    store = Store(uri, study)
    for path in sorted(study.glob("runs/*/*.json")):
        store.sync(path)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)


@pytest.fixture(scope="module", autouse=True)
def _environment():
    """Takes back what MLflow writes into the environment: other tests would ask that store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        patch.setenv("MLFLOW_REGISTRY_URI", "")  # set_registry_uri(None) leaves it
        yield
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("registered") / "demo")


@pytest.fixture(scope="module", params=["local", "server"])
def registry(request, study, tmp_path_factory):
    """The study's own store, or a real server on loopback, which keeps artefacts of its own."""
    if request.param == "local":
        send(study, default_uri(study))
        yield study / "mlflow-artefacts"
        return
    folder = tmp_path_factory.mktemp("server")
    server = MlflowServer(f"sqlite:///{folder}/server.db", folder)
    server.start()
    send(study, server.uri)
    yield folder / "artefacts"
    server.stop()


def test_transformers_loads_the_very_weights_and_nothing_is_copied(registry, study):
    loaded = mlflow.transformers.load_model("models:/demo.tuned@current")
    written = load_file(study / "tuning/tuned/model.safetensors")
    found = loaded.model.state_dict()
    assert len(written) == len(found) == 21
    assert all(torch.equal(found[name], tensor) for name, tensor in written.items())
    assert loaded.tokenizer.chat_template == TEMPLATE
    kept = [path.name for path in registry.rglob("*") if path.suffix in (".safetensors", ".gguf")]
    assert kept == [] and len([*registry.rglob("MLmodel")]) == 4


@pytest.mark.parametrize("name", ["tuned", *FORMATS])
def test_pyfunc_answers_as_the_checkpoint_itself_does(registry, study, name):
    stage = "tuning" if name == "tuned" else "export"
    own = load(study / stage / name, GenerationSection())
    messages = QUESTION["messages"]
    ids = own.tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert ids["input_ids"][0].tolist().count(own.tokenizer.bos_token_id) == 2  # two headers
    written = own.model.generate(**ids, max_new_tokens=4, do_sample=False)[0]
    expected = own.tokenizer.decode(written[ids["input_ids"].shape[1] :], skip_special_tokens=True)
    (answer,) = mlflow.pyfunc.load_model(f"models:/demo.{name}@current").predict(QUESTION)
    assert answer["object"] == "chat.completion" and answer["usage"]["completion_tokens"] == 4
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": expected}
    assert expected


def test_weights_that_lie_elsewhere_are_named_when_loading(registry, study, tmp_path):
    shutil.copytree(study / "tuning" / "tuned", tmp_path / "elsewhere")
    loaded = mlflow.transformers.load_model(
        "models:/demo.tuned@current", base_model_path=str(tmp_path / "elsewhere")
    )
    assert loaded.model.name_or_path == str(tmp_path / "elsewhere")


def test_a_study_that_moved_is_found_where_it_is(study, tmp_path):
    moved = tmp_path / "there" / "demo"
    send(study, default_uri(study))
    shutil.copytree(study, moved)
    send(moved, default_uri(moved))
    loaded = mlflow.transformers.load_model("models:/demo.tuned@current")
    assert loaded.model.name_or_path == str(moved / "tuning" / "tuned")
