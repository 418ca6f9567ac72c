"""The server, asked by OpenAI's own client and with broken bodies, on a tiny model."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
import torch
import uvicorn

from bayling_study.commands.serve import __main__ as program
from bayling_study.commands.serve.answering import Answerer
from bayling_study.commands.serve.app import application
from bayling_study.commands.serve.request import parse
from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.errors import StudyError
from bayling_study.shared import templates
from bayling_study.shared.answer_text import answer_text
from bayling_study.shared.models import load
from helpers.export_models import export_tiny, save_tiny

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
def address(answerer):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(answerer, "tiny"), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    end = time.monotonic() + 60
    while not server.started and time.monotonic() < end:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()


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


def test_the_model_is_listed_under_its_name_and_no_other_is_served(client):
    assert [model.id for model in client.models.list()] == ["tiny"]
    with pytest.raises(openai.NotFoundError, match="tiny"):
        ask(client, model="another")


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


def test_two_requests_at_once_get_the_answers_they_get_alone(client):
    questions = [[{"role": "user", "content": text}] for text in ("hello", "good evening to you")]
    alone = [ask(client, messages=m, seed=3, temperature=1.0).choices[0].message for m in questions]
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(ask, client, messages=m, seed=3, temperature=1.0) for m in questions]
    assert [job.result().choices[0].message for job in jobs] == alone


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
        answerer.question(parse(json.dumps({"messages": ASKED}).encode()))


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


def test_pages_of_other_sites_cannot_ask(address):
    body = json.dumps({"messages": ASKED}).encode()
    assert post(address, body, Host="rebound.example")[0] == 400


@pytest.mark.parametrize("name", ["groupwise", "gguf"])
def test_every_format_of_a_checkpoint_is_served(folders, name):
    loaded = load(folders / name, GenerationSection(precision="fp32"))
    served = Answerer(loaded, "foundation")
    question = served.question(parse(json.dumps({"messages": ASKED, "max_tokens": 3}).encode()))
    list(served.pieces(question))
    assert 1 <= question.tokens <= 3


def test_a_port_is_claimed_on_loopback_before_the_model_is_loaded(folders, monkeypatch):
    with pytest.raises(StudyError, match="not a port"):
        program.claimed(0)
    monkeypatch.setattr(program, "load", None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        arguments = ["serve", "--checkpoint", str(folders / "model"), "--port", str(port)]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(StudyError, match=f"port {port}"):
            program.main()
    with program.claimed(port) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
