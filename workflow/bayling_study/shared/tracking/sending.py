"""What of a run record goes into its MLflow run: tags, points, values, parameters, inputs."""

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayling_study.core.files import sha256_json
from bayling_study.shared.tracking.jobs import RecordedJob

VERSION = 4  # of what is sent; with a new one, runs that are there already get what they lack
METRICS_A_CALL = 1000  # limits of MLflow's log_batch
PARAMETERS_A_CALL = 100
PARAMETER_LENGTH = 6000
DIGEST_LENGTH = 36
NOTE_LENGTH = 4000
NAME_LENGTH = 240  # of MLflow's 250, less a mark and a part of a hash

Record = Mapping[str, Any]


def allowed(name: str) -> str:
    """Returns a name that MLflow accepts: ``chrf++`` becomes ``chrfpp``, ``a,b`` ``a_b-4e4660``.
    Letters of all scripts stay. A name that loses anything to ``mlflow.utils.validation`` ends in a
    part of its hash, so that two names never become one."""
    plain = name.replace("chrf++", "chrfpp")
    text = re.sub(r"[^\w\-. :/]", "_", plain)[:NAME_LENGTH]
    if posixpath.normpath(text) != text or text.startswith((".", "/")):
        text = "_" + text.replace("/", "_")
    return text if text == plain else f"{text}-{sha256_json(name)[:6]}"


def tags_of(record: Record) -> dict[str, str]:
    """Returns what ties a run to its code, configuration, environment and scheduler job."""
    return {
        "bayling.kind": "job",
        "bayling.job": f"{record['stage']}/{record['name']}",
        "bayling.stage": record["stage"],
        "bayling.uid": record["uid"],
        "bayling.code": record["code"],
        "bayling.settings": record.get("settings", {}).get("sha256", ""),
        "bayling.environment": sha256_json(record["packages"])[:16],
        "bayling.host": record["host"]["name"],
        "bayling.scheduler_job": record["host"]["scheduler_job"],
        "mlflow.source.name": " ".join(record["command"][:3]),
        "mlflow.source.git.commit": record.get("commit", ""),
        "mlflow.source.type": "JOB",
    }


def send_record(client: Any, run_id: str, job: RecordedJob) -> None:
    """Sends what stays as it is while a job goes on: sending it again doubles nothing."""
    record = job.record
    versions = {f"version.{name}": version for name, version in record["packages"].items()}
    send_points(client, run_id, record["history"])
    send_parameters(client, run_id, {**record["parameters"], **versions})
    send_inputs(client, run_id, record)
    client.set_tag(run_id, "mlflow.note.content", note_of(record, job.file))


def note_of(record: Record, path: Path) -> str:
    """Returns the run's description: the way back from its page to its files, as Markdown."""
    lines = [f"Run record: `{path}`", "", "| | file | SHA-256 |", "|---|---|---|"]
    for side in ("inputs", "outputs"):
        for name, found in record[side].items():
            lines.append(f"| {side[:-1]} {name} | `{found['path']}` | `{found['sha256'][:16]}` |")
    lines += ["", "Command:", "", f"    {shlex.join(record['command'])}"]
    return "\n".join(lines)[:NOTE_LENGTH]


def usage_points(record: Record) -> list[dict[str, Any]]:
    """Returns the samples of processor, memory and GPUs as points of MLflow's system metrics."""
    points = []
    for step, sample in enumerate(record.get("usage", {}).get("samples", [])):
        values = {f"system/{key}": value for key, value in sample.items() if key != "time"}
        points.append({"step": step, "time": sample["time"], "values": values})
    return points


def send_points(client: Any, run_id: str, points: Sequence[Mapping[str, Any]]) -> None:
    """Sends points of curves; points that are there already change nothing."""
    from mlflow.entities import Metric
    from mlflow.utils import chunk_list

    metrics = [
        Metric(allowed(key), float(value), int(point["time"] * 1000), int(point["step"]))
        for point in points
        for key, value in point["values"].items()
    ]
    for batch in chunk_list(metrics, METRICS_A_CALL):
        client.log_batch(run_id, metrics=batch)


def send_values(client: Any, run_id: str, record: Record, end: int) -> None:
    """Sends final values at the time ``end`` (ms); a curve needs none, its last point is that."""
    curves = {key for point in record["history"] for key in point["values"]}
    values = {**record["metrics"], "seconds": end / 1000 - record["start"]}
    values["peak_memory_gib"] = record["host"].get("peak_memory_bytes", 0) / 2**30
    energy = record.get("usage", {}).get("energy_joules", {}).items()
    values |= {f"energy_{part}_kwh": joules / 3.6e6 for part, joules in energy}
    final = {key: value for key, value in values.items() if key not in curves}
    send_final(client, run_id, final, end)


def send_final(client: Any, run_id: str, values: Mapping[str, float], end: int) -> None:
    """Sends values that have no curve, at the time ``end`` (ms)."""
    send_points(client, run_id, [{"step": 0, "time": end / 1000, "values": values}])


def send_note(client: Any, run_id: str, text: Sequence[str], links: Sequence[str]) -> None:
    """Sends a run's description, Markdown: lines of text, and links in a line below."""
    if text or links:
        note = "\n\n".join(filter(None, ["\n".join(text), " · ".join(links)]))
        client.set_tag(run_id, "mlflow.note.content", note)


def send_parameters(client: Any, run_id: str, values: Mapping[str, Any]) -> None:
    """Sends parameters that the run does not have yet."""
    from mlflow.entities import Param
    from mlflow.utils import chunk_list

    rows = [Param(allowed(key), str(value)[:PARAMETER_LENGTH]) for key, value in values.items()]
    known = client.get_run(run_id).data.params
    for batch in chunk_list([row for row in rows if row.key not in known], PARAMETERS_A_CALL):
        client.log_batch(run_id, params=batch)


def send_inputs(client: Any, run_id: str, record: Record) -> None:
    """Sends the job's inputs as datasets with digests."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    context = [InputTag("mlflow.data.context", record["stage"])]
    datasets = [
        Dataset(name, reference["sha256"][:DIGEST_LENGTH], "local", reference["path"])
        for name, reference in record["inputs"].items()
    ]
    if datasets:
        client.log_inputs(run_id, datasets=[DatasetInput(item, context) for item in datasets])
