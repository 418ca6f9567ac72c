"""The environments: locks and conda files agree, and hold what is needed and nothing else."""

import ast
import re
from functools import cache
from importlib.metadata import distribution

import pytest
import yaml
from packaging.requirements import Requirement

from bayling_study.config import StudyConfig
from bayling_study.dag.rules import Dag
from helpers import ROOT

ENVS = ROOT / "envs"
MODULES = {"pyyaml": "yaml", "unbabel-comet": "comet"}
"""Packages whose module has another name."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    matches = (re.match(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", line) for line in lines)
    return {normal(match[1]): match[2] for match in matches if match}


def lock(environment: str) -> dict[str, str]:
    return pins((ENVS / f"{environment}.lock").read_text().splitlines())


@pytest.mark.parametrize("environment", ["study", "comet"])
class TestEnvironment:
    def test_conda_file_and_lock_agree(self, environment):
        conda = yaml.safe_load((ENVS / f"{environment}.yaml").read_text())
        by_pip = next(item["pip"] for item in conda["dependencies"] if isinstance(item, dict))
        torch = pins((ENVS / "torch.txt").read_text().splitlines())
        assert pins(by_pip) == {**lock(environment), **torch}

    def test_every_pin_has_a_hash(self, environment):
        text = (ENVS / f"{environment}.lock").read_text()
        entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
        assert len(entries) == len(lock(environment))
        assert all("--hash=sha256:" in entry for entry in entries)

    def test_every_direct_need_is_locked_and_has_a_reason(self, environment):
        assert needs(environment)
        for name, reason in needs(environment).items():
            assert reason, f"{name} needs a reason"
            assert name in {*lock(environment), "torch"}

    def test_every_direct_need_is_imported_or_says_who_loads_it(self, environment):
        found = needs(environment)
        assert len(found) > 5
        for name, reason in found.items():
            loader = re.search(r"\(via (\S+)\)$", reason)
            if loader is None:
                module = MODULES.get(name, name.replace("-", "_"))
                assert module in imported(), f"{name} is imported nowhere: who loads it?"
            elif loader[1] == "make":
                assert re.search(rf"(?m)^\t.*\b{name}\b", (ROOT / "Makefile").read_text()), name
            else:
                assert normal(loader[1]) in lock(environment), f"{loader[1]} does not load {name}"


def needs(environment: str) -> dict[str, str]:
    """Returns the direct needs of an environment with their reasons."""
    lines = (ENVS / f"{environment}.in").read_text().splitlines()
    parts = (line.partition("#") for line in lines if not line.startswith("#"))
    return {normal(name.strip()): reason.strip() for name, _, reason in parts}


@cache
def imported() -> set[str]:
    """Returns the top names of all modules that the project imports, also late ones."""
    found = set()
    for path in (path for part in ("workflow", "tests") for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").split(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                found |= {part.value for part in node.args if isinstance(part, ast.Constant)}
    return found


def test_nothing_is_locked_that_nothing_needs():
    """Of the environment that tests run in; what a package needs is known of installed ones."""
    reached: set[tuple[str, str]] = set()
    waiting = [(name, "") for name in needs("study")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in reached:
            continue
        reached.add((name, extra))
        for need in map(Requirement, distribution(name).requires or []):
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                waiting += [(normal(need.name), part) for part in ("", *need.extras)]
    assert set(lock("study")) - {name for name, _ in reached} == set()


def test_torch_is_not_in_a_lock():
    assert not {"torch"} & (set(lock("study")) | set(lock("comet")))


class TestContainer:
    """The image is made from the same locks, with the same commands, as ``make envs``."""

    text = (ENVS / "container.def").read_text()

    def test_every_lock_is_in_it(self):
        for path in (*ENVS.glob("*.lock"), ENVS / "torch.txt"):
            assert f"envs/{path.name} /opt/locks/{path.name}" in self.text

    def test_it_installs_as_make_does(self):
        builder = (ENVS / "build.py").read_text()
        for options in ("-m venv", "pip install", "--no-deps --require-hashes -r"):
            assert options in self.text
            assert ", ".join(f'"{word}"' for word in options.split()) in builder

    def test_rules_find_the_other_environment_in_it(self):
        assert "for name in study comet" in self.text
        assert Dag(StudyConfig(), programs=False, container=True).comet_python() == (
            "/opt/comet/bin/python"
        )
        assert Dag(StudyConfig(), programs=False).comet_python() == "python"


class TestDockerImage:
    """What Kubernetes runs is what Apptainer runs: the same base, locks and commands."""

    text = (ENVS / "Dockerfile").read_text()
    definition = TestContainer.text

    def part(self, name: str) -> list[str]:
        """The commands of a section of the Apptainer definition."""
        body = re.split(r"(?m)^%(\w+)\n", self.definition)
        lines = body[body.index(name) + 1].splitlines()
        return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]

    def runs(self) -> list[list[str]]:
        """The commands of each RUN."""
        plain = "\n".join(line for line in self.text.splitlines() if not line.startswith("#"))
        found = re.findall(r"(?m)^RUN ((?:.*\\\n)*.*)", plain)
        return [
            [re.sub(r";? *\\?$", "", line).strip() for line in run.splitlines()] for run in found
        ]

    def test_base(self):
        assert re.search(r"(?m)^From: (.*)", self.definition)[1] in (
            re.findall(r"(?m)^FROM (.*)", self.text)
        )

    def test_commands(self):
        install, check = self.runs()
        assert install == [
            line.replace("{{ torch_options }}", "$TORCH_OPTIONS") for line in self.part("post")
        ]
        assert check == ["set -eu", *self.part("test")]

    def test_locks(self):
        (copied,) = re.findall(r"(?m)^COPY (.*) /opt/locks/$", self.text)
        assert {f"envs/{name} /opt/locks/{name}" for name in copied.split()} == {
            *self.part("files")
        }

    def test_environment(self):
        (values,) = re.findall(r"(?m)^ENV ((?:.*\\\n)*.*)", self.text)
        exported = " ".join(self.part("environment")).replace("export ", "")
        assert values.replace("\\", "").split() == exported.split()
