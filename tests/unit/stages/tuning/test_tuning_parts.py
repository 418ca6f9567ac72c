"""Schedule of the learning rate, mask audit, reports and settings of the tuning stage."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bayling_study.config.tuning import Adapter, TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.shared import templates, token_set
from bayling_study.shared.sizing.choice import Budget
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.sizing.speed import model_flops
from bayling_study.stages.masks import encoding
from bayling_study.stages.tuning import progress as progress_module
from bayling_study.stages.tuning.__main__ import licence
from bayling_study.stages.tuning.engine import deepspeed_config, load_model
from bayling_study.stages.tuning.job import Follower, report
from bayling_study.stages.tuning.launcher import _error
from bayling_study.stages.tuning.output import assemble
from bayling_study.stages.tuning.progress import StepNumbers, TrainingMeter, Utilisation
from bayling_study.stages.tuning.resources import check_grant, facts, settle
from bayling_study.stages.tuning.schedule import learning_rate
from helpers.training import chatml_tokenizer, conversations, write_foundation, write_instructions


def rates(schedule: str, warmup: float) -> list[float]:
    settings = TuningSection(learning_rate=1.0, schedule=schedule, warmup_share=warmup)  # type: ignore[arg-type]
    return [learning_rate(settings, step, 10) for step in range(10)]


def test_the_rate_rises_and_falls() -> None:
    assert rates("linear", 0.2) == pytest.approx(
        [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 0.5, 3 / 8, 0.25, 1 / 8]
    )
    assert rates("constant", 0.0) == [1.0] * 10
    cosine = rates("cosine", 0.0)
    assert cosine[0] == 1.0
    assert cosine[5] == pytest.approx(0.5)
    assert cosine == sorted(cosine, reverse=True)


def test_encoded_conversations_come_back(tmp_path: Path) -> None:
    rows = conversations(9)
    found = encoding.encode_all(rows, chatml_tokenizer(), "foundation", 512, tmp_path / "tokens")
    tokens = token_set.load(tmp_path / "tokens")
    assert tokens.names == [row["id"] for row in rows]
    assert sum(tokens.lengths) == found["tokens"] == len(tokens.tokens)
    assert sum(tokens.supervised) == found["supervised_tokens"] == int(tokens.mask.sum())
    ids, mask = tokens.conversation(3)
    assert len(ids) == tokens.lengths[3]
    assert int(mask.sum()) == tokens.supervised[3]
    assert found["fully_masked"] == 0


def test_the_digest_follows_the_data(tmp_path: Path) -> None:
    rows = conversations(3)
    tokenizer = chatml_tokenizer()
    digests = []
    for number, template in enumerate(("foundation", "bayling", "foundation")):
        encoding.encode_all(rows, tokenizer, template, 512, tmp_path / str(number))  # type: ignore[arg-type]
        digests.append(token_set.load(tmp_path / str(number)).digest)
    assert digests[0] == digests[2] != digests[1]


def test_long_conversations_are_cut_or_left_out_and_counted(tmp_path: Path) -> None:
    rows = [row for row in conversations(12) if len(row["messages"]) == 4]
    tokenizer = chatml_tokenizer()
    lengths = [len(templates.encode(tokenizer, "foundation", row["messages"])[0]) for row in rows]
    rows.append(
        {
            "id": "huge",
            "recipe": "t",
            "messages": [
                {"role": "user", "content": "x" * 500},
                {"role": "assistant", "content": "y"},
            ],
        }
    )
    found = encoding.encode_all(rows, tokenizer, "foundation", min(lengths), tmp_path / "tokens")
    huge = len(templates.encode(tokenizer, "foundation", rows[-1]["messages"])[0])
    assert found["left_out_as_too_long"] == {"count": 1, "tokens": huge, "ids": ["huge"]}
    assert found["truncated"]["count"] == sum(length > min(lengths) for length in lengths) > 0
    assert found["truncated"]["tokens"] == sum(lengths) - found["tokens"] > 0


def test_a_fully_masked_conversation_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = templates.encode
    muted = {"c1", "c2"}
    rows = conversations(4)
    by_text = {row["messages"][0]["content"]: row["id"] for row in rows}

    def encode(tokenizer: Any, template: Any, messages: Any) -> tuple[list[int], list[bool]]:
        ids, mask = taught(tokenizer, template, messages)
        return ids, mask if by_text[messages[0]["content"]] not in muted else [False] * len(ids)

    monkeypatch.setattr(templates, "encode", encode)
    with pytest.raises(StudyError, match=r"2 conversations have no supervised token: c1, c2"):
        encoding.encode_all(rows, chatml_tokenizer(), "foundation", 512, tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()
    with pytest.raises(StudyError, match="no conversation fits"):
        encoding.encode_all([], chatml_tokenizer(), "foundation", 512, tmp_path / "tokens")


def test_instructions_are_checked(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="do not exist"):
        next(token_set.read_conversations(tmp_path))
    folder = write_instructions(tmp_path, 5)
    assert [row["id"] for row in token_set.read_conversations(folder)] == [
        f"c{n}" for n in range(5)
    ]
    twice = [*conversations(3), *conversations(2)]
    with pytest.raises(StudyError, match="ids are not unique: c0"):
        encoding.encode_all(twice, chatml_tokenizer(), "foundation", 512, tmp_path / "tokens")


def test_arrays_are_those_that_numpy_writes(tmp_path: Path) -> None:
    encoding.encode_all(
        conversations(30), chatml_tokenizer(), "foundation", 512, tmp_path / "tokens"
    )
    for name in ("tokens", "mask"):
        stored = tmp_path / "tokens" / f"{name}.npy"
        np.save(tmp_path / "again.npy", np.load(stored))
        assert stored.read_bytes() == (tmp_path / "again.npy").read_bytes()


def test_reports_are_read_once_and_only_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    follower = Follower(path)
    assert list(follower.new()) == []
    report(path, "started", step=0)
    with open(path, "a", encoding="utf-8") as stream:
        stream.write('{"event": "st')
    assert [event["event"] for event in follower.new()] == ["started"]
    with open(path, "a", encoding="utf-8") as stream:
        stream.write('ep", "step": 1}\n')
    assert [event["event"] for event in follower.new()] == ["step"]
    assert list(follower.new()) == []


def test_progress_counts_down() -> None:
    progress = TrainingMeter(steps=10, done=7)
    numbers = StepNumbers(8, 1.5, 0.2, 1e-3, padded=101, real=100, supervised=10, pairs=500)
    metrics = progress.metrics(numbers)
    assert metrics["seconds_left"] == pytest.approx(2 * metrics["seconds_per_step"])
    assert metrics["padded_tokens_per_second"] > metrics["real_tokens_per_second"]
    assert metrics["real_tokens_per_second"] == pytest.approx(
        10 * metrics["supervised_tokens_per_second"]
    )


def test_a_slow_first_step_does_not_frighten(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 35.0, 39.0, 43.0])
    monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    progress = TrainingMeter(steps=100, done=0)
    numbers = StepNumbers(1, 1.5, 0.2, 1e-3, padded=101, real=100, supervised=10, pairs=500)
    left = [progress.metrics(numbers)["seconds_left"] for _ in range(3)]
    assert left == pytest.approx([99 * 35, 98 * 4, 97 * 4])


def test_utilisation_is_the_share_of_all_devices_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape(4096, 32, 32, 32, 128, 11008, 32000)
    assert Utilisation.of(shape, "bf16", 8) is None or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA A100-SXM4-80GB")
    assert Utilisation.of(shape, "fp32", 8) is None  # the peak is one of bf16
    found = Utilisation.of(shape, "bf16", 8)
    assert found is not None and found.teraflops == 8 * 312
    numbers = StepNumbers(8, 1.5, 0.2, 1e-3, padded=1000, real=1000, supervised=100, pairs=250_000)
    flops = model_flops(shape, 1000, 100, 250_000)
    assert found.share(numbers, 2.0) == pytest.approx(flops / 2 / (8 * 312e12))
    lora = Utilisation.of(shape, "bf16", 8, Adapter(kind="lora"))
    assert lora is not None  # frozen matrices take 4 of 6 operations
    assert 0.66 < lora.share(numbers, 2.0) / found.share(numbers, 2.0) < 0.70
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a new card")
    assert Utilisation.of(shape, "bf16", 8) is None


def test_rows_and_steps_hold_the_longest_conversation() -> None:
    for key in ("micro_batch_tokens", "batch_tokens"):
        TuningSection.model_validate({"max_length": 64, key: 64})
        with pytest.raises(ValueError, match=rf"{key} must be at least max_length \(64\)"):
            TuningSection.model_validate({"max_length": 64, key: 63})


def test_settings_are_settled_by_the_memory_plan(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_foundation(tmp_path)
    cores = Budget(2, 2, None, 1 << 30)
    auto = settle(TuningSection(max_length=64), tmp_path, cores, 40.0)
    assert (auto.tuning.zero_stage, auto.tuning.micro_batch_tokens) == (2, 64)
    assert facts(auto)["device"] == "cpu" or torch.cuda.is_available()
    assert facts(auto)["plan"]["bytes"]["device"] == auto.need.device > 0
    tiny = Budget(2, 2, None, 1 << 10)
    with pytest.raises(StudyError, match="all processes need"):
        settle(TuningSection(max_length=64), tmp_path, tiny, 40.0)
    written = TuningSection(max_length=64, zero_stage=1, offload="none")
    assert settle(written, tmp_path, tiny, 40.0).tuning.zero_stage == 1
    assert "these settings do not fit" in caplog.text
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_embd": 768}')
    with pytest.raises(StudyError, match="models with Llama's architecture"):
        settle(written, tmp_path, cores, 40.0)


def ended(rank: int, status: int) -> str:
    """Returns what torch's launcher writes of a process that ended."""
    return f"[0]:\n  rank      : {rank} (local_rank: {rank})\n  exitcode  : {status} (pid: 77)\n"


@pytest.mark.parametrize(
    ("others", "root", "said"),
    [
        ([], (1, -9), "process 1 was ended by SIGKILL"),
        ([(1, -9)], (0, 1), "process 1 was ended by SIGKILL"),  # of two, torch looked at 0 first
        ([(1, 1)], (0, -11), "process 0 was ended by SIGSEGV"),
        ([(1, 1)], (0, 2), "process 0 ended with status 2"),
    ],
)
def test_the_process_that_failed_first_is_found_in_the_launchers_table(
    tmp_path: Path,
    others: list[tuple[int, int]],
    root: tuple[int, int],
    said: str,
) -> None:
    failures = "".join(ended(*other) for other in others)
    table = f"Failures:\n{failures}Root Cause (first observed failure):\n{ended(*root)}"
    job: Any = SimpleNamespace(folder=tmp_path)
    assert _error(job, None, table, 1).what == f"{said}; training stopped"


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has a GPU")
def test_a_gpu_study_without_a_gpu_is_refused() -> None:
    check_grant(TuningSection(device="auto"), 4, 1)
    with pytest.raises(StudyError, match="no GPU was granted"):
        check_grant(TuningSection(device="cuda"), 1, 1)


def test_deepspeed_sums_in_fp32_and_never_divides_by_rows() -> None:
    config = deepspeed_config(TuningSection(zero_stage=3, offload="all"))
    assert config["data_types"] == {"grad_accum_dtype": "fp32"}
    assert config["managed_gradient_accumulation"] is False
    assert config["gradient_accumulation_steps"] == 1
    assert set(config["zero_optimization"]) >= {"offload_optimizer", "offload_param"}
    plain = deepspeed_config(TuningSection(zero_stage=1, offload="none"))
    assert "offload_optimizer" not in plain["zero_optimization"]


def test_rows_beyond_the_models_positions_are_refused(tmp_path: Path) -> None:
    write_foundation(tmp_path)
    with pytest.raises(StudyError, match="1024 positions"):
        load_model(str(tmp_path), TuningSection(max_length=2048), "sdpa")


@pytest.mark.parametrize("tied", [True, False])
def test_weights_survive_the_way_out(tmp_path: Path, tied: bool) -> None:
    write_foundation(tmp_path, tied)
    model = load_model(str(tmp_path), TuningSection(max_length=64, precision="fp32"), "sdpa")
    weights = {name: value.detach().clone() for name, value in model.named_parameters()}
    assert ("lm_head.weight" in weights) is not tied
    built = assemble(str(tmp_path), weights, torch.float32)
    built.save_pretrained(tmp_path / "out")
    again = load_model(
        str(tmp_path / "out"), TuningSection(max_length=64, precision="fp32"), "sdpa"
    )
    for (name, old), (other, new) in zip(
        model.state_dict().items(), again.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(old, new)
    shared = again.lm_head.weight.data_ptr() == again.model.embed_tokens.weight.data_ptr()
    assert shared is tied


def test_weights_that_do_not_fit_are_a_bug(tmp_path: Path) -> None:
    write_foundation(tmp_path)
    with pytest.raises(ValueError, match="unset"):
        assemble(str(tmp_path), {}, torch.float32)


def test_the_licence_is_read_from_the_card(tmp_path: Path) -> None:
    assert licence(tmp_path) is None
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Model\n")
    assert licence(tmp_path) == "apache-2.0"
