"""What profiles ask for: every shipped one can be read, and says how jobs are bounded."""

import json
import re
from pathlib import Path

import pytest
import yaml

from bayling_study.errors import StudyError
from bayling_study.plan import partitions
from bayling_study.profiles import Profile, Request, evaluate, read_profile

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "config" / "profiles").iterdir())
CLUSTERS = [path for path in SHIPPED if path.name not in ("local", "kubernetes")]


def profile(**values) -> Profile:
    return Profile(Path("p"), "slurm", values)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_every_profile_goes_on_after_failures(folder):
    values = read_profile(folder).values
    assert values["keep-going"] and values["rerun-incomplete"] and values["show-failed-logs"]


@pytest.mark.parametrize("folder", CLUSTERS, ids=lambda path: path.name)
def test_every_cluster_profile_bounds_jobs_and_retries_with_more(folder):
    found = read_profile(folder)
    assert found.values["retries"] >= 2 and found.values["latency-wait"] >= 30
    for rule in ("corpora", "generate", "tune", "report"):
        assert found.request(rule).minutes > 0, rule
    text = (folder / "config.yaml").read_text()
    assert text.count("* attempt") > 10
    assert "hecked" in text or "Run on" in text, "says what was run and what not"


def with_gpu() -> set[str]:
    """The rules whose commands take a GPU where no scheduler has dealt one out."""
    found = set()
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        for part in re.split(r"(?m)^rule ", file.read_text())[1:]:
            if "$BAYLING_ONE_GPU" in part or "$BAYLING_ALL_GPUS" in part:
                found.add(part.partition(":")[0])
    return found


@pytest.mark.parametrize("folder", CLUSTERS, ids=lambda path: path.name)
def test_every_rule_that_uses_a_gpu_asks_each_cluster_for_one(folder):
    assert with_gpu() == {"tune", "generate", "harness", "perplexity", "comet_score"}
    asked = yaml.safe_load((folder / "config.yaml").read_text())["set-resources"]
    for rule in with_gpu():
        assert "gpu" in json.dumps(asked.get(rule)), rule


def test_the_slurm_profile_sends_models_to_gpus_and_text_to_cores():
    slurm = read_profile(ROOT / "config" / "profiles" / "slurm")
    assert slurm.executor == "slurm"
    assert slurm.request("tune") == Request(
        partition="gpu", gpus=8, cores=32, mem_mb=256_000, minutes=480
    )
    assert slurm.request("generate").gpus == 1
    assert slurm.request("corpora").partition == "cpu"
    assert slurm.values["slurm-status-command"] == "squeue"


def test_gpus_by_node_are_counted_for_the_job():
    wide = {"nodes": 2, "gres": "gpu:a100:8", "slurm_partition": "gpu", "gpu": 0}
    asked = profile(**{"set-resources": {"tune": wide}}).request("tune")
    assert (asked.gpus, asked.gpu_type, asked.per_node, asked.nodes) == (16, "a100", True, 2)


@pytest.mark.parametrize(
    ("value", "first"),
    [("8000 * attempt", 8000), ("1 if attempt == 1 else 9", 1), ("gpu", "gpu"), (7, 7)],
)
def test_resources_are_read_as_the_first_attempt_has_them(value, first):
    assert evaluate(value, threads=4) == first


def test_default_resources_may_be_a_list():
    assert profile(**{"default-resources": ["mem_mb=500"]}).request("x").mem_mb == 500


def test_a_folder_without_a_profile_is_an_error(tmp_path):
    with pytest.raises(StudyError, match="no profile"):
        read_profile(tmp_path)


def test_jobs_by_partition():
    asked = {"tune": {"slurm_partition": "gpu", "gpu": 8, "runtime": 480}}
    text = partitions.partition_tables(
        profile(**{"set-resources": asked, "default-resources": {"slurm_partition": "cpu"}}),
        {"download": 3, "corpora": 1, "tune": 2},
    )
    lines = [line.split() for line in text.splitlines()]
    assert ["(here)", "3", "0"] in lines and ["cpu", "1", "0"] in lines
    assert ["gpu", "2", "128"] in lines


def test_a_measured_rate_is_of_the_same_foundation(tmp_path):
    def record(study: str, foundation: str, speed: float) -> None:
        path = tmp_path / study / "runs" / "tuning" / "tuned.json"
        path.parent.mkdir(parents=True)
        points = [{"values": {"real_tokens_per_second": speed}}]
        path.write_text(
            json.dumps(
                {
                    "inputs": {"foundation": {"path": f"resources/foundations/{foundation}"}},
                    "parameters": {"processes": 2},
                    "history": points,
                }
            )
        )

    record("one", "llama-1234", 900.0)
    record("two", "other-5678", 100.0)

    class Layout:
        study = tmp_path / "three"

        def base(self, system: str) -> str:
            return "foundation"

        def checkpoint(self, system: str) -> Path:
            return Path("resources/foundations/llama-1234")

    rate = partitions.similar(Layout(), "tuned")
    assert rate is not None and rate.tokens_per_second == 450.0


def test_the_generic_profile_names_its_status_script():
    values = yaml.safe_load((ROOT / "config/profiles/generic/config.yaml").read_text())
    script = ROOT / values["cluster-generic-status-cmd"]
    assert script.is_file() and script.stat().st_mode & 0o111
