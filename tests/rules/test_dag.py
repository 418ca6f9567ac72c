"""The DAG of every study, and what its rules name."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import parse_args

from bayling_study.config.loading import load_config
from helpers import ROOT
from helpers.programs import run_snakemake

STUDIES = {path.stem: path for path in (ROOT / "config" / "studies").glob("*.yaml")}
STUDIES["embedded"] = ROOT / "config" / "config.yaml"
MOST_JOBS = 300
"""FLORES has 402 directions and MMLU 57 subjects; neither is a job each."""
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))


def fresh(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs Snakemake as somebody does who does not know the package."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [*command, *arguments], cwd=cwd, capture_output=True, text=True, env=environment
    )


@pytest.fixture
def elsewhere(tmp_path):
    """A working folder with the repository's configuration and no results."""
    for name in ("config", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize("study", sorted(STUDIES))
@pytest.mark.parametrize("target", ["study", "fetch"])
def test_every_target_of_every_study_has_a_dag(elsewhere, study, target):
    result = run_snakemake(
        target, "--dry-run", "--cores", "2", "--configfile", str(STUDIES[study]), cwd=elsewhere
    )
    assert result.returncode == 0, result.stdout + result.stderr
    config = load_config(STUDIES[study])
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", result.stdout, flags=re.MULTILINE))
    if target == "study":
        answered = int(jobs.get("generation", 0)) + int(jobs.get("generation_elsewhere", 0))
        assert answered == int(jobs["scoring"]) == len(config.evaluated())
        seeds = config.comparison.seeds if config.comparison else 1
        assert int(jobs["total"]) <= MOST_JOBS * seeds
    else:
        assert set(jobs) <= {"download", "fetch", "total"}


@pytest.mark.parametrize("study", ["bayling-7b", "bayling-2-8b"])
def test_bayling_80_is_laid_over_a_study(elsewhere, study):
    """The judge is asked by jobs of its own, one per system that is compared with the baseline."""
    overlay = ROOT / "config" / "overlays" / "bayling-80.yaml"
    files = "--configfile", str(STUDIES[study]), str(overlay)
    result = run_snakemake("--dry-run", "--cores", "2", *files, cwd=elsewhere)
    assert result.returncode == 0, result.stdout + result.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", result.stdout, flags=re.MULTILINE))
    assert int(jobs["judging"]) >= 1


def test_the_default_is_the_embedded_study(elsewhere):
    result = fresh("--dry-run", "--cores", "1", cwd=elsewhere)
    assert "results/embedded/report/index.html" in result.stdout
    forked = run_snakemake("--dry-run", "--cores", "1", cwd=elsewhere)
    counts = [re.findall(r"^\w+ +\d+$", done.stdout, re.MULTILINE) for done in (result, forked)]
    assert len(counts[0]) > 10 and counts[0] == counts[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--config", "tuning={batch: 0}"], "tuning.batch"),
        (["--config", "tunning={batch: 8}"], "'tuning'"),
        (["--config", "report={published: nowhere.tsv}"], "nowhere.tsv"),
        (["--config", "download={local: {homeassistant: /no/where}}"], "/no/where"),
        (["--config", "download={local: {homeasistant: /}}"], "'homeassistant'"),
        (["--config", "study={name: ../x}"], "study.name"),
        (["--config", "environments={comet_python: /no/python}"], "make envs"),
    ],
)
def test_a_mistake_ends_in_one_message_before_any_job(elsewhere, options, message):
    result = run_snakemake("--cores", "1", *options, cwd=elsewhere)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert "rule download" not in result.stdout + result.stderr


def test_every_program_named_in_a_rule_exists():
    named = {
        name for rule in RULES for name in re.findall(r"-m (bayling_study[\w.]*)", rule.read_text())
    }
    assert len(named) >= 10
    for name in named:
        base = ROOT / "workflow" / Path(*name.split("."))
        assert base.with_suffix(".py").is_file() or (base / "__main__.py").is_file(), name


def test_every_environment_named_in_a_rule_exists():
    named = {
        (rule, name)
        for rule in RULES
        for name in re.findall(r'conda:\n\s+"([^"]+)"', rule.read_text())
    }
    assert len(named) >= len(RULES) - 1  # what all rules share has no rule of its own
    for rule, name in named:
        assert (rule.parent / name).resolve().is_file(), f"{rule.name}: {name}"


def test_every_rule_has_a_log_an_environment_and_resources():
    bodies = [
        body for rule in RULES for body in re.split(r"(?m)^rule (?=\w+:)", rule.read_text())[1:]
    ]
    assert len(bodies) >= len(RULES) - 1
    for body in bodies:
        for part in ("log:", "conda:", "mem_mb=", "runtime="):
            assert part in body, f"{body.split(':')[0]} has no {part}"


SMALL_AND_LARGE = """
rule all:
    input: "large", "small-1", "small-2", "small-3", "small-4"

rule large:
    output: "large"
    threads: 4
    priority: FIRST
    shell: "echo {rule} >> order; sleep 0.5; touch {output}"

rule small:
    output: "small-{number}"
    priority: EARLY
    shell: "echo {rule} >> order; sleep 0.5; touch {output}"
"""


def test_a_job_on_all_cores_goes_before_many_small_ones(tmp_path):
    """Snakemake adds up the priorities of jobs that start together."""
    common = (ROOT / "workflow" / "rules" / "common.smk").read_text()
    [line] = re.findall(r"^FIRST, EARLY = .*$", common, flags=re.MULTILINE)
    (tmp_path / "Snakefile").write_text(f"{line}\n{SMALL_AND_LARGE}")
    run_snakemake("--cores", "4", "--snakefile", "Snakefile", cwd=tmp_path)
    assert (tmp_path / "order").read_text().split() == ["large", *["small"] * 4]


def test_rules_hold_no_logic():
    words = r"^\s*(for|if|while|def|run:|script:)\b"
    for rule in RULES:
        assert not re.search(words, rule.read_text(), flags=re.MULTILINE), rule.name


def test_files_named_in_the_makefile_exist():
    text = (ROOT / "Makefile").read_text()
    files = re.findall(r"\b(?:envs|config|workflow)/[\w./-]+\.\w+", text)
    programs = re.findall(r"-m (bayling_study[\w.]*)", text)
    assert files and len(programs) >= 10
    for name in files:
        assert (ROOT / name).exists(), name
    for name in programs:
        base = ROOT / "workflow" / Path(*name.split("."))
        assert base.with_suffix(".py").is_file() or (base / "__main__.py").is_file(), name


@pytest.mark.parametrize("target", ["fetch", "bundle"])
@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_make_hands_the_target_to_snakemake(target, profile):
    """``--configfile`` takes all words that follow it, so no target may."""
    found = subprocess.run(
        ["make", "-n", target, "STUDY=ablations", "CONFIG=more.yaml", f"PROFILE={profile}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    [line] = [line for line in found.stdout.splitlines() if "commands.study " in line]
    words = line.partition(" -- ")[2].split()
    options = parse_args([*words, "--dry-run"])[1]
    assert options.targets == ["fetch"]
    assert [path.name for path in options.configfile] == ["ablations.yaml", "more.yaml"]


def test_what_is_tracked_waits_for_deltas(elsewhere):
    """Their runs would be missing from MLflow, and the report would show them as running."""
    delta = ["--config", "systems={tuned: {delta: true}}"]
    for target in ("report", "track"):
        result = run_snakemake(target, "--dry-run", "--cores", "1", *delta, cwd=elsewhere)
        assert result.returncode == 0, result.stdout + result.stderr
        jobs = dict(re.findall(r"^(\w+) +(\d+)$", result.stdout, flags=re.MULTILINE))
        assert jobs["deltas_make"] == "1", target


def test_store_and_experiment_of_the_configuration_reach_the_sync(elsewhere):
    values = "tracking={uri: 'http://127.0.0.1:9/?a=1&b=2', experiment: /Shared/my study}"
    result = run_snakemake(
        "track", "--dry-run", "--printshellcmds", "--cores", "1", "--config", values, cwd=elsewhere
    )
    assert result.returncode == 0, result.stdout + result.stderr
    options = "--uri 'http://127.0.0.1:9/?a=1&b=2' --experiment '/Shared/my study'"
    assert options in result.stdout + result.stderr
