"""A server whose certificate is not trusted is told at once, with the list to name."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.stages.download import transfer
from bayling_study.stages.download.ranges import opened
from bayling_study.stages.download.transfer import Policy, fetch
from helpers import small_hub as hub
from helpers.download_server import Handler, Site, served

POLICY = Policy(retries=3, timeout=10.0, pause=0.01)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Makes a certificate that signs itself, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl")
    path = tmp_path / "site.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(path), "-out", str(tmp_path / "certificate")]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "certificate").read_text())
    return path


@pytest.fixture
def site(certificate: Path) -> Iterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with served({"/data.bin": b"content"}, context) as running:
        yield running


@pytest.fixture(autouse=True)
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def test_an_untrusted_certificate_is_told_at_once(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    receive = transfer._Transfer._receive
    monkeypatch.setattr(
        transfer._Transfer,
        "_receive",
        lambda self, start: (attempts.append(1), receive(self, start)),
    )
    with pytest.raises(
        StudyError, match=r"certificate is not trusted here .*self-signed"
    ) as caught:
        fetch(f"{site.url}/data.bin", tmp_path / "data.bin", policy=POLICY)
    assert "REQUESTS_CA_BUNDLE=/path/to/ca-certificates.crt" in caught.value.render()
    assert len(attempts) == 1


def test_the_advice_helps(
    site: Site, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    fetch(f"{site.url}/data.bin", tmp_path / "data.bin", policy=POLICY)
    assert (tmp_path / "data.bin").read_bytes() == b"content"


def test_a_list_that_is_not_there_is_told(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.crt"))
    with pytest.raises(StudyError, match=r"absent\.crt"):
        fetch(f"{site.url}/data.bin", tmp_path / "data.bin", policy=POLICY)


def test_the_hub_is_told_and_helped_alike(
    site: Site, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setattr(Handler, "do_GET", hub.answer)
    monkeypatch.setattr(Handler, "do_HEAD", hub.answer, raising=False)
    site.etag = hub.COMMIT
    refused = hub.run(site, tmp_path, revision=hub.BRANCH)
    assert refused.returncode == 2, refused.stderr
    assert "REQUESTS_CA_BUNDLE" in refused.stderr and "Traceback" not in refused.stderr
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    trusted = hub.run(site, tmp_path, revision=hub.BRANCH)
    assert trusted.returncode == 0, trusted.stderr


@pytest.mark.parametrize("seeks", [False, True])
def test_a_file_read_in_part_trusts_the_same_and_is_told_at_once(
    site: Site, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeks: bool
) -> None:
    address, patient = f"{site.url}/data.bin", Policy(retries=3, pause=30.0)
    start = time.monotonic()
    with (
        pytest.raises(StudyError, match=r"not trusted here .*self-signed"),
        opened(address, patient, seeks),
    ):
        pass
    assert time.monotonic() - start < patient.pause
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.crt"))
    with pytest.raises(StudyError, match=r"absent.crt") as caught, opened(address, patient, seeks):
        pass
    assert "REQUESTS_CA_BUNDLE=" in caught.value.render()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with opened(address, patient, seeks) as (stream, _):
        assert stream.read(4) == b"cont"
