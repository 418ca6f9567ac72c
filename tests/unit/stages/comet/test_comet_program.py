"""The COMET programs in their own environment, against unbabel-comet's own code.

They need the interpreter named by ``BAYLING_COMET_PYTHON`` (default ``.venv/comet/bin/python``).
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from bayling_study.config.evaluation import CometSection, EmbeddedComet, ScoringSection
from bayling_study.core.files import read_json, read_jsonl, sha256_file, write_json, write_jsonl
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    read_scores,
    write_hypotheses,
    write_prompts,
)
from bayling_study.stages.comet.cache import Triple
from bayling_study.stages.comet.dataset import Degraded, write_csv
from helpers import ROOT
from helpers.programs import COMET, server

PYTHON = Path(os.environ.get("BAYLING_COMET_PYTHON", ROOT / ".venv/comet/bin/python"))
PROBE = "helpers.comet_probe"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason=f"no COMET environment at {PYTHON}"),
]

TEXT = "the of red house river old man sees two small dogs and a very long green train we saw"
WORDS = TEXT.split()
TINY = {
    "rows": 96,
    "held_out": 16,
    "epochs": 1,
    "hidden": 32,
    "layers": 2,
    "vocabulary": 120,
    "min_spearman": -1.0,
}


def call(
    *arguments: object, cwd: Path = ROOT, fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs a module in the COMET interpreter, a ``fresh`` one or one that has its imports; the hub
    is out of reach and one thread is enough."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "workflow"), str(ROOT / "tests")]),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    command = [str(PYTHON), "-m", *map(str, arguments)]
    if fresh:
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    return server(COMET, str(PYTHON)).run(command, environment, cwd)


def comet(
    command: str, folder: Path, fresh: bool = False, **options: object
) -> subprocess.CompletedProcess[str]:
    """Runs a program of the package with the settings and a record in ``folder``."""
    arguments = ["--settings", folder / "settings.json", "--record", folder / f"{command}.json"]
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        arguments += [f"--{name}", *values]
    return call(f"bayling_study.stages.comet.{command}", *arguments, fresh=fresh)


def sentence(number: int) -> str:
    return " ".join(WORDS[(number * step + step) % len(WORDS)] for step in range(1, 5 + number % 4))


def write_settings(folder: Path, precision: str = "fp32", **embedded: object) -> None:
    section = CometSection(precision=precision, embedded=EmbeddedComet(**{**TINY, **embedded}))
    sections = {"comet": section, "scoring": ScoringSection()}
    settings = {name: found.model_dump(mode="json") for name, found in sections.items()}
    write_json(folder / "settings.json", {"study": {"name": "t", "seed": 7}, **settings})
    write_json(folder / "operations.json", {"comet": {"batch_tokens": 4096}})


def train(
    folder: Path, fresh: bool = False, **embedded: object
) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(folder, **embedded)
    rows = [
        {
            "direction": "de-en",
            "source": sentence(n).upper(),
            "reference": sentence(n),
            "foreign": "",
            "spaced": True,
            "group": str(n),
        }
        for n in range(60)
    ]
    write_jsonl(folder / "segments.jsonl", rows)
    files = {"segments": folder / "segments.jsonl", "out": folder / "model"}
    return comet("training", folder, fresh, **files)


def scored(
    folder: Path, model: Path, precision: str = "fp32", fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Scores two systems on one translation suite; a chat suite stands beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(folder, precision)
    language = {"source": "de", "target": "en"}
    prompts = [
        Prompt(
            f"de-en/{n}",
            "news",
            "de-en",
            language,
            ["?"],
            [sentence(n)],
            {"source_text": sentence(n).upper()},
        )
        for n in range(12)
    ]
    chat = Prompt("chat/1", "chat", "chat", language, ["a", "b"], ["c", "d"], {})
    write_prompts(folder / "prompts" / "news.jsonl", prompts)
    write_prompts(folder / "prompts" / "chat.jsonl", [chat])
    for system, shift in (("one", 0), ("two", 5)):
        rows = [
            Hypothesis(p.id, [sentence(n + shift) if n else ""], [1], ["stop"])
            for n, p in enumerate(prompts)
        ]
        write_hypotheses(folder / "generation" / system / "news.jsonl", rows)
    return comet(
        "score",
        folder,
        fresh,
        operations=folder / "operations.json",
        model=model,
        prompts=folder / "prompts",
        generation=folder / "generation",
        systems=["one", "two"],
        suites=["news", "chat"],
        cache=folder / "cache",
        out=folder / "scoring",
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comet")
    result = train(folder, fresh=True)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def samples(trained: Path) -> Path:
    rows = [
        {"src": sentence(n).upper(), "mt": sentence(2 * n) * (1 + n % 3), "ref": sentence(n)}
        for n in range(40)
    ]
    rows[3]["mt"] = ""
    rows[4]["mt"] = "long " * 700  # beyond the encoder's 510 tokens
    write_json(trained / "samples.json", rows)
    return trained / "samples.json"


def largest_difference(a: list[float], b: list[float]) -> float:
    assert len(a) == len(b) > 0
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def test_scores_equal_those_of_unbabel_comet_at_any_batch_size(
    trained: Path, samples: Path
) -> None:
    model = trained / "model"
    for arguments in (
        ("reference", model, samples, trained / "reference.json"),
        ("ours", model, samples, trained / "ours.json", 1, 64, 1_000_000),
    ):
        result = call(PROBE, *arguments)
        assert result.returncode == 0, result.stderr
    expected, found = read_json(trained / "reference.json"), read_json(trained / "ours.json")
    assert len(set(expected)) > 20
    for scores in found:
        assert largest_difference(scores, expected) <= 1e-5
        assert largest_difference(scores, found[0]) <= 1e-5


@pytest.mark.parametrize(
    ("precision", "program", "tolerance"),
    [("fp32", (PROBE, "comet-score"), 1e-4), ("fp16", ("comet.cli.score",), 2**-11)],
)
def test_scores_equal_the_program_comet_score(
    trained: Path, tmp_path: Path, precision: str, program: tuple[object, ...], tolerance: float
) -> None:
    """In fp32 with the program's halving switched off, and in fp16 with the program as it is.

    Half-precision scores are steps of 2^-11 apart, and other batches round some of them otherwise.
    """
    result = scored(tmp_path, trained / "model", precision)
    assert result.returncode == 0, result.stderr
    texts = {"-s": [], "-r": [], "-t": []}
    for prompt in read_jsonl(tmp_path / "prompts" / "news.jsonl"):
        texts["-s"].append(prompt["meta"]["source_text"])
        texts["-r"].append(prompt["references"][0])
    for row in read_jsonl(tmp_path / "generation" / "two" / "news.jsonl"):
        texts["-t"].append(row["turns"][0])
    arguments: list[object] = []
    for option, lines in texts.items():
        (tmp_path / option).write_text("\n".join(lines) + "\n", encoding="utf-8")
        arguments += [option, tmp_path / option]
    model = trained / "model"
    arguments += ["--model", model / "checkpoints" / "model.ckpt", "--gpus", 0]
    arguments += ["--num_workers", 0, "--to_json", tmp_path / "theirs.json"]
    result = call(*program, *arguments, cwd=model)
    assert result.returncode == 0, result.stderr
    (theirs,) = read_json(tmp_path / "theirs.json").values()
    rows = read_jsonl(tmp_path / "scoring/two/news.segments.jsonl")
    ours = [row["value"] / 100 for row in rows]  # score files are times 100, as the papers' tables
    expected = [row["COMET"] for row in theirs]
    assert largest_difference(ours, expected) <= tolerance
    assert fmean(ours) == pytest.approx(fmean(expected), abs=1e-4)


def test_two_systems_in_one_load_and_a_second_run_from_the_cache(
    trained: Path, tmp_path: Path
) -> None:
    result = scored(tmp_path, trained / "model", fresh=True)
    assert result.returncode == 0, result.stderr
    (one,) = read_scores(tmp_path / "scoring/one/news.json")
    (two,) = read_scores(tmp_path / "scoring/two/news.json")
    assert (one.metric, one.item, one.n) == ("comet-embedded", "de-en", 12)
    assert one.low is not None and one.high is not None and one.low <= one.value <= one.high
    assert one.value != two.value
    assert one.note == "1 empty hypotheses"
    assert "precision:fp32|unbabel-comet:" in one.signature
    assert one.signature.endswith("|scale:100")
    assert not (tmp_path / "scoring/one/chat.json").exists()
    record = read_json(tmp_path / "score.json")
    assert record["parameters"]["skipped"] == "chat"
    # 12 sources, 12 references, "" once and at most 11 new hypotheses of system two
    assert 24 < record["metrics"]["texts_encoded"] <= 36
    shutil.rmtree(tmp_path / "scoring")
    assert scored(tmp_path, trained / "model").returncode == 0
    assert read_json(tmp_path / "score.json")["metrics"]["texts_encoded"] == 0
    assert read_scores(tmp_path / "scoring/one/news.json") == [one]


def test_model_may_move_but_not_change(trained: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(trained / "model", moved)
    assert scored(tmp_path, moved).returncode == 0
    with open(moved / "encoder" / "config.json", "a") as stream:
        stream.write("\n")
    result = scored(tmp_path, moved)
    assert result.returncode == 2
    assert "config.json: the file is not the one in its manifest" in result.stderr


class Intruder:
    """Pickles into a call that creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_with_code_is_refused_and_not_run(trained: Path, tmp_path: Path) -> None:
    model, trace = tmp_path / "model", tmp_path / "trace"
    shutil.copytree(trained / "model", model)
    (model / "embedded.json").unlink()  # a foreign checkpoint without a manifest
    (model / "checkpoints" / "model.ckpt").write_bytes(pickle.dumps(Intruder(trace)))
    result = scored(tmp_path, model)
    assert result.returncode == 2
    assert "cannot be read as plain weights" in result.stderr
    assert not trace.exists()
    pickle.loads((model / "checkpoints" / "model.ckpt").read_bytes())
    assert trace.exists(), "the file was meant to run code"


def test_training_is_deterministic_and_leaves_no_path(trained: Path, tmp_path: Path) -> None:
    result = train(tmp_path / "again")
    assert result.returncode == 0, result.stderr
    first, second = (folder / "model" for folder in (trained, tmp_path / "again"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert {"checkpoints/model.ckpt", "hparams.yaml", "encoder/tokenizer.json"} <= {
        path.as_posix() for path in files
    }
    for file in files:
        assert sha256_file(first / file) == sha256_file(second / file), file
        assert str(trained).encode() not in (first / file).read_bytes(), file
    assert len(read_json(trained / "training.json")["history"]) == TINY["epochs"]


def test_training_reads_each_row_once_an_epoch_and_little_padding(
    trained: Path, tmp_path: Path
) -> None:
    longest, count = 40, 640
    texts = [" ".join(WORDS[n % 7] for _ in range(1 + n % longest)) for n in range(count)]
    rows = [Degraded(Triple(text, text, text), n / count, "", "") for n, text in enumerate(texts)]
    write_csv(tmp_path / "rows.csv", rows)
    result = call(PROBE, "batches", trained / "model", tmp_path / "rows.csv", tmp_path / "out.json")
    assert result.returncode == 0, result.stderr
    epochs = read_json(tmp_path / "out.json")
    for epoch in epochs:
        scores = sorted(score for batch, _, _ in epoch for score in batch)
        # unbabel-comet reads them in fp16
        assert scores == pytest.approx([row.score for row in rows], abs=5e-4)
        assert sum(read for _, _, read in epoch) < 1.3 * sum(tokens for _, tokens, _ in epoch)
    assert epochs[0] != epochs[1]


def test_a_model_that_ranks_badly_is_refused(tmp_path: Path) -> None:
    result = train(tmp_path, min_spearman=1.0)
    assert result.returncode == 2
    assert "held-out Spearman is" in result.stderr
    assert not (tmp_path / "model").exists()
    assert read_json(tmp_path / "training.json")["state"] == "failed"
