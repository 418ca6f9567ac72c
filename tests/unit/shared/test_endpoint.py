"""The endpoint client against a real HTTP server that fails in every way."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bayling_study.config.systems import EndpointSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.network import retry_after
from bayling_study.shared.endpoint import ChatCompletion, ChatRequest, Endpoint
from helpers.endpoint_server import (
    Body,
    Server,
    breaks_off,
    completion,
    hangs,
    hangs_up,
    says,
    serving,
    status,
    trickles,
)

CANARY = "sk-canary-0123456789"


def echo(body: Body, number: int) -> str:
    return f"echo {body['messages'][-1]['content']}"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(echo) as running:
        yield running


def request(text: str, **changed: Any) -> ChatRequest:
    return ChatRequest(
        [{"role": "user", "content": text}], changed.pop("max_tokens", 20), **changed
    )


def ask(settings: EndpointSystem, cache: Path, *texts: str, **changed: Any) -> list[ChatCompletion]:
    with Endpoint(settings, cache, "systems.s") as endpoint:
        return list(endpoint.complete(request(text, **changed) for text in texts))


def asked(server: Server) -> list[str]:
    return [body["messages"][-1]["content"] for body in server.bodies]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "work" / "answers.jsonl"


def test_answers_come_in_the_order_of_requests(server: Server, cache: Path) -> None:
    together = threading.Barrier(2)

    def first_after_another(body: Body, number: int) -> str:
        text = body["messages"][-1]["content"]
        if text in ("0", "4"):  # neither is answered before the other is there
            together.wait(240)
        return str(text)

    server.answer = first_after_another
    texts = [str(number) for number in range(40)]
    found = ask(server.settings(parallel=5), cache, *texts)
    assert [answer.text for answer in found] == texts
    assert found[0] == ChatCompletion("0", tokens=1, prompt_tokens=1, finish="stop")
    assert 1 < server.busiest <= 5


def test_one_at_a_time_means_in_the_callers_order(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_one = Endpoint._ask

    def late(self: Endpoint, key: str, request: ChatRequest) -> ChatCompletion:
        """Some requests are slow to start."""
        time.sleep(0.1 if request.messages[-1]["content"] in "048" else 0)
        return ask_one(self, key, request)

    monkeypatch.setattr(Endpoint, "_ask", late)
    ask(server.settings(parallel=1), cache, *"0123456789")
    assert asked(server) == list("0123456789")
    assert server.busiest == 1


def test_what_the_server_is_sent(server: Server, cache: Path) -> None:
    ask(server.settings(), cache, "a", temperature=0.7, seed=3)
    message = {"role": "user", "content": "a"}
    assert server.bodies == [
        {"model": "m", "messages": [message], "max_tokens": 20, "temperature": 0.7, "seed": 3}
    ]


def test_an_answer_is_paid_once(server: Server, cache: Path) -> None:
    first = ask(server.settings(), cache, "a", "b", "a")
    assert ask(server.settings(parallel=1), cache, "b", "a") == [first[1], first[0]]
    assert sorted(asked(server)) == ["a", "b"]
    ask(server.settings(), cache, "a", attempt=1)
    ask(server.settings(), cache, "a", max_tokens=21)
    ask(server.settings(model="other"), cache, "a")
    assert asked(server)[2:] == ["a", "a", "a"]


SHORT, LONG = 2.0, 60.0
"""Seconds: where the client is to give up, and where it is not."""

FAULTS = {
    "busy": status(429),
    "broken": status(500, "<html>"),
    "gateway": status(503),
    "no json": says("<html>sorry</html>"),
    "cut json": says('{"choices": [{"message": {"con'),
    "no choices": says('{"choices": []}'),
    "null": says("null"),
    "no text": says('{"choices": [{"message": {"content": {"a": 1}}}]}'),
    "closed": hangs_up,
    "half closed": breaks_off,
    "hangs": hangs,
    "trickles": trickles,
}


def patience(fault: Any) -> float:
    return SHORT if fault in (hangs, trickles) else LONG


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_tried_again(server: Server, cache: Path, fault: Any) -> None:
    server.faults = [fault, None, fault]
    found = ask(server.settings(parallel=1, timeout=patience(fault), retries=1), cache, "a", "b")
    assert [answer.text for answer in found] == ["echo a", "echo b"]
    assert asked(server) == ["a", "a", "b", "b"]


@pytest.mark.parametrize("fault", [status(500), hangs, hangs_up])
def test_tries_end_and_nothing_is_lost(server: Server, cache: Path, fault: Any) -> None:
    server.faults = [None, *[fault] * 3]
    with pytest.raises(StudyError, match="no answer after 3 requests") as caught:
        ask(server.settings(parallel=1, timeout=patience(fault), retries=2), cache, "a", "b")
    assert server.url in str(caught.value)
    assert [a.text for a in ask(server.settings(), cache, "a", "b")] == ["echo a", "echo b"]
    assert asked(server) == ["a", "b", "b", "b", "b"]


def test_no_server_at_all(server: Server, cache: Path) -> None:
    server.server_close()
    with pytest.raises(StudyError, match="no connection"):
        ask(server.settings(retries=1), cache, "a")


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
def test_a_refusal_ends_at_once(server: Server, cache: Path, code: int) -> None:
    server.faults = [status(code, '{"error": {"message": "not so"}}')]
    with pytest.raises(StudyError, match=f"status {code}.*not so"):
        ask(server.settings(), cache, "a")
    assert len(server.bodies) == 1


def test_retry_after_holds_all_requests(server: Server, cache: Path) -> None:
    server.faults = [status(429, Retry_After="0.5")]
    started = time.monotonic()
    with Endpoint(server.settings(parallel=1), cache) as endpoint:
        answers = endpoint.complete([request("a"), request("b")])
        next(answers)
        assert time.monotonic() - started >= 0.5
        next(answers)


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after(None) is None and retry_after("soon") is None
    assert retry_after("7") == 7 and retry_after("-3") == 0
    assert retry_after(formatdate(1060, usegmt=True), now=1000.0) == 60
    date = retry_after(formatdate(time.time() + 90, usegmt=True))
    assert date is not None and 80 < date <= 90


def test_a_rate_is_kept(server: Server, cache: Path) -> None:
    started = time.monotonic()
    ask(server.settings(requests_per_minute=1200, parallel=8), cache, *"abcdefghijk")
    assert time.monotonic() - started >= 10 * 60 / 1200


def test_a_request_budget_stops_and_loses_nothing(server: Server, cache: Path) -> None:
    server.faults = [status(500)]
    with pytest.raises(StudyError, match="3 of 3 requests") as caught:
        ask(server.settings(parallel=1, request_budget=3), cache, *"abcd")
    assert "systems.s.request_budget" in str(caught.value) and caught.value.fix is not None
    assert asked(server) == ["a", "a", "b"]
    # A second start has the rest of the budget, not a new one.
    with pytest.raises(StudyError, match="3 of 3 requests"):
        ask(server.settings(parallel=1, request_budget=3), cache, *"abcd")
    assert len(ask(server.settings(request_budget=5), cache, *"abcd")) == 4
    assert sorted(asked(server)[3:]) == ["c", "d"]


def test_a_token_budget_is_never_exceeded(server: Server, cache: Path) -> None:
    server.answer = lambda body, number: "w " * body["max_tokens"]
    texts = [f"word {number}" for number in range(50)]
    budget = 300
    with pytest.raises(StudyError, match=r"of 300 tokens are used"):
        ask(server.settings(parallel=8, token_budget=budget), cache, *texts)
    with Endpoint(server.settings(), cache) as endpoint:
        spent = endpoint.journal.tokens
        assert budget - request(texts[0]).most_tokens - 1 <= spent <= budget
        assert spent == 22 * len(server.bodies)
        assert len(list(endpoint.complete(map(request, texts)))) == 50
    assert len(server.bodies) == 50


def test_without_counts_the_bounds_are_spent(server: Server, cache: Path) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "añ"}]}
    server.faults = [says(json.dumps(completion("b", body, usage=None)))]
    [answer] = ask(server.settings(), cache, "añ")
    assert (answer.tokens, answer.prompt_tokens) == (20, 16 + 3)


def test_odd_answers(server: Server, cache: Path) -> None:
    body = {"model": "m", "messages": []}
    silent = {"message": {"content": None}, "finish_reason": "content_filter"}
    server.faults = [says(json.dumps(completion("", body, choices=[silent])))]
    server.answer = lambda body, number: "line\u2028end\r\ud83d lone \0 zero"
    found = ask(server.settings(parallel=1), cache, "a", "b")
    assert (found[0].text, found[0].finish) == ("", "unknown")
    assert found[1].text == "line\u2028end\r? lone  zero"
    assert ask(server.settings(), cache, "a", "b") == found


KILLED = """
import sys
from pathlib import Path
from bayling_study.config.systems import EndpointSystem
from bayling_study.shared.endpoint import ChatRequest, Endpoint
settings = EndpointSystem(kind="endpoint", url=sys.argv[1], model="m", parallel=2)
endpoint = Endpoint(settings, Path(sys.argv[2]))
asked = [[{"role": "user", "content": str(number)}] for number in range(30)]
for answer in endpoint.complete(ChatRequest(messages, 20) for messages in asked):
    print(answer.text, flush=True)
"""


def settled(server: Server) -> int:
    """Waits until nothing more arrives and nothing is answered; returns the requests so far."""
    end, seen, quiet = time.monotonic() + 240, -1, 0
    while quiet < 10:
        assert time.monotonic() < end
        quiet = quiet + 1 if len(server.bodies) == seen and not server.busy else 0
        seen = len(server.bodies)
        time.sleep(0.05)
    return seen


def test_a_killed_process_goes_on_where_it_was(server: Server, cache: Path) -> None:
    def slow(body: Body, number: int) -> str:
        time.sleep(0.03)
        return str(body["messages"][-1]["content"])

    server.answer = slow
    command = [sys.executable, "-c", KILLED, server.url, str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(5)]
        os.kill(process.pid, signal.SIGKILL)
    assert seen == [f"{number}\n" for number in range(5)]
    with open(cache, "ab") as stream:
        stream.write(b'{"key": "torn')
    before = settled(server)  # what was in flight at the kill
    found = ask(server.settings(), cache, *map(str, range(30)))
    assert [answer.text for answer in found] == [str(number) for number in range(30)]
    assert len(server.bodies) <= 30 + 2 and len(server.bodies) - before <= 30 - 5
    for line in cache.read_text(encoding="utf-8").splitlines():
        json.loads(line)


def test_two_processes_never_share_a_cache(server: Server, cache: Path) -> None:
    refused = pytest.raises(StudyError, match="another process")
    with Endpoint(server.settings(), cache), refused, Endpoint(server.settings(), cache):
        pass


def test_the_key_goes_to_the_server_and_nowhere_else(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARY)
    caplog.set_level(logging.DEBUG)
    settings = server.settings(key_env="CANARY_KEY", parallel=1, retries=1)
    told = json.dumps({"error": {"message": f"Incorrect API key provided: {CANARY}"}})
    server.answer = lambda body, number: f"your key is {CANARY}"
    server.faults = [status(500, told), None, status(401, told)]
    with pytest.raises(StudyError, match=r"provided: \[key\]") as caught:
        ask(settings, cache, "a", "b")
    assert server.keys == [f"Bearer {CANARY}"] * 3
    chain, error = [], caught.value
    while error is not None:
        chain.append(repr(error) + str(vars(error)))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for text in (cache.read_text(encoding="utf-8"), caplog.text, *chain, repr(settings)):
        assert CANARY not in text
    assert "your key is [key]" in cache.read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [None, "", "  ", "two\nlines", "ключ"])
def test_a_key_that_cannot_be_sent(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("CANARY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("CANARY_KEY", value)
    with pytest.raises(StudyError, match="CANARY_KEY holds no key") as caught:
        Endpoint(server.settings(key_env="CANARY_KEY"), cache, "systems.s")
    assert "systems.s.key_env" in str(caught.value) and not cache.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "http://user:secret@host/v1"},
        {"url": "https://host/v1?key=secret"},
        {"url": "file:///etc/passwd"},
        {"key_env": "sk-not-a-name"},
        {"parallel": 0},
        {"token_budget": 0},
    ],
)
def test_settings_that_cannot_be(changed: dict[str, Any]) -> None:
    values = {"kind": "endpoint", "url": "http://h/v1", "model": "m", **changed}
    with pytest.raises(ValidationError):
        EndpointSystem.model_validate(values)
