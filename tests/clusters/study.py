"""The miniature study in a folder of its own, run by Snakemake as a lab would."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from clusters.tools import wait
from helpers import ROOT, tiny

EPOCHS = 60  # a training long enough to be disturbed six times
TIMES = ("runs", "logs", "work", "settings", "report", "mlflow.db", ".mlflow.lock", ".lock")
TIMES += ("mlflow-artefacts",)
"""What holds times, or follows from run records that do; all else must be equal."""


class Study:
    """A working folder with the study's configuration and a profile.

    Args:
        folder: made here.
        scheduler: name of the shipped profile.
        quick: keys of the profile that make waiting short.
        epochs: of the training, 7.5 steps each.
    """

    def __init__(
        self, folder: Path, scheduler: str, quick: dict[str, Any], epochs: int = EPOCHS
    ) -> None:
        self.folder, self.scheduler, self.quick = folder, scheduler, quick
        folder.mkdir(parents=True)
        for name in ("config", ".venv"):
            (folder / name).symlink_to(ROOT / name)
        self.config = tiny.write_study(folder)
        values = yaml.safe_load(self.config.read_text())
        values["comet"] = {"embedded": None}
        values["tuning"] |= {"epochs": epochs, "checkpoint_minutes": 0.05, "attempts": 12}
        values["tracking"] = {"live": False}
        self.config.write_text(yaml.safe_dump(values))
        self.results = folder / "results" / "tiny"

    def profile(self, name: str, **resources: dict[str, Any]) -> Path:
        """Writes the shipped profile with fewer cores, quicker polls and some resources."""
        shipped = ROOT / "config" / "profiles" / self.scheduler / "config.yaml"
        values = yaml.safe_load(shipped.read_text())
        values["set-resources"]["tuning"]["processes"] = 1
        for rule, changes in resources.items():
            values["set-resources"].setdefault(rule, {}).update(changes)
        values |= {"set-threads": {"tuning": 1}, "latency-wait": 20}
        quick = dict(self.quick)
        values["default-resources"] |= quick.pop("default-resources", {})
        values |= quick
        path = self.folder / f"profile-{name}"
        path.mkdir(exist_ok=True)
        (path / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        return path

    def snakemake(self, *arguments: str, config: str | None = None) -> list[str]:
        """Returns Snakemake's command line for this study."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        files = [str(self.config), *([config] if config else [])]
        return [*command, "--configfile", *files, *arguments]

    def start(self, name: str, *arguments: str, config: str | None = None) -> Run:
        """Starts Snakemake with a log of its own."""
        return Run(self, self.snakemake(*arguments, config=config), self.folder / f"{name}.log")

    def local(self) -> None:
        """Runs the study on this machine, undisturbed."""
        options = ["--cores", "2", "--set-resources", "tuning:processes=1"]
        options += ["--set-threads", "tuning=1"]
        assert self.start("undisturbed", *options).wait() == 0

    def steps(self) -> int:
        """Returns the newest step of the training in progress."""
        return max((event.get("step", 0) for event in self.events("step")), default=0)

    def started_again(self, starts: int) -> None:
        """Waits until the training has started more often than so many times."""
        wait(lambda: len(self.events("started")) > starts, "another start", 600)

    def steps_before(self, start: int) -> int:
        """Returns the newest step that was done before a start of the training, from 0."""
        end = self.events("started")[start]["time"]
        return max(event["step"] for event in self.events("step") if event["time"] < end)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Returns the training's reports of a kind, of all attempts."""
        found = sorted(self.results.glob("work/tuning/tuned/*/events.jsonl"))
        lines = [line for path in found for line in path.read_text().splitlines()]
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def trained_on(self, more: int = 10) -> None:
        """Waits until the training has done some steps more in a new attempt, and saved one."""
        begin = time.time()

        def further() -> bool:
            new = [event["step"] for event in self.events("step") if event["time"] > begin]
            saved = [event for event in self.events("saved") if event["time"] > begin]
            return bool(saved) and len(new) >= more

        wait(further, "training steps", 240)

    def forget_results(self) -> None:
        """Removes what the study made; downloads and foundations stay."""
        shutil.rmtree(self.results)
        shutil.rmtree(self.folder / ".snakemake")

    def hashes(self) -> dict[str, str]:
        """Returns file to SHA-256 of everything that the study made, apart from times.

        What a killed job was about to write has a hidden name that ends in ``.tmp``.
        """
        files = (path for path in sorted(self.results.rglob("*")) if path.is_file())
        named = ((path.relative_to(self.results), path) for path in files)
        return {
            str(name): hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in named
            if name.parts[0] not in TIMES
            and not any(part.startswith(".") and part.endswith(".tmp") for part in name.parts)
        }


class Run:
    """Snakemake at work."""

    def __init__(self, study: Study, command: list[str], log: Path) -> None:
        self.log = log
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        with open(log, "ab") as stream:
            self.process = subprocess.Popen(
                command,
                cwd=study.folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=environment,
                start_new_session=True,
            )

    def wait(self, seconds: float = 1800) -> int:
        """Returns the exit status."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Ends Snakemake as the machine would: at once, its jobs unaware."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
