"""The server, asked by OpenAI's own client and with broken bodies, on a tiny model."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import Any

import openai
import pytest
import torch

from bayling_study.commands.chat import answering, system
from bayling_study.commands.chat.answering import Answerer
from bayling_study.commands.chat.writing import Draw, Question, Writer
from bayling_study.commands.serve import __main__ as program
from bayling_study.commands.serve import guard
from bayling_study.commands.serve.app import application
from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.errors import StudyError
from bayling_study.core.network import free_port
from bayling_study.shared import templates
from bayling_study.shared.answer_text import answer_text
from bayling_study.shared.models import load
from helpers import ROOT
from helpers.export_models import export_tiny, save_tiny
from helpers.talking import serving
from helpers.tiny_model import save_checkpoint

ASKED = [{"role": "user", "content": "hello"}]
CONTROL = "<|im_end|>"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("serve")
    save_tiny(root / "model")
    for name in ("groupwise", "gguf"):
        export_tiny(root / "model", root / name, name)
    return root


@pytest.fixture(scope="module")
def answerer(folders):
    return Answerer(load(folders / "model", GenerationSection(precision="fp32")), "foundation")


@pytest.fixture(scope="module")
def address(answerer, folders):
    longer = load(save_checkpoint(folders / "longer"), GenerationSection(precision="fp32"))
    other = Answerer(longer, "bayling")
    with serving(application({"tiny": answerer, "other": other})) as found:
        yield f"{found}/v1"


@pytest.fixture(scope="module")
def open_address(answerer):
    with serving(application({"tiny": answerer}, cors=True)) as found:
        yield f"{found}/v1"


@pytest.fixture
def client(address):
    with openai.OpenAI(base_url=address, api_key="none", max_retries=0) as found:
        yield found


def post(address: str, body: bytes, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{address}/chat/completions", body, {"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ask(client, **more):
    options = {"model": "tiny", "messages": ASKED, "max_tokens": 6}
    return client.chat.completions.create(**options | more)


def test_control_tokens_in_a_message_stay_text_as_in_generation(client, answerer):
    tokenizer = answerer.loaded.tokenizer
    control = tokenizer.convert_tokens_to_ids(CONTROL)
    messages = [{"role": "user", "content": CONTROL * 4}]
    expected = templates.prompt_ids(tokenizer, "foundation", messages)
    plain = templates.prompt_ids(tokenizer, "foundation", ASKED)
    assert expected.count(control) == plain.count(control)
    usage = ask(client, messages=messages).usage
    assert usage.prompt_tokens == len(expected)
    joined = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True)
    assert len(joined["input_ids"]) < len(expected)  # what servers of other projects count


def test_models_are_listed_under_their_names_and_no_other_is_served(client, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    assert [model.id for model in client.models.list()] == ["tiny", "other"]
    assert client.models.retrieve("other").id == "other"
    for wrong in (lambda: ask(client, model="another"), lambda: client.models.retrieve("another")):
        with pytest.raises(openai.NotFoundError, match="'tiny', 'other', not 'another'"):
            wrong()


def test_each_model_answers_in_its_own_template_and_the_first_who_names_none(client, address):
    prompts = {name: ask(client, model=name).usage.prompt_tokens for name in ("tiny", "other")}
    assert prompts["tiny"] < prompts["other"]  # BayLing's system text
    status, reply = post(address, json.dumps({"messages": ASKED, "max_tokens": 1}).encode())
    assert (status, reply["model"]) == (200, "tiny")


def test_null_is_as_if_a_key_were_not_there(address):
    body = {"messages": ASKED, "max_tokens": 2, "temperature": None, "stop": None, "stream": None}
    status, reply = post(address, json.dumps(body).encode())
    assert (status, reply["usage"]["completion_tokens"]) == (200, 2)


def test_the_model_may_have_answered_nothing(client):
    silent = [*ASKED, {"role": "assistant", "content": ""}, {"role": "user", "content": "well?"}]
    assert ask(client, messages=silent).usage.prompt_tokens > ask(client).usage.prompt_tokens


def test_greedy_answers_are_those_of_the_model(client, answerer):
    reply = ask(client)
    ids = templates.prompt_ids(answerer.loaded.tokenizer, "foundation", ASKED)
    ends = templates.stop_ids(answerer.loaded.tokenizer, "foundation")

    output = answerer.loaded.model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        max_new_tokens=6,
        do_sample=False,
        eos_token_id=ends,
    )
    new = output[0, len(ids) :]
    [choice] = reply.choices
    written = [number for number in new.tolist() if number not in ends]
    text = answer_text(answerer.loaded.tokenizer, written, cut=int(new[-1]) not in ends)
    assert choice.message.content == text
    assert reply.usage.completion_tokens == len(new)
    assert reply.usage.total_tokens == len(ids) + len(new)
    assert choice.finish_reason == ("stop" if int(new[-1]) in ends else "length")


def test_a_stream_gives_the_same_text_and_the_usage_asked_for(client):
    whole = ask(client, max_tokens=20)
    chunks = list(ask(client, max_tokens=20, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason


def test_a_seed_repeats_a_sample_and_another_changes_it(client):
    drawn = [
        ask(client, temperature=1.5, top_p=0.9, seed=seed, max_tokens=20).choices[0].message.content
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_ends_before_a_stop_text(client, stream):
    text = ask(client, max_tokens=30).choices[0].message.content
    stop = text[4:7]
    expected = text[: text.index(stop)]
    reply = ask(client, max_tokens=30, stop=["never so", stop], stream=stream)
    if stream:
        chunks = [chunk.choices[0] for chunk in reply]
        found = "".join(chunk.delta.content or "" for chunk in chunks)
        finish = chunks[-1].finish_reason
    else:
        found, finish = reply.choices[0].message.content, reply.choices[0].finish_reason
    assert (found, finish) == (expected, "stop")


@pytest.mark.parametrize("models", [("tiny", "tiny"), ("tiny", "other")])
def test_two_requests_at_once_get_the_answers_they_get_alone(client, models):
    """Also of two models, which write at the same time."""
    questions = [[{"role": "user", "content": text}] for text in ("hello", "good evening to you")]
    how = {"seed": 3, "temperature": 1.0, "max_tokens": 30}
    asked = [{"model": m, "messages": q, **how} for m, q in zip(models, questions, strict=True)]
    alone = [ask(client, **one).choices[0].message for one in asked]
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(ask, client, **one) for one in asked]
    assert [job.result().choices[0].message for job in jobs] == alone


def test_draws_follow_the_probabilities_and_the_cut():
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    scores = (2 * shares.log()).repeat(20_000, 1)  # temperature 2 makes them the shares
    found = {}
    for top_p in (1.0, 0.75):
        drawn = Draw(2.0, top_p, 7, "cpu")(None, scores).argmax(-1)
        found[top_p] = torch.bincount(drawn, minlength=4) / len(drawn)
    # Five standard errors of a share of 20,000 draws are 0.018.
    assert torch.allclose(found[1.0], shares, atol=0.018)
    assert torch.allclose(found[0.75], torch.tensor([0.625, 0.375, 0, 0]), atol=0.018)


USER = {"role": "user", "content": "a"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "content"),
        ({"messages": [{"role": "user"}]}, "content"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "role"),
        ({"messages": [USER, USER]}, "turn 2"),
        ({"messages": [USER, {"role": "assistant", "content": "b"}]}, "ends with"),
        ({"messages": [{"role": "system", "content": "a"}]}, "ends with"),
        ({"messages": [USER], "max_tokens": -1}, "max_tokens"),
        ({"messages": [USER], "max_tokens": 0}, "max_tokens"),
        ({"messages": [USER], "max_completion_tokens": -5}, "max_completion_tokens"),
        ({"messages": [USER], "max_tokens": 10**9}, "max_tokens"),
        ({"messages": [{"role": "user", "content": "a b " * 500}]}, "max_tokens"),
        ({"messages": [USER], "temperature": -1}, "temperature"),
        ({"messages": [USER], "temperature": float("nan")}, "temperature"),
        ({"messages": [USER], "top_p": 0}, "top_p"),
        ({"messages": [USER], "seed": -1}, "seed"),
        ({"messages": [USER], "stop": ""}, "stop"),
        ({"messages": [USER], "n": 2}, "n"),
        ({"messages": [USER], "logprobs": True}, "logprobs"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "JSON"),
    ],
)
def test_a_request_that_cannot_be_answered_is_the_clients_fault(address, body, told):
    status, reply = post(address, json.dumps(body).encode())
    assert (status, told in reply) == (400, True), reply


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_body_that_is_no_request_is_the_clients_fault(address, body):
    assert post(address, body)[0] == 400


def test_a_template_that_refuses_a_system_text_is_the_clients_fault(answerer, monkeypatch):
    refusing = "{{ raise_exception('no system text') }}"
    monkeypatch.setattr(answerer.loaded.tokenizer, "chat_template", refusing)
    with pytest.raises(StudyError, match="no system text"):
        answerer.accept(Question(ASKED))


def test_a_content_in_parts_is_their_text(client):
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    reply = ask(client, messages=[{"role": "user", "content": parts}])
    assert reply.choices[0].message == ask(client).choices[0].message


def test_a_fault_of_the_model_is_a_500_and_the_next_request_is_answered(
    client, answerer, monkeypatch
):
    def fails(*args, **more):
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(answerer.loaded.model, "generate", fails)
        with pytest.raises(openai.InternalServerError, match="no memory"):
            ask(client)
        with pytest.raises(openai.APIError, match="no memory"):
            list(ask(client, stream=True))
    assert ask(client).usage.completion_tokens > 0


BODY = json.dumps({"messages": ASKED, "max_tokens": 1}).encode()


@pytest.mark.parametrize("host", ["rebound.example", "127.0.0.1.example", "localhost.", "[::1]"])
def test_the_server_has_no_other_name(address, host):
    assert post(address, BODY, Host=host)[0] == 400


FOREIGN = [
    "https://a.example",
    "null",
    "",
    "http://localhost.example",
    "http://127.0.0.1@a.example",
]


@pytest.mark.parametrize("origin", [*FOREIGN, "http://localhost:3000"])
def test_pages_of_other_origins_cannot_ask(address, origin):
    # A plain text needs no preflight: a page of any site may send it.
    headers = {"Origin": origin, "Content-Type": "text/plain"}
    status, told = post(address, BODY, **headers)
    assert (status, told) == (403, "a page of another origin may not ask")
    own = address.removesuffix("/v1")
    assert post(address, BODY, Origin=own)[0] == 200


def preflight(address: str, origin: str) -> tuple[int, str | None]:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    headers["Access-Control-Request-Headers"] = "content-type"
    place = f"{address}/chat/completions"
    request = urllib.request.Request(place, None, headers, method="OPTIONS")
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.headers["Access-Control-Allow-Origin"]
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Access-Control-Allow-Origin"]


def test_pages_of_other_loopback_servers_may_ask_only_where_that_is_wanted(address, open_address):
    near = "http://localhost:3000"
    assert preflight(open_address, near) == (200, near)
    assert preflight(address, near) == (403, None)
    assert post(open_address, BODY, Origin=near)[0] == 200


@pytest.mark.parametrize("origin", FOREIGN)
def test_pages_from_elsewhere_are_never_welcome(open_address, origin):
    assert preflight(open_address, origin) == (403, None)
    assert post(open_address, BODY, Origin=origin)[0] == 403


def test_the_line_that_is_printed_can_be_run(address):
    told = program.greeting(address, ["tiny", "other"])
    assert "model tiny and other" in told
    command = [*shlex.split(told.splitlines()[-1]), "--silent"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["model"] == "tiny"


def test_an_answer_that_nobody_waits_for_ends(client, answerer, monkeypatch):
    monkeypatch.setattr(answerer, "_ends", [0])
    assert ask(client, max_tokens=90).usage.completion_tokens == 90  # it does not end by itself
    ended: Queue[int] = Queue()
    slow = threading.Event()

    def watched(*args: Any, write: Any = answering.write) -> list[int]:
        ids: list[int] = write(*args)
        ended.put(len(ids))
        return ids

    def put(self: Writer, value: Any, put: Any = Writer.put) -> None:
        slow.wait(0.05)
        put(self, value)

    monkeypatch.setattr(answering, "write", watched)
    monkeypatch.setattr(Writer, "put", put)
    stream = ask(client, max_tokens=90, stream=True)
    next(iter(stream))
    stream.close()
    assert ended.get(timeout=30) < 90


@pytest.mark.parametrize("name", ["groupwise", "gguf"])
def test_every_format_of_a_checkpoint_is_served(folders, name):
    loaded = load(folders / name, GenerationSection(precision="fp32"))
    served = Answerer(loaded, "foundation")
    question = served.accept(Question(ASKED, 3))
    list(served.pieces(question))
    assert 1 <= question.tokens <= 3


def test_a_port_is_claimed_on_loopback_before_the_model_is_loaded(folders, monkeypatch):
    with pytest.raises(StudyError, match="not a port"):
        guard.claimed(0)
    monkeypatch.setattr(system, "load", None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        arguments = ["serve", "--checkpoint", str(folders / "model"), "--port", str(port)]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(StudyError, match=f"port {port}"):
            program.main()
    with guard.claimed(port) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_an_interrupt_ends_the_server_without_a_fuss(folders):
    command = [sys.executable, "-m", "bayling_study.commands.serve", "--port", str(free_port())]
    server = subprocess.Popen(
        [*command, "--checkpoint", str(folders / "model")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # `&` ignores it
    )
    assert server.stdout is not None
    assert "model model" in server.stdout.readline()
    server.send_signal(signal.SIGINT)
    errors = server.communicate(timeout=60)[1]
    assert (server.returncode, "Traceback" in errors) == (0, False)
