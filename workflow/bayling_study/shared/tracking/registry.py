"""Tuned and exported models in MLflow's model registry.

A version holds no weights: they stay where the study wrote them (a 13B model
would be copied twice otherwise). Its folder is a small description that MLflow
reads, ``MLmodel`` with the signature and the weights' path and hash, beside the
model card. A model that is made again gets a new version, and the alias
``current`` moves to it; syncing again changes nothing.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STAGES = {"tuning": "checkpoint", "export": "checkpoint"}
"""Stages that make models, and the name of the output that is the model."""
ALIAS = "current"
CARD = "README.md"
FOLDER = "model"


def register(
    client: Any, experiment: str, run_id: str, record: Mapping[str, Any], jobs: Sequence[Any]
) -> None:
    """Registers the model that a finished job made, once; other jobs register nothing.

    ``experiment`` is the id of the study's experiment, ``jobs`` are the runs of the study's jobs,
    among them the one that made the data.
    """
    output = record["outputs"].get(STAGES.get(record["stage"], ""))
    if output is None:
        return
    name = f"{record['study']}.{record['name']}"
    if not client.search_registered_models(f"name = '{name}'"):
        about = f"`{record['name']}` of `{record['study']}`"
        client.create_registered_model(name, description=about)
    versions = client.search_model_versions(f"name = '{name}'")
    if not any(version.run_id == run_id for version in versions):
        _describe_folder(client, run_id, record, output)
        source = f"{client.get_run(run_id).info.artifact_uri}/{FOLDER}"
        version = client.create_model_version(
            name, source, run_id, tags=_tags(record, output),
            description=_description(record, output, experiment, jobs),
        )  # fmt: skip
        client.set_registered_model_alias(name, ALIAS, version.version)


def _tags(record: Mapping[str, Any], output: Mapping[str, str]) -> dict[str, str]:
    return {
        "bayling.job": f"{record['stage']}/{record['name']}",
        "bayling.uid": record["uid"],
        "bayling.path": output["path"],
        "bayling.sha256": output["sha256"],
    }


def _describe_folder(
    client: Any, run_id: str, record: Mapping[str, Any], output: Mapping[str, str]
) -> None:
    """Sends the version's folder: ``MLmodel`` and the model card."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    text = DataType.string
    signature = ModelSignature(
        inputs=Schema([ColSpec(text, "prompt")]), outputs=Schema([ColSpec(text, "answer")])
    )
    model = Model(artifact_path=FOLDER, run_id=run_id, signature=signature)
    model.add_flavor("bayling", path=output["path"], sha256=output["sha256"])
    with tempfile.TemporaryDirectory() as scratch:
        model.save(str(Path(scratch) / "MLmodel"))
        card = Path(output["path"]) / CARD
        if card.is_file():
            (Path(scratch) / CARD).write_bytes(card.read_bytes())
        client.log_artifacts(run_id, scratch, FOLDER)


def _description(
    record: Mapping[str, Any], output: Mapping[str, str], experiment: str, jobs: Sequence[Any]
) -> str:
    """Returns the page's text: where the weights are, and what they were made from."""
    lines = [f"Weights: `{output['path']}`, SHA-256 `{output['sha256']}`.", ""]
    made = {run.data.tags.get("bayling.job", ""): run for run in jobs}
    for name, reference in record["inputs"].items():
        line = f"- {name}: `{reference['path']}`, SHA-256 `{reference['sha256'][:16]}`"
        maker, card = _maker(name, Path(reference["path"]))
        if maker in made:
            page = f"#/experiments/{experiment}/runs/{made[maker].info.run_id}"
            line += f" ([its run]({page}), [its card]({page}/artifacts/{card}))"
        lines.append(line)
    lines += ["", f"Model card: the artefact `{FOLDER}/{CARD}` of this version's run."]
    return "\n".join(lines)


def _maker(name: str, path: Path) -> tuple[str, str]:
    """Returns the job that made an input, data or a model, and the card among its artefacts."""
    if name == "synthesis":
        return f"synthesis/{path.name}", CARD
    return f"tuning/{path.name}", f"{FOLDER}/{CARD}"
