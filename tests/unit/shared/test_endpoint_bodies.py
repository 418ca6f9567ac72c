"""What a server is sent and how it is reached: limits, extra keys, reasoning, proxies."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bayling_study.core.errors import StudyError
from bayling_study.core.network import free_port, is_loopback
from bayling_study.shared.endpoint import ChatCompletion, ChatRequest, Endpoint, local
from bayling_study.shared.endpoint.exchange import Connection
from bayling_study.stages.synthesis.teacher import EndpointTeacher
from helpers.endpoint_server import Body, Server, completion, says, serving, status

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def ask(server: Server, cache: Path, url: str = "", **settings: Any) -> ChatCompletion:
    if url:
        settings["url"] = url
    question = ChatRequest([{"role": "user", "content": "a"}], 20, seed=3)
    with Endpoint(server.settings(retries=0, **settings), cache / "answers.jsonl") as endpoint:
        [answer] = endpoint.complete([question])
    return answer


def test_newer_models_get_the_body_that_they_take(server: Server, tmp_path: Path) -> None:
    extra = {"temperature": None, "seed": None, "reasoning_effort": "low"}
    extra |= {"chat_template_kwargs": {"enable_thinking": False}}
    ask(server, tmp_path, limit_key="max_completion_tokens", extra_body=extra)
    message = {"role": "user", "content": "a"}
    added = {"reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": False}}
    assert server.bodies == [
        {"model": "m", "messages": [message], "max_completion_tokens": 20, **added}
    ]
    ask(server, tmp_path, limit_key="max_completion_tokens", extra_body={**extra, "top_p": 0.5})
    assert len(server.bodies) == 2  # another body is another question


@pytest.mark.parametrize(
    ("refusal", "fix"),
    [
        ("'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
         "limit_key: max_completion_tokens"),
        ("Unsupported value: 'temperature' does not support 0 with this model.",
         "extra_body: {temperature: null}"),
        ("unknown parameter: seed", "extra_body: {seed: null}"),
    ],
)  # fmt: skip
def test_a_refused_key_names_what_to_write(
    server: Server, tmp_path: Path, refusal: str, fix: str
) -> None:
    server.faults = [status(400, json.dumps({"error": {"message": refusal}}))]
    with pytest.raises(StudyError, match="status 400") as caught:
        ask(server, tmp_path)
    assert str(caught.value.fix).startswith(fix)


@pytest.mark.parametrize(
    "body",
    [
        *({"model": "x"}, {"messages": []}, {"max_tokens": 5}, {"max_completion_tokens": 5}),
        *({"stream": True}, {"n": 2}, {"temperature": 1.0}, {"seed": 1}),
    ],
)
def test_what_the_study_says_cannot_be_overwritten(server: Server, body: Body) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(body))} cannot be set here"):
        server.settings(extra_body=body)


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"content": "<think>\nHm\n</think>\n\nJa"}, ("Hm", "Ja")),
        ({"content": "Hm</think>Ja"}, ("Hm", "Ja")),
        ({"content": "<think>Hm, no"}, ("Hm, no", "")),
        ({"content": "Ja", "reasoning_content": "Hm"}, ("Hm", "Ja")),
        ({"content": "Ja", "reasoning": "Hm"}, ("Hm", "Ja")),
        ({"content": None, "reasoning_content": "Hm, no"}, ("Hm, no", "")),
        ({"content": "Ja", "reasoning_content": None}, ("", "Ja")),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
                      {"type": "text", "text": "Ja"}]}, ("Hm", "Ja")),
        ({"content": " Ja\n"}, ("", " Ja\n")),
    ],
)  # fmt: skip
def test_reasoning_is_told_apart(
    server: Server, tmp_path: Path, message: Body, parts: tuple[str, str]
) -> None:
    reply = completion("", {"model": "m", "messages": []})
    reply["choices"][0]["message"] = message
    server.faults = [says(json.dumps(reply))]
    assert ask(server, tmp_path).parts == parts
    assert ask(server, tmp_path).parts == parts  # as it was kept on disk
    assert len(server.bodies) == 1


def test_a_teacher_gives_answers_alone(server: Server, tmp_path: Path) -> None:
    said = {"a": "<think>Hm</think> Ja ", "b": "<think>Hm, no", "c": " Nein ", "d": ""}
    server.answer = lambda body, number: said[body["messages"][-1]["content"]]
    with Endpoint(server.settings(), tmp_path / "answers.jsonl") as endpoint:
        asked = [[{"role": "user", "content": name}] for name in said]
        assert list(EndpointTeacher(endpoint).complete(asked)) == ["Ja", None, "Nein", ""]


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:{port}", "socks5://127.0.0.1:{port}"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_loopback_is_asked_without_the_proxy(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, proxy: str, host: str,
) -> None:  # fmt: skip
    for other in (*PROXIES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, proxy.format(port=free_port()))  # where nobody listens
    assert ask(server, tmp_path, server.url.replace("127.0.0.1", host)).text == "fine"


def test_other_servers_are_still_asked_through_the_proxy(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*PROXIES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    assert ask(server, tmp_path, "http://far.invalid/v1").text == "fine"


def test_an_ipv6_server_on_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class SixServer(Server):
        address_family = socket.AF_INET6

        def __init__(self) -> None:
            from helpers.endpoint_server import Handler

            ThreadingHTTPServer.__init__(self, ("::1", 0), Handler)
            self.answer = lambda body, number: "six"
            self.bodies, self.keys, self.faults = [], [], []
            self.lock = threading.Lock()
            self.busy = self.busiest = 0

    try:
        running = SixServer()
    except OSError:
        pytest.skip("no IPv6 here")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    try:
        url = f"http://[::1]:{running.server_address[1]}/v1"
        assert ask(running, tmp_path, url).text == "six"
    finally:
        running.shutdown()
        running.server_close()


def test_which_addresses_are_this_machine() -> None:
    here = ("127.0.0.1", "127.8.9.1:80", "localhost:8000", "a.localhost", "[::1]:80", "LOCALHOST")
    here += ("[::ffff:127.0.0.1]",)
    away = ("10.0.0.1", "example.org", "localhost.example.org", "[2001:db8::1]", "128.0.0.1")
    assert [host for host in here if not is_loopback(f"http://{host}/v1")] == []
    assert [host for host in away if is_loopback(f"https://{host}/v1")] == []


def test_a_client_of_loopback_keeps_the_given_timeout() -> None:
    connection = Connection("http://127.0.0.1:9/v1", "", 7.0)
    assert connection._client.timeout == 7.0
    connection.close()


def test_a_dead_port_is_not_up_because_a_proxy_answers(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy answers every request here, for a server that is not there."""
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(local, "START_SECONDS", 1.0)
    with (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process,
        pytest.raises(StudyError, match="did not start"),
    ):
        try:
            local.await_server(process, free_port(), tmp_path / "log")
        finally:
            process.kill()


@pytest.mark.parametrize(("code", "up"), [(503, False), (500, True), (404, True), (200, True)])
def test_a_server_that_still_loads_is_not_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, up: bool
) -> None:
    from helpers.endpoint_server import Handler

    def answer(handler: Handler) -> None:
        handler.reply("{}", code)

    monkeypatch.setattr(Handler, "do_GET", answer, raising=False)
    monkeypatch.setattr(local, "START_SECONDS", 0.9)
    with (
        serving() as running,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process,
    ):
        started = time.monotonic()
        try:
            local.await_server(process, running.server_address[1], tmp_path / "log")
            found = True
        except StudyError:
            found = False
        finally:
            process.kill()
    assert found == up
    assert up or time.monotonic() - started > 0.8


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a child of it")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_model_served_for_a_job_does_not_outlive_it(tmp_path: Path, number: int) -> None:
    server = tmp_path / "python"
    server.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/new\nmv {tmp_path}/new {tmp_path}/pid\n"
                      "exec sleep 60\n")  # fmt: skip
    server.chmod(0o755)
    job = (
        "import sys; from pathlib import Path; from bayling_study.shared.endpoint import local\n"
        f"sys.executable = {str(server)!r}\n"
        f"with local.served(Path('model'), Path({str(tmp_path / 'log')!r})): pass"
    )
    with subprocess.Popen([sys.executable, "-c", job]) as process:
        written = tmp_path / "pid"
        while not written.exists() and process.poll() is None:
            time.sleep(0.05)
        pid = int(written.read_text())
        assert alive(pid)
        process.send_signal(number)
    end = time.monotonic() + 30
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Tells whether a process runs; one that nobody has waited for does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
