"""A finished miniature study to strike at: copies of it, faults laid over single jobs.

A strike reaches one stage alone: Snakemake runs every job through ``bash -c``,
and bash reads the file named by ``BASH_ENV`` first, which here looks for the
stage's name in the command and only then sets what the fault needs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from bayling_study.core.files import sha256_path
from helpers import ROOT
from helpers.tiny import write_study

COMET = ROOT / ".venv" / "comet" / "bin" / "python"
NAME = "tiny"


@dataclass(frozen=True)
class Stage:
    """One stage of the DAG: what it writes and how its command line is known.

    Attributes:
        target: path that Snakemake is asked for; a pattern below the study's root.
        module: module that the job runs, without the package's name.
        log: log of the job below ``results/tiny/logs`` (or of ``resources``).
    """

    target: str
    module: str
    log: str


S = f"results/{NAME}"
STAGES = {
    "foundation": Stage("resources/foundation/*", "stages.foundation", "foundation/*"),
    "corpora": Stage(f"{S}/corpora/parallel.parquet", "stages.corpora", "corpora"),
    "prompts": Stage(f"{S}/prompts/translation.jsonl", "stages.prompts", "prompts/translation"),
    "synthesis": Stage(
        f"{S}/synthesis/default/train.parquet", "stages.synthesis", "synthesis/default"
    ),
    "masks": Stage(f"{S}/masks/tuned", "stages.masks", "masks/tuned"),
    "tuning": Stage(f"{S}/tuning/tuned", "stages.tuning", "tuning/tuned"),
    "export": Stage(f"{S}/export/tuned-int8", "stages.export", "export/tuned-int8"),
    "perplexity": Stage(f"{S}/perplexity/tuned-int8.json", "stages.perplexity", "perplexity/*"),
    "generation": Stage(f"{S}/generation/tuned", "stages.generation", "generation/tuned"),
    "scoring": Stage(f"{S}/scoring/tuned", "stages.scoring", "scoring/tuned"),
    "comet": Stage(f"{S}/comet/training", "stages.comet.training", "comet/training"),
    "significance": Stage(
        f"{S}/significance/comparisons.json", "stages.significance", "significance"
    ),
    "report": Stage(f"{S}/report/verdicts.tsv", "stages.report", "report"),
}
"""The stages that write what a study is made of, in the order of the DAG."""


class Sandbox:
    """A folder with a miniature study and the means to run and strike it.

    Args:
        root: the folder; ``config`` and ``.venv`` there point into the repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.study = root / S

    @classmethod
    def make(cls, root: Path, change: Callable[[dict], None] = lambda config: None) -> Sandbox:
        """Writes the study's upstream files and its config, with relative paths."""
        root.mkdir(parents=True, exist_ok=True)
        path = write_study(root, NAME)
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        config["study"] |= {"results": "results", "resources": "resources"}
        config["download"]["manifest"] = "sources.tsv"
        change(config)
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        for entry in ("config", ".venv"):
            (root / entry).symlink_to(ROOT / entry)
        return cls(root)

    def clone(self, root: Path) -> Sandbox:
        """Returns a copy that shares nothing with this one but its upstream files."""
        skip = shutil.ignore_patterns("upstream", ".lock", "locks")
        shutil.copytree(self.root, root, symlinks=True, ignore=skip, dirs_exist_ok=True)
        return Sandbox(root)

    def own_upstream(self) -> Path:
        """Gives this copy upstream files of its own and returns their folder."""
        sources = self.root / "sources.tsv"
        rows = sources.read_text(encoding="utf-8")
        shared = re.search(r"\tlocal\t(\S+)/catalogues\t", rows)
        assert shared is not None
        folder = self.root / "upstream"
        shutil.copytree(shared[1], folder)
        sources.write_text(rows.replace(shared[1], str(folder)), encoding="utf-8")
        return folder

    def command(self, *more: str) -> list[str]:
        """Returns the command that ``make study`` runs, with more options or targets."""
        study = [sys.executable, "-m", "bayling_study.commands.study", "--study-config"]
        snakefile = [f"{NAME}.yaml", "--", "--snakefile", str(ROOT / "Snakefile")]
        options = ["--cores", "2", "--rerun-incomplete", "--show-failed-logs"]
        return [*study, *snakefile, *options, *more, "--configfile", f"{NAME}.yaml"]

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Returns the environment of a run; hub and tracking servers of the machine are unset."""
        dropped = ("MLFLOW_TRACKING_URI", "BASH_ENV")
        kept = {key: value for key, value in os.environ.items() if key not in dropped}
        return {**kept, "PYTHONPATH": str(ROOT / "workflow"), **more}

    def start(self, *targets: str, **environment: str) -> subprocess.Popen[str]:
        """Starts the workflow for targets (all without one) and returns its process."""
        return subprocess.Popen(
            self.command(*targets), cwd=self.root, env=self.environment(environment), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def run(self, *targets: str, **environment: str) -> tuple[int, str]:
        """Runs the workflow for targets; returns its status and all it printed."""
        process = self.start(*targets, **environment)
        output, _ = process.communicate(timeout=1800)
        return process.returncode, output

    def path(self, pattern: str) -> Path:
        """Returns the one path that a pattern below the root means."""
        (found,) = self.root.glob(pattern)
        return found

    def target(self, stage: str) -> str:
        """Returns what Snakemake is asked for to make a stage's output."""
        return str(self.path(STAGES[stage].target).relative_to(self.root))

    def drop(self, stage: str) -> str:
        """Removes a stage's output, as if the stage had not run; returns its target."""
        target = self.target(stage)
        path = self.root / target
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        if stage == "tuning":  # a finished model is kept for a second job
            for kept in self.study.glob("work/tuning/*/*/finished"):
                shutil.rmtree(kept)
        return target

    def hash(self, target: str) -> str:
        """Returns the hash of a target; of a scores or outputs folder too."""
        return sha256_path(self.root / target)

    def strike(self, stage: str, *lines: str) -> dict[str, str]:
        """Returns the environment in which bash runs some lines before a stage's job."""
        path = self.root / "strike.sh"
        body = "\n".join(f"    {line}" for line in lines)
        pattern = f'*"bayling_study.{STAGES[stage].module} "*'
        path.write_text(f'case "$BASH_EXECUTION_STRING" in {pattern})\n{body}\n;; esac\n')
        return {"BASH_ENV": str(path)}

    def log(self, stage: str) -> str:
        """Returns the text of a stage's newest log."""
        logs = [*self.root.glob(f"{S}/logs/{STAGES[stage].log}.log")]
        logs += self.root.glob(f"resources/logs/{STAGES[stage].log}.log")
        return max(logs, key=lambda path: path.stat().st_mtime).read_text(encoding="utf-8")

    def unfinished_files(self) -> list[str]:
        """Returns temporary files that nothing cleaned up."""
        return [str(path) for path in self.study.rglob("*.tmp")]


def job_of(workflow: subprocess.Popen[str], module: str, seconds: float = 300.0) -> psutil.Process:
    """Waits for the job of a module below a workflow and returns its process.

    Raises:
        AssertionError: the workflow ended without it.
        TimeoutError: none was seen.
    """
    end = time.monotonic() + seconds
    wanted = f"bayling_study.{module}"
    while time.monotonic() < end:
        for process in psutil.Process(workflow.pid).children(recursive=True):
            try:
                words = process.cmdline()
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            if wanted in words and "-m" in words:
                return process
        if workflow.poll() is not None:
            said = workflow.stdout.read()[-3000:] if workflow.stdout else ""
            raise AssertionError(f"the workflow ended without a job of {module}: {said}")
        time.sleep(0.02)
    raise TimeoutError(f"no job of {module} within {seconds} s")


def flip_bit(path: Path) -> None:
    """Changes one bit in the middle of a file; its times stay as they were."""
    facts = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def truncate(path: Path) -> None:
    """Cuts a third off a file; its times stay as they were."""
    facts = path.stat()
    path.write_bytes(path.read_bytes()[: facts.st_size * 2 // 3])
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
