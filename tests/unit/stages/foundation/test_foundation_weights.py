"""The stage foundation refuses broken and pickled weights before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bayling_study.core.errors import StudyError
from bayling_study.stages.foundation.__main__ import make_checkpoint
from helpers.broken_weights import FAULTS, in_shards, pickled, rewrite
from helpers.gguf_files import convert
from helpers.training import write_foundation


def adopt(source: Path) -> list[str]:
    """Makes the checkpoint beside its source; returns the names of its files."""
    out = source.with_name("out")
    out.mkdir()
    try:
        make_checkpoint(source, out)
    except StudyError:
        assert not any(out.iterdir())
        raise
    return sorted(file.name for file in out.iterdir())


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_weights_are_named(tmp_path: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    with pytest.raises(StudyError, match=message):
        adopt(rewrite(write_foundation(tmp_path / "source"), change))


def test_an_absent_shard_is_named(tmp_path: Path) -> None:
    source = in_shards(write_foundation(tmp_path / "source"))
    shard = sorted(source.glob("model-*.safetensors"))[-1]
    shard.unlink()
    with pytest.raises(StudyError, match=f"index are missing: {shard.name}"):
        adopt(source)


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".ckpt"])
def test_pickled_weights_alone_are_refused_with_the_way_to_convert_them(
    tmp_path: Path, suffix: str
) -> None:
    source = pickled(write_foundation(tmp_path / "source"))
    (source / "pytorch_model.bin").rename(source / f"weights{suffix}")
    with pytest.raises(StudyError, match=rf"pickled \(weights{suffix}\)") as caught:
        adopt(source)
    assert "save_pretrained(OUT)" in str(caught.value.fix)


def test_pickled_files_beside_safetensors_are_left_out(tmp_path: Path) -> None:
    source = write_foundation(tmp_path / "source")
    before = sorted(file.name for file in source.iterdir())
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        (source / name).write_bytes(b"a pickle")
    assert adopt(source) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gguf_file_with_weights_that_are_no_numbers_is_refused(
    tmp_path: Path, value: float
) -> None:
    norm = np.ones(32, dtype=np.float32)
    norm[5] = value
    with pytest.raises(StudyError, match=r"hold NaN or infinite values: model\.norm\.weight"):
        convert(tmp_path, tensors={"output_norm.weight": norm})
