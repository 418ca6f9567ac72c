"""Training on several nodes: they meet, train as one, and a node that does not come is named.

The scheduler is played by a shell line that starts one task for each "node" of
this machine; ``make test-slurm`` does the same through ``srun``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bayling_study.core.errors import StudyError
from bayling_study.shared.sizing.minutes import job_minutes
from bayling_study.stages.tuning import nodes as nodes_module
from bayling_study.stages.tuning.nodes import Nodes, Rendezvous, join, node_rank
from helpers.programs import STUDY, run_training, server
from helpers.stand_ins import stand_in
from helpers.training import Stage

BOTH = """sh -c 'SLURM_PROCID=1 "$@" & shift; SLURM_PROCID=0 {python} "$@"; wait $!' --"""
FIRST = """sh -c 'shift; SLURM_PROCID=0 SLURMD_NODENAME=n1 {python} "$@"' --"""


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setattr(nodes_module, "head_address", lambda: "127.0.0.1")
    monkeypatch.setattr(nodes_module, "granted_hosts", lambda: ["n1", "n2"])
    return Nodes(2, timeout=60.0)


def report(rendezvous: Rendezvous, rank: int, gpus: int = 0) -> None:
    node = {"host": f"n{rank + 1}", "gpus": gpus, "port": 29500 + rank}
    rendezvous.store.set(f"node/{rank}", json.dumps(node))


def test_all_nodes_get_the_first_ones_address(two):
    rendezvous = Rendezvous(two, processes=1)
    report(rendezvous, 0)
    rendezvous.poll()
    assert not rendezvous.store.check(["go"])
    report(rendezvous, 1)
    rendezvous.poll()
    assert join(rendezvous.endpoint, 1, 0, 1234, timeout=60) == "127.0.0.1:29500"


@pytest.mark.parametrize(("came", "missing"), [([0], r"node 1 \(n2\)"), ([1], r"node 0 \(n1\)")])
def test_a_missing_node_is_named(two, came, missing):
    rendezvous = Rendezvous(Nodes(2, timeout=0.0), processes=1)
    for rank in came:
        report(rendezvous, rank)
    with pytest.raises(StudyError, match=missing):
        rendezvous.poll()


@pytest.mark.parametrize("gpus", [3, 0])
def test_a_node_with_too_few_gpus_is_named(two, gpus):
    rendezvous = Rendezvous(two, processes=4)
    report(rendezvous, 0, gpus=4)
    report(rendezvous, 1, gpus=gpus)
    with pytest.raises(StudyError, match=rf"node 1 \(n2\).*{gpus} GPUs for 4"):
        rendezvous.poll()


@pytest.mark.parametrize(
    ("written", "limit", "minutes"),
    [(None, 0, None), (30.0, 0, 30.0), (None, 100, 95.0), (30.0, 100, 30.0), (99.0, 100, 95.0)],
)
def test_training_stops_before_the_schedulers_limit(written, limit, minutes):
    assert job_minutes(written, limit) == minutes


def test_a_node_that_cannot_reach_the_first_says_so(two):
    with pytest.raises(StudyError, match="does not answer within 1 s"):
        join("127.0.0.1:1", 1, 0, 1234, timeout=1)


def test_a_node_whose_fellows_do_not_come_says_so(two):
    rendezvous = Rendezvous(two, processes=1)
    with pytest.raises(StudyError, match="other nodes did not come"):
        join(rendezvous.endpoint, 1, 0, 1234, timeout=5)


@pytest.mark.parametrize("name", ["SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"])
def test_the_launcher_says_which_node(monkeypatch, name):
    for other in nodes_module.RANK_VARIABLES:
        monkeypatch.delenv(other, raising=False)
    with pytest.raises(StudyError, match="which node"):
        node_rank()
    monkeypatch.setenv(name, "3")
    assert node_rank() == 3


def test_srun_is_told_everything(tmp_path):
    command = Nodes(4, threads=16, logs=tmp_path).command(tmp_path / "job.json", 8, "n1:29400")
    text = " ".join(command)
    assert "--nodes 4 --ntasks 4 --ntasks-per-node 1 --cpus-per-task 16" in text
    assert text.endswith(f"--processes 8 --timeout 300 --logs {tmp_path}")


@pytest.mark.slow
class TestTraining:
    """The second of two nodes is a fresh program, and so is all that it starts."""

    def run(self, stage: Stage, launcher: str, *options: str, status: int = 0) -> str:
        python = sys.executable
        if not torch.cuda.is_available():
            python = str(stage.folder / "python")
            stand_in(Path(python), {"bayling_study.stages.tuning.node": server(STUDY)})
        launched = ["--nodes", "2", "--node-launcher", launcher.format(python=python)]
        command = [*stage.command, "--processes", "1", *launched, *options]
        done = run_training(command, {**stage.environment, "SLURM_JOB_ID": ""}, 600)
        assert done.returncode == status, done.stderr
        return done.stderr

    def test_two_nodes_learn_what_two_processes_learn(self, tmp_path):
        one, two = (Stage(tmp_path / name, max_steps=3) for name in ("one", "two"))
        alone = run_training([*one.command, "--processes", "2"], one.environment)
        assert alone.returncode == 0, alone.stderr
        logs = two.folder / "nodes"
        self.run(two, BOTH, "--node-logs", str(logs))
        first, second = (load_file(stage.out / "model.safetensors") for stage in (one, two))
        for name, tensor in first.items():  # the number of threads changes the last bits
            assert tensor.allclose(second[name], rtol=1e-5, atol=1e-6), name
        for rank in (0, 1):
            assert f"node {rank} of 2" in (logs / f"node-{rank}.log").read_text()

    def test_a_missing_node_ends_the_job_with_its_number(self, tmp_path):
        text = self.run(Stage(tmp_path), FIRST, "--node-seconds", "15", status=2)
        assert "node 1 of 2 did not report within 15 s; present: 0 (n1)" in text
