"""Each check of the preflight fails when it should, and says what to change."""

import os
import socket
import stat
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bayling_study.commands.preflight import __main__ as preflight
from bayling_study.commands.preflight import checks, here, probe, slurm
from bayling_study.commands.preflight.outcome import Outcome, failed, note, ok
from bayling_study.config import load_config
from bayling_study.dag import rules as study_dag
from bayling_study.dag.profiles import Profile, ResourceRequest
from helpers import ROOT

FACTS = {
    "node": "n1",
    "token": "new",
    "devices": "0,1",
    "torch_devices": 2,
    "python": "/envs/study/bin/python",
    "broken": {},
    "compilers": [],
    "comet": "",
    "route": False,
    "unreachable": [],
    "offline": "1",
    "free_bytes": 10**12,
}
GPUS = ResourceRequest(partition="gpu", gpus=2)
EXPECTED = checks.Expected("new", need=10**11, compiles=True)


class Dag:
    """What the checks ask of a study."""

    class config:  # noqa: N801
        class tuning:  # noqa: N801
            device = "cuda"

    def tracking_uri(self) -> str:
        return "http://tracking.example:5000"


def judge(request: ResourceRequest = GPUS, expected=EXPECTED, **changes) -> dict[str, Outcome]:
    found = checks.on_node({**FACTS, **changes}, request, Dag(), expected)
    return {outcome.check.split(": ")[-1]: outcome for outcome in found}


def test_a_node_in_order_passes():
    assert {outcome.level for outcome in judge().values()} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "check", "fix"),
    [
        ({"token": "older"}, "shared files", "study.results"),
        ({"free_bytes": 10**11 - 1}, "disk", "/BIGGER/DISK/results"),
        ({"broken": {"deepspeed": "OSError: no libaio"}}, "environment", "make envs"),
        ({"compilers": ["no C compiler"]}, "compilers", "module load gcc"),
        ({"comet": "no such file"}, "COMET", "environments.comet_python"),
        ({"devices": "0"}, "GPUs", "gpu_model"),
        ({"torch_devices": 0}, "GPUs", "CUDA build of torch"),
    ],
)
def test_a_fault_of_a_node_fails_with_its_mend(changes, check, fix):
    outcome = judge(**changes)[check]
    assert outcome.level == "FAILED" and fix in outcome.fix


def test_a_failed_import_is_told_with_its_reason_and_its_interpreter():
    found = judge(broken={"deepspeed": "OSError: no libaio"})["environment"].found
    assert "/envs/study/bin/python" in found and "deepspeed: OSError: no libaio" in found


@pytest.mark.parametrize("broken", [{}, {"deepspeed": "OSError"}])
@pytest.mark.parametrize("sdm", ["conda", "apptainer"])
def test_with_sdm_it_is_said_which_interpreter_was_probed(sdm, broken):
    """It runs Snakemake in the job and no rule: what it lacks fails nothing."""
    outcome = judge(expected=EXPECTED._replace(sdm=sdm), broken=broken)["environment"]
    assert outcome.level == "note" and f"--sdm {sdm}" in outcome.found
    assert "/envs/study/bin/python was probed" in outcome.found


def test_compilers_matter_where_training_compiles_in_this_environment():
    none = {"compilers": ["no C compiler"]}
    assert judge(expected=EXPECTED._replace(compiles=False), **none)["compilers"].level == "note"
    assert judge(expected=EXPECTED._replace(sdm="conda"), **none)["compilers"].level == "note"
    assert judge(expected=EXPECTED._replace(sdm="apptainer"), **none)["compilers"].level == "ok"
    assert "compilers" not in judge(ResourceRequest(), devices=None, torch_devices=0, **none)


def test_gpus_that_torch_cannot_use_are_a_note_where_cores_may_do(monkeypatch):
    monkeypatch.setattr(Dag.config.tuning, "device", "auto")
    assert judge(torch_devices=0)["GPUs"].level == "note"


def test_gpus_are_judged_only_where_some_were_asked_for():
    assert "GPUs" not in judge(ResourceRequest(), devices=None, torch_devices=0)


def test_a_tracking_server_out_of_reach_is_a_note():
    outcome = judge(unreachable=["http://tracking.example:5000"])["network"]
    assert outcome.level == "note" and "live: false" in outcome.fix


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program that says something in front of the search path."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def write(name: str, text: str, status: int = 0) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{text}\nEND\nexit {status}\n")
        path.chmod(stat.S_IRWXU)

    return write


def test_a_queue_out_of_reach_fails(program):
    program("squeue", "slurm_load_jobs error: Unable to contact slurm controller", 1)
    outcome = slurm.queue()
    assert outcome.level == "FAILED" and "Unable to contact" in outcome.found
    assert "login node" in outcome.fix


@pytest.mark.parametrize(
    ("refusal", "answers", "fix"),
    [
        ("allocation failure: Invalid partition name specified", ("sinfo", "cpu"), "one of cpu"),
        ("allocation failure: Invalid account or account/partition combination specified",
         ("sacctmgr", "lab"), "slurm_account: one of lab; slurm_partition: one of"),
        ("allocation failure: Requested node configuration is not available",
         ("sinfo", "gpu: 2 nodes"), "gpu: 2 nodes"),
    ],
)  # fmt: skip
def test_a_refusal_of_sbatch_says_what_to_write(program, refusal, answers, fix):
    program("sbatch", refusal, 1)
    program(*answers)
    outcome = slurm.accepts(GPUS, ["tuning", "generation"])
    assert outcome.level == "FAILED" and fix in outcome.fix
    assert "set-resources of tuning, generation" in outcome.fix


def test_an_unknown_account_names_the_known_ones(program):
    program("sacctmgr", "lab1")
    assert "one of lab1" in slurm.fix_of("Invalid account name specified")


def test_an_accepted_job_tells_when_it_would_start(program):
    program("sbatch", "sbatch: Job 5 to start at 2026-01-01T00:00:00 using 8 processors on n1")
    assert "2026-01-01" in slurm.accepts(GPUS, ["tuning"]).found


def test_a_probe_that_waits_too_long_fails_instead_of_hanging(program, tmp_path):
    (tmp_path / "srun").write_text("#!/bin/sh\nexec sleep 30\n")
    (tmp_path / "srun").chmod(stat.S_IRWXU)
    outcome = slurm.run_probe(GPUS, [], minutes=0.01)
    assert outcome is not None and "no answer" in outcome.found and "--wait" in outcome.fix


def test_each_partition_is_probed_with_its_largest_request():
    wide = replace(GPUS, gpus=16, nodes=2, per_node=True)
    asked = {GPUS: ["generation"], wide: ["tuning"], ResourceRequest(partition="cpu"): ["scoring"]}
    assert [request for request, _ in slurm.probes(asked)] == [
        wide,
        ResourceRequest(partition="cpu"),
    ]


def test_options_are_those_of_the_plugin():
    wide = ResourceRequest(
        "gpu", "lab", 16, "a100", per_node=True, nodes=2, cores=32, mem_mb=9, minutes=5
    )
    text = " ".join(slurm.options(wide))
    assert "--gres=gpu:a100:8" in text and "--nodes=2" in text and "--account=lab" in text
    assert "--gpus=2" in slurm.options(GPUS)


def test_a_port_that_listens_is_reachable_and_a_closed_one_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert probe.reachable(f"http://127.0.0.1:{port}/x")
    assert not probe.reachable(f"http://127.0.0.1:{port}/x")


def test_the_other_environment_is_looked_into(tmp_path):
    assert "No such file" in probe.comet(str(tmp_path / "python"))
    assert "no unbabel-comet" in probe.comet(sys.executable)
    assert probe.comet("") == ""


def test_answers_that_never_become_visible_are_counted(tmp_path):
    (tmp_path / "probe0-n1.json").touch()
    assert checks.answers(tmp_path, "probe0", 2, 0.1) == [Path(tmp_path / "probe0-n1.json")]


def test_an_outcome_reads_as_one_line_and_its_mend():
    assert failed("disk", "full", "delete").render().splitlines()[1].strip() == "fix: delete"
    assert ok("disk", "free").render().startswith("ok")
    assert note("disk", "odd").level == "note"


def test_the_queue_is_asked_for_the_last_job_of_a_trainings_chain(monkeypatch):
    dag = study_dag.Dag(load_config(ROOT / "config" / "config.yaml"))
    asked = []
    monkeypatch.setattr(slurm, "accepts", lambda *what: asked.append(what))
    growing = {"set-resources": {"tuning": {"mem_mb": "min(1000 * attempt, 2500)"}}}
    list(preflight.last_attempt(dag, Profile(Path("p"), "slurm", growing)))
    assert [(request.mem_mb, rules) for request, rules in asked] == [
        (2500, ["tuning, last attempt"])
    ]
    same = {"set-resources": {"tuning": {"mem_mb": 1000}}}
    assert not list(preflight.last_attempt(dag, Profile(Path("p"), "slurm", same)))


@pytest.mark.parametrize("folder", ["/tmp/lab/results", "/var/tmp/results"])
def test_what_htcondor_hides_from_jobs_is_named(folder, monkeypatch):
    layout = SimpleNamespace(study=Path(folder), resources=Path("/home/lab/resources"))
    monkeypatch.chdir("/")
    monkeypatch.setattr("sys.prefix", "/home/lab/.venv/study")
    (outcome,) = here.hidden(SimpleNamespace(layout=layout))
    assert outcome.level == "FAILED" and f"study.results: {folder}" in outcome.found


def test_htcondor_reads_the_environment_and_the_working_folder_too(monkeypatch, tmp_path):
    layout = SimpleNamespace(study=Path("/home/lab/tmp/results"), resources=Path("/home/lab"))
    (tmp_path / "linked").symlink_to("/tmp")
    monkeypatch.chdir("/tmp")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "linked" / "env"))
    found = [outcome.found for outcome in here.hidden(SimpleNamespace(layout=layout))]
    assert [text.partition(":")[0] for text in found] == ["this folder", "Python's environment"]
