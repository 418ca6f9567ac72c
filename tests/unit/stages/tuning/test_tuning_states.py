"""Training states: what some processes wrote, others read, however the parameters are cut."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bayling_study.core.errors import StudyError
from bayling_study.stages.tuning import states

SIZES = {"embedding": 101, "layer.weight": 64, "norm": 3}


class Part:
    """A process's view of a parameter, as ZeRO 1 and 2 link it."""

    def __init__(self, start: int, values: dict[str, torch.Tensor]) -> None:
        self.values = values
        count = len(values[states.WEIGHT])
        self.lp_fragment_address = SimpleNamespace(start=start, numel=count)

    def get_hp_fragment(self, key: str | None) -> torch.Tensor:
        return self.values[key or states.WEIGHT]


class Engine:
    """What ``states`` needs of an engine: the shards that one of several processes owns."""

    def __init__(self, cuts: list[int], rank: int, whole: dict[str, dict[str, torch.Tensor]]):
        edges = [0, *cuts, sum(SIZES.values())]
        mine = range(edges[rank], edges[rank + 1])
        self.module = self
        self.optimizer = None
        self.parameters: dict[str, Any] = {}
        begin = 0
        for name, size in SIZES.items():
            first, last = max(mine.start, begin) - begin, min(mine.stop, begin + size) - begin
            cut = {key: values[first:last].clone() for key, values in whole[name].items()}
            mapping = Part(first, cut) if first < last else None
            self.parameters[name] = SimpleNamespace(requires_grad=True, _hp_mapping=mapping)
            begin += size
        frozen = SimpleNamespace(requires_grad=False)
        self.parameters["frozen"] = frozen

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        yield from self.parameters.items()


@pytest.fixture(autouse=True)
def _no_deepspeed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "_make_states", lambda optimizer, step: None)
    monkeypatch.setattr(states, "_refresh_weights", lambda optimizer: None)


def values(seed: int) -> dict[str, dict[str, torch.Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    return {
        name: {key: torch.randn(size, generator=draw) for key in states.KEYS}
        for name, size in SIZES.items()
    }


def save_as(
    folder: Path, cuts: list[int], whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for rank in range(len(cuts) + 1):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        states.save(Engine(cuts, rank, whole), folder)


@pytest.mark.parametrize(("wrote", "reads"), [(1, 2), (2, 1), (3, 8), (8, 3), (4, 4)])
@pytest.mark.parametrize("file_bytes", [1, 1 << 29])
def test_any_processes_read_what_any_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrote: int, reads: int, file_bytes: int
) -> None:
    monkeypatch.setattr(states, "FILE_BYTES", file_bytes)
    draw = random.Random(wrote * 10 + reads)
    total = sum(SIZES.values())
    old, new = (sorted(draw.sample(range(1, total), count - 1)) for count in (wrote, reads))
    whole = values(1)
    save_as(tmp_path, old, whole, monkeypatch)
    files = len(list(tmp_path.glob("states-*.safetensors")))
    assert files > wrote if file_bytes == 1 and wrote < 4 else files >= wrote
    for rank in range(reads):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        engine, expected = Engine(new, rank, values(2)), Engine(new, rank, whole)
        states.load(engine, tmp_path, step=7)
        for shard, truth in zip(states.shards(engine), states.shards(expected), strict=True):
            assert (shard.name, shard.start) == (truth.name, truth.start)
            assert all(torch.equal(shard.read(key), truth.read(key)) for key in states.KEYS)


def test_a_file_that_is_not_there_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_as(tmp_path, [50], values(1), monkeypatch)
    (tmp_path / "states-00001-000.safetensors").unlink()
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    with pytest.raises(StudyError, match="lacks part of embedding:weight"):
        states.load(Engine([], 0, values(2)), tmp_path, step=7)


def test_twelve_bytes_a_parameter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_as(tmp_path, [], values(1), monkeypatch)
    (path,) = tmp_path.iterdir()
    header = int.from_bytes(path.read_bytes()[:8], "little") + 8
    assert path.stat().st_size - header == 12 * sum(SIZES.values())
    assert states.STATE_BYTES == 12
