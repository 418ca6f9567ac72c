"""Checkpoints with wrong weights, and trainings that diverge: no job takes either for success."""

import json
import subprocess
import sys

import pytest

from bayling_study.core.cli import EXIT_USER_ERROR
from helpers.broken_weights import FAULTS, in_shards, pickled, rewrite
from helpers.training import Stage, write_foundation

pytestmark = pytest.mark.long


def foundation_of(source, folder):
    """Runs the stage foundation on a local source; returns its status, text and output."""
    download, out = folder / "download", folder / "out"
    download.mkdir()
    (download / "manifest.json").write_text(json.dumps({"root": str(source)}))
    command = [sys.executable, "-m", "bayling_study.stages.foundation", "--download", download]
    command += ["--out", out, "--record", folder / "record.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stderr, out


def assert_refused(source, folder, message):
    status, text, out = foundation_of(source, folder)
    assert status == EXIT_USER_ERROR, text
    assert message in text and "Traceback" not in text
    assert not out.exists()


@pytest.mark.fault("foundation: {fault}")
@pytest.mark.parametrize("fault", FAULTS)
def test_weights_that_do_not_fit_are_named(tmp_path, fault):
    change, message = FAULTS[fault]
    source = rewrite(write_foundation(tmp_path / "source"), change)
    assert_refused(source, tmp_path, message.split(" (")[0].split(".*")[0].split(r" \(")[0])


@pytest.mark.fault("foundation: a shard is absent")
def test_an_absent_shard_is_named(tmp_path):
    source = in_shards(write_foundation(tmp_path / "source"))
    shard = sorted(source.glob("model-*.safetensors"))[1]
    shard.unlink()
    assert_refused(source, tmp_path, f"index are missing: {shard.name}")


@pytest.mark.fault("foundation: pickled weights alone")
def test_pickled_weights_are_refused(tmp_path):
    source = pickled(write_foundation(tmp_path / "source"))
    assert_refused(source, tmp_path, "the weights are pickled (pytorch_model.bin)")


@pytest.mark.fault("foundation: pickled weights beside safetensors")
def test_pickled_weights_beside_others_are_left_out(tmp_path):
    source = write_foundation(tmp_path / "source")
    (source / "pytorch_model.bin").write_bytes(b"a pickle")
    status, text, out = foundation_of(source, tmp_path)
    assert status == 0, text
    assert (out / "model.safetensors").is_file()
    assert not (out / "pytorch_model.bin").exists()


def assert_not_tuned(stage, message):
    done = subprocess.run(
        stage.command, env=stage.environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == EXIT_USER_ERROR, done.stderr
    assert message in done.stderr
    assert not stage.out.exists()
    assert json.loads(stage.record.read_text())["state"] == "failed"


@pytest.mark.fault("tuning: the foundation lacks a tensor")
def test_nothing_is_tuned_from_random_weights(tmp_path):
    stage = Stage(tmp_path, max_steps=2)
    change, message = FAULTS["a tensor is missing"]
    rewrite(tmp_path / "foundation", change)
    assert_not_tuned(stage, message)


@pytest.mark.fault("tuning: learning rate {rate:g}, {steps} steps")
@pytest.mark.parametrize(
    ("rate", "steps", "message"),
    [
        (1e3, 30, "the gradient is exactly 0 since step 4, at a loss of 5.576 in step 13"),
        (1e3, 5, "the gradient is exactly 0 since step 4, at a loss of 5.576 in step 5"),
        (1e39, 4, "is nan; its conversations: "),
    ],
)
def test_divergence_is_no_success(tmp_path, rate, steps, message):
    assert_not_tuned(Stage(tmp_path, learning_rate=rate, epochs=8, max_steps=steps), message)
