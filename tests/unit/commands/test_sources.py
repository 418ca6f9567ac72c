"""What upstreams serve now, beside what the table states; a loopback server plays them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from bayling_study.commands.sources import ask, studies
from bayling_study.core.errors import StudyError
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.request import DownloadRequest
from helpers import ROOT, small_hub
from helpers.download_server import Handler, served

PINNED = {"sha256": "0" * 64, "bytes": 1}


def asked(
    kind: str, location: str, mirrors: dict[str, str] | None = None, **more: object
) -> tuple[str, int | None, list[str]]:
    values = {"id": "s", "kind": kind, "location": location, "licence": "CC0", **more}
    return ask(DownloadRequest(SourceRow.model_validate(values), Path(), mirrors=mirrors or {}))


def test_a_file_has_the_size_that_its_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "do_HEAD", lambda self: self.serve(keep=0), raising=False)
    with served({"/a.txt": b"12345", "/x/archive/abcdef0.tar.gz": b"123"}) as site:
        assert asked("url", f"{site.url}/a.txt") == ("", 5, [])
        mirrors = {"https://elsewhere": site.url}
        assert asked("url", "https://elsewhere/a.txt", mirrors) == ("", 5, [])
        repository = f"{site.url}/x.git"
        assert asked("git", repository, revision="abcdef0") == ("abcdef0", 3, [])
        with pytest.raises(requests.HTTPError, match="404"):
            asked("url", f"{site.url}/gone.txt")
    with pytest.raises(requests.ConnectionError):
        asked("url", f"{site.url}/a.txt")


def test_sets_and_what_is_on_this_machine() -> None:
    assert asked("sacrebleu", "wmt22", files=["en-zh", "en-xx"]) == ("", None, ["no en-xx"])
    assert asked("babel", "cldr", revision="1.0") == ("1.0", None, [])


@pytest.mark.parametrize(
    ("program", "kind", "output", "expected"),
    [
        ("apt-cache", "apt", "Package: p\nSize: 40\n\nSize: 2\n", ("1", 42, [])),
        ("npm", "npm", "1\n", ("1", 0, [])),
    ],
)
def test_package_managers_are_asked_for_one_version(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    kind: str,
    output: str,
    expected: tuple[str, int, list[str]],
) -> None:
    (tmp_path / "answer").write_text(output)
    client = tmp_path / program
    client.write_text(f"#!/bin/sh\necho \"$@\" > '{tmp_path}/asked'\ncat '{tmp_path}/answer'\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert asked(kind, "p", revision="1") == expected
    mark = "=" if kind == "apt" else "@"
    assert (tmp_path / "asked").read_text().split() == [
        "show" if kind == "apt" else "view",
        f"p{mark}1",
    ]
    client.write_text("#!/bin/sh\necho 'no such version' >&2\nexit 1\n")
    with pytest.raises(StudyError, match=f"{program} does not know it: no such version"):
        asked(kind, "p", revision="1")
    client.write_text("#!/bin/sh\n")  # npm says nothing of a version that is not there
    with pytest.raises(StudyError, match=f"{program} does not know it"):
        asked(kind, "p", revision="1")


def test_a_package_is_looked_for_in_pips_own_indexes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bayling_example-1.0-py3-none-any.whl").write_bytes(b"")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    for revision, differs in (("1.0", []), ("2.0", ["in no index"])):
        found = asked("pip-wheel", "bayling-example", revision=revision, **PINNED)
        assert found == (revision, None, differs)


def test_the_studies_of_a_source_are_those_that_read_it() -> None:
    users = studies(ROOT / "config")
    assert users["smollm2"][0] == "embedded" and "bayling-7b" not in users["smollm2"]
    assert users["bayling-2-llama-3-8b"] == ["bayling-2-8b"]
    assert {"bayling-7b", "bayling-13b", "replay"} <= set(users["bayling-release"])
    assert "xcomet-xl" not in users


def command(tmp_path: Path, *rows: tuple[str, ...], **environment: str) -> tuple[int, list[str]]:
    lines = [small_hub.HEADER, *("\t".join([*cells, "", ""]) for cells in rows)]
    (tmp_path / "sources.tsv").write_text("\n".join(lines) + "\n")
    config = tmp_path / "more.yaml"
    config.write_text(f"download: {{manifest: {tmp_path}/sources.tsv}}\n")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bayling_study.commands.sources", "--study-config"),
            *(str(ROOT / "config/config.yaml"), str(config)),
        ],
        # as `make` has it for all programs
        env=kept | {"PYTHONPATH": str(ROOT / "workflow"), "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def hub_row(name: str, location: str, files: str, size: str, gated: str) -> tuple[str, ...]:
    return name, "hub", location, "", files, "", size, "CC0", gated


def test_the_hub_says_commit_size_gate_and_which_files_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(handler: Handler) -> None:
        if "/owner/gone" in handler.path:
            small_hub.unknown(handler)
        else:
            small_hub.answer(handler)

    monkeypatch.setattr(Handler, "do_GET", answer)
    with served({}) as site:
        site.etag = small_hub.COMMIT
        environment = {"HF_ENDPOINT": site.url, "HF_HOME": str(tmp_path)}
        there, two = "models/owner/name", "models/owner/gone;models/owner/name"
        code, lines = command(
            tmp_path,
            hub_row("right", there, "*.json", "2", "no"),
            hub_row("second", two, "*.json", "", "no"),
            hub_row("wrong", there, "*.json;*.bin", "3", "yes"),
            hub_row("gone", "models/owner/gone", "", "", "no"),
            **environment,
        )
    told = {line.split()[0]: line for line in lines if line.strip()}
    assert code == 1 and lines[-1] == "2 of 4 sources are as the table states"
    commit = small_hub.COMMIT[:12]
    assert told["right"].split() == ["right", commit, "0.0", "MB"]
    assert told["second"].split() == ["second", commit, "0.0", "MB"]
    assert "nothing matches *.bin; is not gated; 0.0 MB is stated" in told["wrong"]
    assert "401 Client Error. Repository Not Found" in told["gone"]


def test_an_upstream_that_answers_for_nothing_is_told_beside_the_others(tmp_path: Path) -> None:
    away = ("away", "url", "http://127.0.0.1:9/a.txt", "", "", "", "", "CC0", "no")
    here = ("here", "sacrebleu", "wmt22", "", "en-zh", "", "", "research", "no")
    code, lines = command(tmp_path, away, here)
    assert code == 1 and lines[-1] == "1 of 2 sources are as the table states"
    assert any(line.startswith("away") and "127.0.0.1" in line for line in lines)
    code, lines = command(tmp_path, here)
    assert code == 0 and lines[-1] == "1 of 1 sources are as the table states"
