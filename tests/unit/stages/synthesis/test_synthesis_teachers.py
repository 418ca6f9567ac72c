"""Teachers that are run here: served from their checkpoint, asked once, counted."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from bayling_study.config.systems import FoundationSystem
from bayling_study.core.errors import StudyError
from bayling_study.stages.synthesis.teacher import hired
from helpers.synthesis_corpora import mixture
from helpers.tiny import write_foundation

SYSTEMS = {"foundation": FoundationSystem(kind="foundation", source="tiny")}


@pytest.mark.slow
def test_a_model_of_the_study_is_served_asked_once_and_counted(tmp_path: Path) -> None:
    write_foundation(tmp_path / "model")
    wanted = mixture(teacher="foundation", translator="foundation", max_tokens=12)
    asked = [[{"role": "user", "content": f"Count to {number}."}] for number in (1, 2)]
    runs = []
    for _ in range(2):
        with ExitStack() as stack:
            places = {"foundation": tmp_path / "model"}
            teachers = hired(wanted, SYSTEMS, places, tmp_path / "cache", stack)
            assert list(teachers) == ["teacher", "translator"]
            answers = list(teachers["teacher"].complete(asked))
            runs.append((answers, teachers["teacher"].spent["requests"]))
    assert runs[0] == runs[1], "answers and their count are those of the first run"
    assert runs[0][1] == 2 and len(runs[0][0]) == 2


def test_a_teacher_without_its_checkpoint_or_folder_is_refused(tmp_path: Path) -> None:
    wanted = mixture(teacher="foundation")
    with ExitStack() as stack, pytest.raises(StudyError, match="no checkpoint is called"):
        hired(wanted, SYSTEMS, {}, tmp_path, stack)
    with ExitStack() as stack, pytest.raises(StudyError, match="answers need a folder"):
        hired(wanted, SYSTEMS, {}, None, stack)
    with ExitStack() as stack:
        assert hired(mixture(), SYSTEMS, {}, None, stack) == {}
