"""Stand-ins of COMET models, and of their encoders' configurations, load and score as any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from test_comet_program import PROBE, PYTHON, call, largest_difference, sentence

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.stages.download.stand_in_comet import GATED
from bayling_study.stages.download.stand_ins import NOTE, write_stand_in
from helpers.hub_models import HPARAMS, row, small_files

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "regression": ("wmt22-comet-da", "xlm-roberta-large", {}),
    "layer": ("wmt22-comet-da", "xlm-roberta-large", {"layer": 24, "dropout": 0.0}),
    "xcomet": ("xcomet-xl", "xlm-roberta-xl", {}),
    "kiwi": ("wmt22-cometkiwi-da", "infoxlm-large", {}),
    "words": ("wmt22-cometkiwi-da", "infoxlm-large", {"word_level_training": True}),
    "gated-xcomet": ("xcomet-xl", "xlm-roberta-xl", {}),
    "gated-kiwi": ("wmt22-cometkiwi-da", "infoxlm-large", {}),
}
"""Case to the sources of the model and of its encoder, and to changed hyper-parameters."""
REFERENCELESS = {"class_identifier": "referenceless_regression_metric"}
REFERENCELESS |= {"encoder_model": "XLM-RoBERTa", "pretrained_model": "encoder"}


def made(place: Path, encoder: str) -> Path:
    small_files(place / "encoder", encoder)
    write_stand_in(row(encoder), place / "encoder")
    return place


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comet")
    for case, (source, encoder, changed) in CASES.items():
        if case.startswith("gated"):
            (folder / case).mkdir()
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(GATED[row(source).location], "pretrained_model", "encoder")
                write_stand_in(row(source), folder / case, "no token")
        else:
            files = small_files(folder / case, source, pretrained_model="encoder", **changed)
            write_stand_in(row(source), files)
        made(folder / case, encoder)
    # without its sizes: the class's own hold
    bare = made(folder / "bare", "xlm-roberta-large")
    (bare / "hparams.yaml").write_text(yaml.safe_dump(REFERENCELESS))
    write_stand_in(row("wmt22-comet-da"), bare)
    return folder


@pytest.fixture(scope="module")
def scores(models: Path) -> Path:
    if not PYTHON.exists():
        pytest.skip(f"no COMET environment at {PYTHON}")
    rows = [
        {"src": sentence(n).upper(), "mt": sentence(2 * n), "ref": sentence(n)} for n in range(6)
    ]
    write_json(models / "rows.json", rows)
    result = call(PROBE, "stand-ins", models / "rows.json", *map(models.joinpath, [*CASES, "bare"]))
    assert result.returncode == 0, result.stderr
    return models


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES, "bare"])
def test_a_stand_in_scores_as_unbabel_comet_does(scores: Path, case: str) -> None:
    expected = read_json(scores / case / "reference.json")
    assert len(set(expected)) > 3 and all(value == value for value in expected)
    for found in read_json(scores / case / "ours.json"):
        assert largest_difference(found, expected) <= 1e-5


@pytest.mark.parametrize("case", CASES)
def test_a_stand_in_keeps_upstream_s_hyper_parameters(models: Path, case: str) -> None:
    source, _, changed = CASES[case]
    content = torch.load(models / case / "checkpoints" / "model.ckpt", weights_only=True)
    found, gated = content["hyper_parameters"], case.startswith("gated")
    said = GATED[row(source).location] if gated else {**HPARAMS[source], **changed}
    differ = {key for key, value in said.items() if found[key] != value}
    numbers = {key for key in ("layer", "word_layer") if isinstance(said.get(key), int)}
    assert differ == {"pretrained_model", *numbers}
    why = {"why": "no token"} if gated else {}
    assert read_json(models / case / NOTE) == {"tokenizer": "none", **why}


def test_a_gated_model_that_nobody_knows_names_its_page(tmp_path: Path) -> None:
    unknown = row("xcomet-xl").model_copy(update={"location": "models/owner/name"})
    with pytest.raises(StudyError, match=r"if owner/name is gated"):
        write_stand_in(unknown, tmp_path, "no token")


@pytest.mark.parametrize(
    "wrong", [{"class_identifier": "ranking_metric"}, {"encoder_model": "BERT"}]
)
def test_a_class_or_an_encoder_that_no_stand_in_is_made_of_is_refused(
    tmp_path: Path, wrong: dict[str, str]
) -> None:
    files = small_files(tmp_path / "files", "wmt22-comet-da", **wrong)
    with pytest.raises(StudyError, match="no stand-in is made of a model of the class"):
        write_stand_in(row("wmt22-comet-da"), files)
