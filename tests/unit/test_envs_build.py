"""``make envs``: whole or not at all, beside what is in use, and never under a running study.

Locks name one wheel that is made here, or folders are made to look built.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from bayling_study.dag.exclusive import hold_environment
from helpers import ROOT

sys.path.insert(0, str(ROOT / "envs"))

import build
import in_use

HOLDER = """
import mmap, sys, time
file = open(sys.argv[1])
kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print("at work", flush=True)
time.sleep(600)
"""


def wheel(folder: Path, name: str, version: str) -> str:
    """Writes a wheel with one module and one program; returns its line in a lock."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"def main():\n    print({version!r})\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{digest}\n"


class Checkout:
    """A repository as far as ``make envs`` looks at it, with small locks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(
            ROOT / "envs", folder / "envs", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(ROOT / "Makefile", folder)
        (folder / "wheels").mkdir()
        self.lines = [wheel(folder / "wheels", "tiny", version) for version in "12"]
        wheel(folder / "wheels", "torch", "7")
        (folder / "envs" / "torch.txt").write_text("torch==7\n")
        self.lock("study", self.lines[0])
        self.lock("comet", "")

    def lock(self, name: str, text: str) -> None:
        (self.folder / "envs" / f"{name}.lock").write_text(text)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts ``make`` with these wheels as the only packages there are."""
        outer = ("PIP_", "MAKE", "MFLAGS")  # of the `make test` that may have started this
        values = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
        values |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
        values |= {"PIP_FIND_LINKS": str(self.folder / "wheels")}
        return subprocess.Popen(
            ["make", *words], cwd=self.folder, text=True, env=values, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def make(self, *words: str, rc: int = 0) -> str:
        """Returns what a target says."""
        process = self.start(*words)
        out, err = process.communicate(timeout=600)
        assert process.returncode == rc, out + err
        return out + err

    def environment(self, name: str = "study") -> build.Environment:
        return build.Environment(name, self.folder)

    def tiny(self) -> str:
        """Returns the version that the environment in use holds, as its program says."""
        program = self.folder / ".venv" / "study" / "bin" / "tiny"
        return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()

    def pretend(self, name: str) -> Path:
        """Makes a folder that looks like the environment which a lock wants; returns it."""
        wanted = self.environment(name)
        (wanted.folder / "bin").mkdir(parents=True)
        (wanted.folder / "bin" / "python").write_text("no interpreter, but something to map\n")
        (wanted.folder / build.STAMP).write_text(wanted.hash)
        return wanted.folder

    def ensure(self) -> None:
        build.ensure([self.environment("study"), self.environment("comet")])


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "here")


@pytest.fixture
def switched(checkout: Checkout) -> Checkout:
    """A checkout whose two environments look built and are in use; the next lock's too."""
    for name in ("study", "comet"):
        checkout.pretend(name)
    checkout.ensure()
    checkout.lock("study", checkout.lines[1])
    checkout.pretend("study")
    return checkout


def user(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Returns a process that has loaded something of an environment."""
    command = [sys.executable, "-c", HOLDER, str(folder / "bin" / "python"), *words]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == "at work\n"
    return process


@pytest.mark.slow
def test_a_life(checkout: Checkout, tmp_path: Path) -> None:
    """Built through a link; not for a time stamp; killed halfway; built once by two at once."""
    (checkout.folder / ".venv").symlink_to(tmp_path / "shared")
    said = checkout.make("envs")
    assert said.count("installing") == 2 and checkout.tiny() == "1"
    first = checkout.environment().folder
    assert first.parent == tmp_path / "shared" and (first.parent / "study").resolve() == first
    assert (first / "bin" / "tiny").read_text().startswith(f"#!{first}/bin/python")

    later = time.time() + 100
    for path in (checkout.folder / "envs").iterdir():
        os.utime(path, (later, later))
    assert checkout.make("envs") == ""

    checkout.lock("study", checkout.lines[1])
    second = checkout.environment().folder
    stopped = checkout.start("envs")
    while not (second / "bin" / "python").exists():
        assert stopped.poll() is None
        time.sleep(0.01)
    [builder] = [
        process
        for process in psutil.Process(stopped.pid).children(recursive=True)
        if process.cmdline()[1:2] == ["envs/build.py"]
    ]
    builder.kill()
    stopped.communicate()
    assert stopped.returncode and second.is_dir() and not (second / build.STAMP).exists()
    assert checkout.tiny() == "1"
    assert "differs from its lock" in checkout.make("look")

    both = [checkout.start("envs") for _ in range(2)]
    said = "".join(process.communicate(timeout=600)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said.count("installing") == 1 and checkout.tiny() == "2"
    assert not first.exists() and not second.with_suffix(".log").exists()


LOOKS = ["status", "why", "track", "ui", "compare", "plan", "preflight", "dry-run", "chat", "serve"]


@pytest.mark.parametrize("target", [*LOOKS, "ranking", "resume", "lock"])
def test_who_only_looks_says_what_is_missing_and_builds_nothing(checkout, target):
    said = checkout.make(target, rc=2)
    assert "error: there is no environment in .venv/study: make envs builds it" in said
    assert not (checkout.folder / ".venv").exists()


def test_help_and_verify_need_no_environment(checkout):
    assert "make envs" in checkout.make("help")
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflow", checkout.folder / "workflow", ignore=skip)
    assert "bundle.json: the file does not exist" in checkout.make("verify", rc=2)
    names = [path for path in checkout.folder.rglob("*") if path.is_file()]
    files = {
        path.relative_to(checkout.folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in names
    }
    (checkout.folder / "bundle.json").write_text(json.dumps({"study": "tiny", "files": files}))
    said = checkout.make("verify")
    assert f"{len(files)} files are whole; next: make study STUDY=tiny" in said
    assert not (checkout.folder / ".venv").exists()


def test_every_other_target_builds():
    text = (ROOT / "Makefile").read_text()
    needs = dict(re.findall(r"(?m)^([a-z-]+): *(\w*) *##", text))
    looks = {*LOOKS, "ranking", "resume", "lock", "clean", "play", "share", "publish", "pictures"}
    looks.add("verify-sources")
    assert {target for target, need in needs.items() if need == "look"} == looks
    nothing = {"help", "verify", "envs", "replay", "test-slurm", "findings"}
    assert {target for target, need in needs.items() if not need} <= nothing


@pytest.mark.parametrize("name", ["study", "comet"])
@pytest.mark.parametrize("words", ["snakemake --cores 8", "-m bayling_study.stages.tuning"])
def test_refused_while_a_study_runs(switched, name, words):
    """Also where only the environment changes that it is not in: its next job would meet it."""
    before = switched.environment(name).link.resolve()
    at_work = user(before, *words.split())
    with pytest.raises(build.BuildError, match=f"process {at_work.pid} runs in it .*wait for it"):
        switched.ensure()
    assert switched.environment(name).link.resolve() == before
    at_work.kill()
    at_work.wait()
    switched.ensure()
    assert switched.environment().link.resolve() == switched.environment().folder


def test_refused_while_a_study_elsewhere_holds_the_stamp(switched, monkeypatch):
    before = switched.environment().link.resolve()
    monkeypatch.setattr(sys, "prefix", str(before))
    descriptor = hold_environment()
    with pytest.raises(build.BuildError, match="here or on another machine"):
        switched.ensure()
    assert switched.environment().link.resolve() == before
    assert descriptor is not None and os.get_inheritable(descriptor)
    os.close(descriptor)
    switched.ensure()
    assert not before.exists()


def test_an_environment_without_a_stamp_is_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert hold_environment() is None and not in_use.held(tmp_path)


def test_another_program_goes_on_in_the_old_one(switched):
    before = switched.environment().link.resolve()
    pages = user(before, "mlflow", "ui")
    switched.ensure()
    assert switched.environment().link.resolve() != before and before.is_dir()
    pages.kill()
    pages.wait()
    switched.ensure()
    assert not before.exists()
    assert switched.environment().leftovers() == []


def from_before(checkout: Checkout, version: str) -> Path:
    """Makes an environment as earlier versions did: a folder with an empty stamp."""
    folder = checkout.folder / ".venv" / "study"
    for name, number in (("tiny", version), ("torch", "7+cpu")):
        info = folder / "lib" / "python3.11" / "site-packages" / f"{name}-{number}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text("no interpreter, but something to map\n")
    (folder / build.STAMP).touch()
    return folder


def test_one_from_before_is_adopted_if_it_holds_what_the_lock_names(checkout, capsys):
    checkout.pretend("comet")
    checkout.environment("comet").switch()
    folder = from_before(checkout, "1")
    build.look(checkout.environment())
    assert (folder / build.STAMP).read_text() == "", "looking changes nothing"
    checkout.ensure()
    assert not folder.is_symlink() and (folder / build.STAMP).read_text().strip() == (
        checkout.environment().hash
    )
    checkout.lock("study", checkout.lines[1])
    build.look(checkout.environment())
    assert "differs from its lock" in capsys.readouterr().err


def test_one_from_before_that_differs_is_replaced_unless_anybody_uses_it(checkout):
    for name in ("study", "comet"):
        checkout.pretend(name)
    folder = from_before(checkout, "2")
    pages = user(folder, "mlflow", "ui")
    with pytest.raises(build.BuildError, match=f"process {pages.pid} runs in it"):
        checkout.ensure()
    assert not folder.is_symlink()
    pages.kill()
    pages.wait()
    checkout.ensure()
    assert folder.resolve() == checkout.environment().folder
    assert not list(folder.parent.glob("study-replaced-*"))


def test_a_build_says_a_line_now_and_then_and_shows_why_it_failed(checkout, monkeypatch, capsys):
    monkeypatch.setattr(build, "SECONDS", 0.05)
    environment, log = checkout.environment(), checkout.folder / "log"
    words = "import time; print('Collecting x (from y)', flush=True); time.sleep(1); exit(3)"
    with (
        in_use.alone(environment.home) as lock,
        pytest.raises(build.BuildError, match=f"could not be built; .*{log}"),
    ):
        build.run(environment, [sys.executable, "-c", words], log, lock, time.monotonic())
    lines = capsys.readouterr().err.splitlines()
    (environment.folder / "lib/python3.11/site-packages/x-1.dist-info").mkdir(parents=True)
    log.write_text("Collecting a==1 (from y)\nCollecting b==2 (from y)\n")
    environment.files[0].write_text("a==1\nb==2\nc==3\nd==4\n")
    assert build.progress(environment, log, time.monotonic() - 120) == (
        "2 min, 2 of 4 packages collected, 1 a minute, 2 min left; 1 installed; Collecting b==2"
    )
    assert lines[-1] == "Collecting x (from y)"


def test_a_lock_that_changes_during_the_build_gives_no_environment(checkout, monkeypatch):
    environment = checkout.environment()

    def step(environment: build.Environment, command: list[str], log: Path, *_: object) -> None:
        environment.folder.mkdir(parents=True, exist_ok=True)
        log.touch()
        checkout.lock("study", checkout.lines[1])

    monkeypatch.setattr(build, "run", step)
    with pytest.raises(build.BuildError, match=r"envs/study\.lock changed during the build"):
        build.build(environment, lock=0)
    assert environment.folder.is_dir() and not environment.ready(environment.folder)
