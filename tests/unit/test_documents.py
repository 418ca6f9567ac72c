"""What README, manual and the other documents name is there, and every stage is on the map."""

import re
from pathlib import Path

import pytest

import bayling_study

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "workflow" / "bayling_study"
DOCUMENTS = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *("config/README.md", "config/CLUSTER.md"),
]
STAGES = sorted(path.parent.name for path in (PACKAGE / "stages").glob("*/__main__.py"))
STAGES += ["comet"]  # three programs, none of which is the stage
FLOORS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def named(text: str) -> list[str]:
    """Returns the files that a document names in code style: a path with a folder and an ending."""
    found = re.findall(r"`([A-Za-z][\w./-]*/[\w.-]+\.(?:py|md|smk|yaml|tsv|rst|toml))`", text)
    return [path for path in found if "NAME" not in path]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_documents_name_are_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    bases = (ROOT, PACKAGE, ROOT / "config")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert links or named(text)
    absent = [path for path in named(text) if not any((base / path).is_file() for base in bases)]
    absent += [path for path in links if not ((ROOT / document).parent / path).exists()]
    assert not absent


def test_programs_that_documents_name_are_there() -> None:
    texts = [
        (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS if "CHANGE" not in name
    ]
    programs = {name for text in texts for name in re.findall(r"-m (bayling_study[\w.]+)", text)}
    programs -= {"bayling_study.stages.STAGE"}
    assert programs
    for name in programs:
        base = ROOT / "workflow" / Path(*name.split("."))
        assert base.with_suffix(".py").is_file() or (base / "__main__.py").is_file(), name


def test_every_floor_and_every_stage_is_on_the_map() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `([a-z]+)/` \|", readme, flags=re.MULTILINE)) == FLOORS
    assert len(STAGES) >= 17
    docstring = bayling_study.__doc__ or ""
    for name in STAGES:
        assert f"\n| `{name}` |" in readme, name
        assert f"\n``{name}``" in docstring, name


def test_rules_that_documents_name_are_there() -> None:
    """The picture in README has the rules' own names."""
    rules = {
        name
        for path in (ROOT / "workflow" / "rules").glob("*.smk")
        for name in re.findall(r"^(?:use )?rule (\w+)", path.read_text(), flags=re.MULTILINE)
    }
    picture = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("```mermaid")[1].split("```")[0]
    )
    drawn = set(re.findall(r"\b[a-z_]+\b", picture.replace("flowchart", "")))
    assert len(drawn) >= 15
    assert drawn <= rules
