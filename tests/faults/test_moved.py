"""Results that were moved, copied or renamed, and files of others among them."""

import shutil

import pytest
import yaml

from helpers.sandbox import NAME, S

pytestmark = pytest.mark.long
MOVES = {
    "Snakemake's notes are gone": lambda box: shutil.rmtree(box.root / ".snakemake"),
    "the results are of another clone": lambda box: copy_results(box),
}


def copy_results(box):
    """Takes results and resources into a folder where no workflow ever ran."""
    shutil.rmtree(box.root / ".snakemake")
    shutil.move(box.root / "results", box.root / "copied")
    shutil.copytree(box.root / "copied", box.root / "results", symlinks=True)


def change(box, key, value):
    """Changes a key of a copy's config."""
    path = box.root / f"{NAME}.yaml"
    config = yaml.safe_load(path.read_text())
    section, name = key.split(".")
    config[section][name] = value
    path.write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.mark.fault("{move}, and a learning rate changed since")
@pytest.mark.parametrize("move", MOVES)
def test_a_changed_key_is_seen_without_snakemakes_notes(sandbox, move):
    MOVES[move](sandbox)
    status, output = sandbox.run("--dry-run")
    assert status == 0
    assert "Nothing to be done" in output, output[-3000:]
    change(sandbox, "tuning.learning_rate", 0.00123)
    status, output = sandbox.run("--dry-run", "--quiet", "rules")
    assert status == 0
    assert "tuning/tuned (settings)" in output, output[-3000:]
    assert "rule tuning" in output or "tuning " in output, output[-3000:]
    assert "rule corpora" not in output


@pytest.mark.fault("{move}, and an answer changed since")
@pytest.mark.parametrize("move", MOVES)
def test_a_changed_answer_is_never_scored(sandbox, move):
    MOVES[move](sandbox)
    path = sandbox.path(f"{S}/generation/tuned/translation.jsonl")
    path.write_text(path.read_text().replace('["', '["changed ', 1))
    target = sandbox.drop("scoring")
    status, output = sandbox.run(target)
    assert status != 0, output[-3000:]
    assert "translation.jsonl: it is not what its job wrote" in sandbox.log("scoring")


LEFT = [".nfs0000000000123", ".DS_Store", ".ipynb_checkpoints/config-checkpoint.json"]


@pytest.mark.fault("{name} in a finished checkpoint")
@pytest.mark.parametrize("name", LEFT)
def test_what_systems_leave_is_no_damage(reference, sandbox, name):
    path = sandbox.path(f"{S}/tuning/tuned") / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("left behind")
    target = sandbox.drop("export")
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)


@pytest.mark.fault("somebody's own file in a finished checkpoint")
def test_a_file_of_somebody_else_is_named(reference, sandbox):
    (sandbox.path(f"{S}/tuning/tuned") / "notes.txt").write_text("lr 3e-4 was best")
    target = sandbox.drop("export")
    status, output = sandbox.run(target)
    assert status != 0, output[-3000:]
    log = sandbox.log("export")
    assert "tuned/notes.txt: 1 file(s) of somebody else" in log
    assert "rm -r" not in log
    shutil.move(sandbox.path(f"{S}/tuning/tuned") / "notes.txt", sandbox.root)
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)
