"""What profiles ask for: every shipped one can be read, and says how jobs are bounded."""

import json
import re
from pathlib import Path

import pytest
import yaml

from bayling_study.config import load_config
from bayling_study.core.errors import StudyError
from bayling_study.dag.profiles import OWN, Profile, ResourceRequest, read_profile
from bayling_study.dag.rules import Dag
from helpers import ROOT

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
    for rule in ("corpora", "generation", "tuning", "report"):
        assert found.request(rule).minutes > 0, rule
    for rule in ("corpora", "generation", "tuning", "report"):
        first, second = (found.request(rule, attempt).mem_mb for attempt in (1, 2))
        assert 0 < first < second, rule
    text = (folder / "config.yaml").read_text()
    assert "hecked" in text or "Run on" in text, "says what was run and what not"


@pytest.mark.parametrize("folder", CLUSTERS, ids=lambda path: path.name)
def test_a_training_gets_more_memory_up_to_a_nodes(folder):
    asked = [read_profile(folder).request("tuning", attempt) for attempt in (1, 2, 3, 12)]
    assert [request.mem_mb for request in asked] == [256_000, 500_000, 500_000, 500_000]
    assert {request.gpus for request in asked} == {8}
    assert {request.minutes for request in asked} == {480}  # more time comes by another job


def with_gpu() -> set[str]:
    """The rules whose commands take a GPU where no scheduler has dealt one out."""
    found = set()
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        for part in re.split(r"(?m)^rule ", file.read_text())[1:]:
            if re.search(r"\bdevices=[^,]*(ONE_GPU|ALL_GPUS)", part):
                found.add(part.partition(":")[0])
    return found


@pytest.mark.parametrize("folder", CLUSTERS, ids=lambda path: path.name)
def test_every_rule_that_uses_a_gpu_asks_each_cluster_for_one(folder):
    rules = {"tuning", "generation", "harness", "perplexity", "probing", "comet_score"}
    assert with_gpu() == rules | {"judging"}
    text = (folder / "config.yaml").read_text()
    asked = yaml.safe_load(text)["set-resources"]
    for rule in rules:
        assert "gpu" in json.dumps(asked.get(rule)), rule
    assert "# judging: as generation, where the judge is a system of the study" in text


def test_the_slurm_profile_sends_models_to_gpus_and_text_to_cores():
    slurm = read_profile(ROOT / "config" / "profiles" / "slurm")
    assert slurm.executor == "slurm"
    assert slurm.request("tuning") == ResourceRequest(
        partition="gpu", gpus=8, cores=32, mem_mb=256_000, minutes=480
    )
    assert slurm.request("generation").gpus == 1
    assert slurm.request("corpora").partition == "cpu"
    assert slurm.values["slurm-status-command"] == "squeue"


def test_gpus_by_node_are_counted_for_the_job():
    wide = {"nodes": 2, "gres": "gpu:a100:8", "slurm_partition": "gpu", "gpu": 0}
    asked = profile(**{"set-resources": {"tuning": wide}}).request("tuning")
    assert (asked.gpus, asked.gpu_type, asked.per_node, asked.nodes) == (16, "a100", True, 2)


@pytest.mark.parametrize(
    ("written", "minutes"),
    [
        ("8000 * attempt", 8000),
        ("1 if attempt == 1 else 9", 1),
        ("8h", 480),
        ("2d", 2880),
        ("'90m'", 90),
        ("max(10, 2 * threads)", 10),
        ("input.size_mb", 0),
        (7, 7),
    ],
)
def test_times_are_read_as_the_first_attempt_has_them(written, minutes):
    asked = profile(**{"default-resources": {"runtime": written}}).request("x")
    assert asked.minutes == minutes


@pytest.mark.parametrize(
    ("name", "written", "mem_mb"),
    [
        ("mem", "500GB", 500_000),
        ("mem_mib", 1024, 1073),
        ("mem_mb", "min(8000 * attempt, 9000)", 8000),
        ("htcondor_request_mem_mb", 700, 700),
    ],
)
def test_memory_is_read_in_every_form_that_snakemake_takes(name, written, mem_mb):
    assert profile(**{"default-resources": {name: written}}).request("x").mem_mb == mem_mb


def test_lists_may_stand_for_mappings():
    listed = {
        "default-resources": ["mem_mb=500", "runtime=8h"],
        "set-resources": ["tuning:mem_mb=900", "tuning:gpu=8"],
        "set-threads": ["tuning=32"],
    }
    asked = profile(**listed)
    assert (asked.request("x").mem_mb, asked.request("x").minutes) == (500, 480)
    tuning = asked.request("tuning")
    assert (tuning.mem_mb, tuning.gpus, tuning.cores, tuning.minutes) == (900, 8, 32, 480)


def test_of_several_files_the_newest_that_this_snakemake_takes_counts(tmp_path):
    for name, minutes in {"config.yaml": 1, "config.v8+.yaml": 8, "config.v9+.yaml": 9}.items():
        (tmp_path / name).write_text(
            f"executor: slurm\ndefault-resources: {{runtime: {minutes}}}\n"
        )
    (tmp_path / "config.v99+.yaml").write_text("executor: slurm\n")
    assert read_profile(tmp_path).request("x").minutes == 9


@pytest.mark.parametrize("written", ["1:30:00", "2.5", "0.5", "1:30"])
def test_a_runtime_that_means_something_else_is_refused_with_its_line(tmp_path, written):
    text = f"executor: slurm\ndefault-resources: {{mem_mb: 1, runtime: {written}}}\n"
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(StudyError, match=rf"runtime: {written} is no") as caught:
        read_profile(tmp_path)
    assert "config.yaml:2" in caught.value.render()


def test_a_resource_that_snakemake_refuses_is_told():
    wrong = profile(**{"default-resources": ["mem=1", "mem_mb=2"]})
    with pytest.raises(StudyError, match="Snakemake cannot read it"):
        wrong.request("x")


def test_a_folder_without_a_profile_is_an_error(tmp_path):
    with pytest.raises(StudyError, match="no profile"):
        read_profile(tmp_path)


def test_the_generic_profile_names_its_status_script():
    values = yaml.safe_load((ROOT / "config/profiles/generic/config.yaml").read_text())
    script = ROOT / values["cluster-generic-status-cmd"]
    assert script.is_file() and script.stat().st_mode & 0o111


def test_a_rules_own_resources_come_between_the_profiles_defaults_and_its_own_word_on_the_rule():
    defaults = {"mem_mb": "9000 * attempt", "runtime": "900 * attempt"}
    asked = profile(**{"default-resources": defaults, "set-resources": {"masks": {"mem_mb": 7}}})
    seen = {
        (rule, attempt): (request.mem_mb, request.minutes)
        for rule in ("prompts", "masks", "x")
        for attempt in (1, 2)
        for request in (asked.request(rule, attempt),)
    }
    assert seen == {
        ("prompts", 1): (2000, 30),
        ("prompts", 2): (4000, 60),
        ("masks", 1): (7, 120),
        ("masks", 2): (7, 240),
        ("x", 1): (9000, 900),
        ("x", 2): (18000, 1800),
    }


def test_every_rule_asks_for_what_the_table_says_of_it():
    text = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    parts = re.split(r"(?m)^(?=rule )", text)[1:]
    assert len(parts) == len(OWN)  # of two names for generation one, and training is not in it
    for part in parts:
        rule = re.match(r"rule (\w+)", part)[1]
        memory = re.search(r"mem_mb=STUDY.memory\(\"(\w+)\"\)", part)
        minutes = re.search(r"runtime=STUDY.minutes\(\"(\w+)\"\)", part)
        assert rule == "tuning" or (minutes and minutes[1] == rule and rule in OWN), rule
        assert rule in ("tuning", "synthesis") or (memory and memory[1] == rule), rule


def test_a_later_attempt_of_a_rule_gets_more_and_flores_adds_its_prompts():
    dag = Dag(load_config(ROOT / "config/studies/bayling-2-8b.yaml"))
    assert [dag.memory("report")(None, attempt) for attempt in (1, 2)] == [2000, 4000]
    assert [dag.minutes("report")(None, attempt) for attempt in (1, 2)] == [30, 60]
    assert dag.memory("scoring")(None, 1) == 2000 + 402 * 1012 // 50
