"""Files that are damaged between the job that wrote them and the job that reads them."""

import re
import shutil
from pathlib import Path

import pytest

from helpers.sandbox import STAGES, S, Sandbox, flip_bit, job_of, truncate
from helpers.strikes import newest_checkpoint, slow_steps, wait_for_checkpoint

pytestmark = pytest.mark.long

WAYS = {"bit flip": flip_bit, "truncation": truncate}
DAMAGE = {
    "corpus": (f"{S}/corpora/parallel.parquet", "synthesis"),
    "instructions": (f"{S}/synthesis/default/train.parquet", "masks"),
    "encoded training set": (f"{S}/masks/tuned/tokens/tokens.npy", "tuning"),
    "foundation": ("resources/foundation/*/model.safetensors", "tuning"),
    "checkpoint": (f"{S}/tuning/tuned/model.safetensors", "export"),
    "export": (f"{S}/export/tuned-int8/groupwise.safetensors", "perplexity"),
    "hypotheses": (f"{S}/generation/tuned/translation.jsonl", "scoring"),
    "prompts": (f"{S}/prompts/translation.jsonl", "generation"),
}
"""What is damaged: its file, and the stage that reads it next."""


def follow_the_advice(sandbox: Sandbox, log: str) -> None:
    """Does what the message says."""
    advice = re.search(r"rm -r (\S+)", log)
    assert advice is not None, log
    path = sandbox.root / advice[1]
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.fault("{way} in the {what} on disk")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named_before_anything_is_made_from_it(reference, sandbox, what, way):
    pattern, stage = DAMAGE[what]
    path = sandbox.path(pattern)
    WAYS[way](path)
    target = sandbox.drop(stage)
    status, output = sandbox.run(target)
    assert status != 0, output[-3000:]
    assert "it is not what its job wrote" in sandbox.log(stage), sandbox.log(stage)[-3000:]
    assert not (sandbox.root / target).exists()
    follow_the_advice(sandbox, sandbox.log(stage))
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)


def read_once(sandbox: Sandbox) -> tuple[str, Path]:
    """Makes the corpora from upstream files of its own; returns their target and a catalogue."""
    upstream = sandbox.own_upstream()
    target = sandbox.drop("corpora")
    assert sandbox.run(target)[0] == 0
    return target, next(upstream.glob("catalogues/**/de.json"))


@pytest.mark.fault("{way} in a source after it was fetched")
@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_source_is_named(reference, sandbox, way):
    target, catalogue = read_once(sandbox)
    sandbox.drop("corpora")
    WAYS[way](catalogue)
    status, output = sandbox.run(target, "--allowed-rules", "corpora")
    assert status != 0, output[-3000:]
    assert f"{catalogue.name}" in sandbox.log("corpora")
    assert "source's file" in sandbox.log("corpora")


@pytest.mark.fault("{way} in a local source between two runs")
@pytest.mark.parametrize("way", WAYS)
def test_a_changed_local_source_is_read_again_or_refused(reference, sandbox, way):
    """Nobody can tell a flipped bit of one's own file from an edit; what follows is made anew."""
    target, catalogue = read_once(sandbox)
    before = sandbox.hash(target)
    WAYS[way](catalogue)
    status, output = sandbox.run(target)
    assert "Params have changed" in output and "rule corpora:" in output
    if status:
        assert f"{catalogue.name}: the file is not valid JSON" in sandbox.log("corpora")
    else:
        assert sandbox.hash(target) != before


@pytest.mark.fault("an input is removed while its reader starts")
def test_an_input_removed_during_the_run_is_named_and_made_again(reference, sandbox):
    target = sandbox.drop("synthesis")
    corpus = sandbox.path(f"{S}/corpora/parallel.parquet")
    strike = sandbox.strike("synthesis", f"rm -f '{corpus}'")
    status, output = sandbox.run(target, **strike)
    assert status != 0, output[-3000:]
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)


@pytest.mark.fault("{way} in the newest training checkpoint")
@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_training_checkpoint_is_set_aside(reference, sandbox, way):
    target = sandbox.drop("tuning")
    workflow = sandbox.start(target, **slow_steps())
    job = job_of(workflow, STAGES["tuning"].module)
    wait_for_checkpoint(sandbox)
    workflow.kill()
    job.kill()
    workflow.communicate()
    WAYS[way](newest_checkpoint(sandbox))
    status, output = sandbox.run(target)
    assert "damaged" in sandbox.log("tuning")
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)
