"""The workflow as a module of another one, from another folder and from a git commit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers import ROOT, tiny

CALLER = """
import sys

configfile: "{config}"

module bayling:
    snakefile: {snakefile}
    config: config
    {more}

use rule * from bayling as bayling_*

rule words:
    default_target: True
    input:
        rules.bayling_corpora.output.report,
    output:
        "words.txt",
    shell:
        "grep -c . {{input}} > {{output}}"

print("local", sorted(workflow._localrules), file=sys.stderr)
"""


def snakemake(folder: Path, *arguments: str, **variables: str):
    """Runs Snakemake in a folder, as somebody does who does not know the package."""
    known = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    known |= {"XDG_CACHE_HOME": str(folder / "cache"), **variables}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=known)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A folder of another project, with the miniature study's sources and configuration."""
    folder = tmp_path_factory.mktemp("other")
    path = tiny.write_study(folder)
    values = yaml.safe_load(path.read_text())
    values["comet"] = {"embedded": None}
    values["study"] |= {"results": "results", "resources": "resources"}
    path.write_text(yaml.safe_dump(values))
    return folder


def write_caller(folder: Path, snakefile: str, config: str = "tiny.yaml", more: str = "") -> None:
    text = CALLER.format(snakefile=snakefile, config=config, more=more)
    (folder / "Snakefile").write_text(text)


@pytest.fixture(scope="module")
def commit(tmp_path_factory) -> tuple[Path, str]:
    """A repository with what is in this working tree, and the tag of its only commit."""
    folder = tmp_path_factory.mktemp("git") / "owner" / "bayling-study"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file() and name.startswith(("Snakefile", "workflow", "config", "envs")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["tag", "v1"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    return folder, "v1"


def test_another_workflow_runs_rules_of_this_one_and_uses_their_output(study):
    write_caller(study, f'"{ROOT / "Snakefile"}"')
    code, text = snakemake(study)
    assert code == 0, text
    report = (study / "results/tiny/corpora/report.json").read_text()
    assert int((study / "words.txt").read_text()) == len(report.splitlines())
    record = json.loads((study / "results/tiny/runs/corpora/corpora.json").read_text())
    assert record["state"] == "finished"
    code, text = snakemake(study, "--dry-run", "--quiet", "rules")
    assert code == 0 and "Nothing to be done" in text, text


def test_the_whole_study_is_planned_under_other_names(study):
    write_caller(study, f'"{ROOT / "Snakefile"}"')
    code, text = snakemake(study, "bayling_study", "--dry-run")
    assert code == 0, text
    assert "rule bayling_report" in text
    own = ("download", "fetch", "study", "track")
    assert f"local {[f'bayling_{name}' for name in own]}" in text, text


def test_values_without_a_study_are_laid_over_the_embedded_one(tmp_path):
    (tmp_path / "mine.yaml").write_text("tuning: {epochs: 2}\n")
    write_caller(tmp_path, f'"{ROOT / "Snakefile"}"', "mine.yaml")
    code, text = snakemake(tmp_path, "bayling_report", "--dry-run")
    assert code == 0 and "results/embedded/report/index.html" in text, text
    assert str(ROOT / "config" / "published.tsv") in text


def test_the_manuals_example_runs_and_names_its_study(tmp_path):
    manual = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    section = manual.partition("## From another workflow")[2]
    example = section.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "Snakefile").write_text(example.replace("/path/to/bayling-study", str(ROOT)))
    code, text = snakemake(tmp_path, "table.txt", "--dry-run")
    assert code == 0 and "results/mine/report/index.html" in text, text
    assert str(ROOT / "config" / "published.tsv") in text


def test_a_tag_of_a_host_is_checked_out_beside_the_results(study, commit):
    folder, tag = commit
    write_caller(study, f'github("owner/bayling-study", path="Snakefile", tag="{tag}")')
    settings = study / "gitconfig"
    settings.write_text(f'[url "file://{folder.parents[1]}/"]\n\tinsteadOf = https://github.com/\n')
    code, text = snakemake(study, "bayling_study", "--dry-run", GIT_CONFIG_GLOBAL=str(settings))
    assert code == 0 and "rule bayling_tuning" in text, text
    hashed = ["git", "-C", str(folder), "rev-parse", "v1"]
    known = subprocess.run(hashed, capture_output=True, text=True, check=True).stdout.strip()
    assert (study / ".snakemake/bayling-study" / known / "workflow/bayling_study").is_dir()


@pytest.mark.parametrize(
    ("options", "more", "told"),
    [
        (["--shared-fs-usage", "none"], "", "input-output, --shared-fs-usage without sources"),
        (["--shared-fs-usage", "sources"], "", "--shared-fs-usage without input-output:"),
        ([], 'prefix: "below"', "prefix of the module"),
    ],
)
def test_what_would_lose_files_beside_the_outputs_is_refused(study, options, more, told):
    write_caller(study, f'"{ROOT / "Snakefile"}"', more=more)
    code, text = snakemake(study, "bayling_study", "--dry-run", *options)
    assert code != 0 and told in text and "Traceback" not in text, text
