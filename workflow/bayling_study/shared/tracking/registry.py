"""Tuned and exported models in MLflow's model registry.

A version holds no weights: they stay where the study wrote them (a 13B model would be copied twice
otherwise). Its folder is what ``mlflow.transformers`` and ``mlflow.pyfunc`` load, a local store's
and a server's alike: ``MLmodel`` with the path of the weights, the tokenizer's files and the model
card. Where the weights lie elsewhere, ``load_model(…, base_model_path=…)`` says where. A model that
is made again gets a new version, and the alias ``current`` moves to it.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bayling_study.core.tables import beside
from bayling_study.shared.tracking import flavour
from bayling_study.shared.tracking.code import ROOT
from bayling_study.shared.tracking.jobs import RecordedJob, Reference

STAGES = {"tuning": "checkpoint", "export": "checkpoint"}
"""Stages that make models, and the name of the output that is the model."""
ALIAS = "current"
CARD = "README.md"
FOLDER = "model"
OWN = ("groupwise", "gguf")
"""Formats of exports that ``mlflow.transformers`` does not read; our ``flavour`` does."""
TOKENIZER: list[str] = beside(__file__)
"""Files that a tokenizer may consist of; of ``config.json`` it takes the kind of model."""


def model_of(job: RecordedJob) -> Reference | None:
    """Returns the model that a finished job made; none where it made none."""
    name = STAGES.get(job.record["stage"])
    finished = job.record["state"] == "finished"
    return next((out for out in job.outputs() if finished and out.name == name), None)


def registered_name(job: RecordedJob) -> str:
    """Returns the name of a job's model in the registry: ``STUDY.SYSTEM``."""
    return f"{job.record['study']}.{job.record['name']}"


def register(
    client: Any, experiment: str, run_id: str, job: RecordedJob, jobs: Callable[[], Sequence[Any]]
) -> None:
    """Registers, once, the model that a finished job made, if it made one, in the experiment of
    that id; among the runs of the study's jobs, asked for then, is the one that made the data."""
    output, name, record = model_of(job), registered_name(job), job.record
    if output is None:
        return
    if not client.search_registered_models(f"name = '{name}'"):
        about = f"`{record['name']}` of `{record['study']}`"
        client.create_registered_model(name, description=about)
    _send_folder(client, run_id, record, output)
    if run_id not in {one.run_id for one in client.search_model_versions(f"name = '{name}'")}:
        source = f"{client.get_run(run_id).info.artifact_uri}/{FOLDER}"
        tags = {"job": job.title, "uid": record["uid"]}
        tags |= {"path": output.shown, "sha256": output.sha256}
        version = client.create_model_version(
            name, source, run_id, tags={f"bayling.{key}": value for key, value in tags.items()},
            description=_description(record, output, experiment, jobs()),
        )  # fmt: skip
        client.set_registered_model_alias(name, ALIAS, version.version)


def _send_folder(client: Any, run_id: str, record: Mapping[str, Any], output: Reference) -> None:
    """Sends the version's folder: ``MLmodel``, the tokenizer and the model card."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types.llm import CHAT_MODEL_INPUT_SCHEMA, CHAT_MODEL_OUTPUT_SCHEMA

    signature = ModelSignature(inputs=CHAT_MODEL_INPUT_SCHEMA, outputs=CHAT_MODEL_OUTPUT_SCHEMA)
    model = Model(artifact_path=FOLDER, run_id=run_id, signature=signature)
    model.add_flavor("bayling", path=output.shown, sha256=output.sha256)
    flavours = _flavours(str(output.path), record)
    for name, values in flavours.items():
        model.add_flavor(name, **values)
    with tempfile.TemporaryDirectory() as scratch:
        model.save(str(Path(scratch) / "MLmodel"))
        if (output.path / CARD).is_file():
            shutil.copyfile(output.path / CARD, Path(scratch) / CARD)
        if "transformers" in flavours:
            tokenizer = Path(scratch) / "components" / "tokenizer"
            tokenizer.mkdir(parents=True)
            for path in (path for name in TOKENIZER for path in output.path.glob(name)):
                shutil.copyfile(path, tokenizer / path.name)
        client.log_artifacts(run_id, scratch, FOLDER)


def _flavours(weights: str, record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns how MLflow loads a model, in the keys that ``mlflow.transformers`` itself writes."""
    python = {"python_version": record["packages"]["python"], "config": flavour.CALLED}
    if record["parameters"].get("format") in OWN:
        code = {"code": str(ROOT), "data": weights}
        return {"python_function": {"loader_module": flavour.__name__, **code, **python}}
    described = {
        **flavour.CHAT,
        "instance_type": "TextGenerationPipeline", "pipeline_model_type": "AutoModelForCausalLM",
        "source_model_name": weights, "local_base_model_path": weights,
        "components": ["tokenizer"], "tokenizer_type": "AutoTokenizer",
    }  # fmt: skip
    loaded = {"loader_module": "mlflow.transformers", **python}
    return {"transformers": described, "python_function": loaded}


def _description(
    record: Mapping[str, Any], output: Reference, experiment: str, jobs: Sequence[Any]
) -> str:
    """Returns the page's text: where the weights are, and what they were made from."""
    lines = [f"Weights: `{output.shown}`, SHA-256 `{output.sha256}`.", ""]
    made = {run.data.tags.get("bayling.job", ""): run for run in jobs}
    for name, reference in record["inputs"].items():
        line = f"- {name}: `{reference['path']}`, SHA-256 `{reference['sha256'][:16]}`"
        # Data or a model was made by a job of that name, with the card among its artefacts.
        stage, card = (name, CARD) if name == "synthesis" else ("tuning", f"{FOLDER}/{CARD}")
        maker = f"{stage}/{Path(reference['path']).name}"
        if maker in made:
            page = f"#/experiments/{experiment}/runs/{made[maker].info.run_id}"
            line += f" ([its run]({page}), [its card]({page}/artifacts/{card}))"
        lines.append(line)
    lines += ["", f"Model card: the artefact `{FOLDER}/{CARD}` of this version's run."]
    return "\n".join(lines)
