"""Answers are scored under the name of the system that gave them."""

from __future__ import annotations

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.core.records import Hypothesis, Prompt, write_hypotheses
from bayling_study.shared.metrics.answers import read_answers
from bayling_study.stages.comet.scorable import read_segments

META = {"source_text": "Hallo"}
PROMPTS = [Prompt("de-en/0", "s", "de-en", {"target": "en"}, ["Hallo"], ["Hello"], META)]


@pytest.fixture
def outputs(tmp_path):
    """Returns the folder of the answers of a system called foundation."""
    folder = tmp_path / "foundation"
    write_hypotheses(folder / "s.jsonl", [Hypothesis("de-en/0", ["Hello"], [1], ["stop"])])
    write_json(folder / "system.json", {"system": "foundation", "items": {"s": ["de-en"]}})
    return folder


def test_answers_of_another_system_are_refused(outputs):
    assert len(read_answers(PROMPTS, outputs, "foundation", "s")) == 1
    with pytest.raises(StudyError, match="are of the system 'foundation', not of 'tuned'"):
        read_answers(PROMPTS, outputs, "tuned", "s")


def test_comet_takes_the_folder_for_the_system(outputs):
    assert len(read_segments(PROMPTS, outputs, "s")) == 1
    outputs.rename(outputs.with_name("tuned"))
    with pytest.raises(StudyError, match="are of the system 'foundation', not of 'tuned'"):
        read_segments(PROMPTS, outputs.with_name("tuned"), "s")


def test_a_folder_without_a_declaration_is_a_users_own(outputs):
    (outputs / "system.json").unlink()
    assert len(read_answers(PROMPTS, outputs, "tuned", "s")) == 1
