"""No secret stands in a configuration, and none gets from anywhere into logs and records."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from bayling_study.config.loading import parse_config
from bayling_study.core.cli import Masking
from bayling_study.core.credentials import has_credentials, masked, without_credentials
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.sources.table import COLUMNS, read_sources
from bayling_study.shared.tracking.record import run_record
from helpers import ROOT

SECRET = "hunter2hunter2hunter2"
KINDS = {
    "user and password": f"https://me:{SECRET}@mirror.example.org/data/",
    "token for a user": f"https://{SECRET}@mirror.example.org/data/",
    "signed query": f"https://store.example.org/f?X-Amz-Signature={SECRET}&X-Amz-Date=1",
    "credential of a signed query": f"https://store.example.org/f?X-Amz-Credential={SECRET}",
    "shared access signature": f"https://blob.example.org/f?sv=2&sig={SECRET}",
    "api_key": f"https://mlflow.example.org/?api_key={SECRET}",
    "apikey, written otherwise": f"https://mlflow.example.org/?Api-Key={SECRET}",
    "auth": f"https://mlflow.example.org/?auth={SECRET}",
    "passphrase": f"postgresql://db/x?sslpassphrase={SECRET}",
    "access_token in the fragment": f"https://login.example.org/#access_token={SECRET}",
    "escaped name": f"mysql://me@db/x?p%61sswd={SECRET}",
    "git with a password": f"ssh://me:{SECRET}@git.example.org/repository.git",
    "bare token": f"https://hub.example.org/f?token={SECRET}",
}
HARMLESS = [
    "https://mirror.example.org:8443/data/",
    "https://example.org/list?author=me&keyword=mt&tokens=12#section-2",
    "postgresql://db:5432/x?sslmode=verify-full",
    "git@github.com:owner/name.git",
]


@pytest.mark.parametrize("uri", KINDS.values(), ids=KINDS)
def test_a_secret_is_found_and_masked(uri):
    assert has_credentials(uri)
    assert SECRET not in without_credentials(f"GET '{uri}' failed; {uri}, again: {uri}")
    assert SECRET not in str(masked({"a": [uri, {uri: 1}], "b": None}))


@pytest.mark.parametrize("uri", HARMLESS)
def test_other_addresses_stay_as_they_are(uri):
    assert not has_credentials(uri)
    assert without_credentials(f"see {uri}, and") == f"see {uri}, and"


@pytest.mark.parametrize(
    "text",
    [f"password={SECRET}", f"PGPASSWORD: {SECRET}", f"--api-key={SECRET}", f"hf_{SECRET}",
     f"Authorization: Bearer {SECRET}", f"'token': '{SECRET}'", f"?token={SECRET}",
     f"AWS_SECRET_ACCESS_KEY={SECRET}", f"sk-{SECRET}", f"ghp_{SECRET}"],
)  # fmt: skip
def test_secrets_in_other_texts_are_masked(text):
    assert SECRET not in without_credentials(text)


@pytest.mark.parametrize(
    "text",
    ["pad_token=<pad>", "max_tokens=64", "eos_token: </s>", "a task-specific-and-long-name",
     "tokens: 12 of 13", "author=Hemingway", "--key value", "signature: nrefs:1|case:mixed"],
)  # fmt: skip
def test_words_of_this_field_are_no_secrets(text):
    assert without_credentials(text) == text


PLACES = {
    "download.mirrors": lambda uri: {"download": {"mirrors": {"https://example.org/": uri}}},
    "download.mirrors, its key": lambda uri: {"download": {"mirrors": {uri: "https://a.org/"}}},
    "download.local": lambda uri: {"download": {"local": {"cldr": uri}}},
    "tracking.uri": lambda uri: {"tracking": {"uri": uri}},
    "systems.gpt": lambda uri: {"systems": {"gpt": {"kind": "endpoint", "url": uri, "model": "m"}}},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("uri", KINDS.values(), ids=KINDS)
def test_a_configuration_with_a_secret_is_refused(place, uri):
    with pytest.raises(StudyError) as told:
        parse_config({"study": {"name": "x"}, **PLACES[place](uri)})
    message = told.value.render()
    assert place.split(",")[0] in message
    assert SECRET not in message


@pytest.mark.parametrize("uri", KINDS.values(), ids=KINDS)
def test_a_source_with_a_secret_is_refused(tmp_path, uri):
    kind = "git" if uri.endswith(".git") else "url"
    cells = {"id": "x", "kind": kind, "location": uri, "licence": "MIT", "gated": "no"}
    cells["revision"] = "0123456789" if kind == "git" else ""
    rows = ["\t".join(COLUMNS), "\t".join(cells.get(name, "") for name in COLUMNS)]
    (tmp_path / "sources.tsv").write_text("\n".join(rows) + "\n")
    with pytest.raises(StudyError, match="column location") as told:
        read_sources(tmp_path / "sources.tsv")
    assert SECRET not in told.value.render()


@pytest.mark.parametrize("uri", KINDS.values(), ids=KINDS)
def test_records_and_log_lines_hold_none(tmp_path, monkeypatch, uri):
    monkeypatch.setattr(sys, "argv", ["job", "--index", uri])
    path = tmp_path / "record.json"
    with pytest.raises(StudyError), run_record(path, "any", "name", "study", "") as run:
        run.parameters({"index": uri, uri: 1})
        raise StudyError(f"no answer from {uri}", where=uri)
    assert read_json(path)["state"] == "failed"
    assert SECRET not in path.read_text()
    line = logging.LogRecord("x", logging.INFO, "x", 1, "asking %s", (uri,), None)
    assert SECRET not in Masking().format(line)


@pytest.mark.parametrize("uri", KINDS.values(), ids=KINDS)
def test_a_program_prints_none_when_it_fails(uri):
    body = (
        "from bayling_study.core.cli import run_program\n"
        "def main():\n    raise RuntimeError(URI)\n"
        f"URI = {uri!r}\nrun_program(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", body], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(ROOT) / "workflow")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "RuntimeError" in done.stderr
    assert SECRET not in done.stdout + done.stderr
