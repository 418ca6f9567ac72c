"""How threads of jobs wait for work, on machines that others use too."""

import os

import pytest

from bayling_study.dag import interpreter

NAMES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.fixture
def environment(monkeypatch):
    """An environment of its own that says nothing of waiting."""
    kept = {key: value for key, value in os.environ.items() if key not in NAMES}
    monkeypatch.setattr(os, "environ", kept)
    return kept


def test_jobs_wait_briefly(environment):
    interpreter.use_this_interpreter()
    assert environment["GOMP_SPINCOUNT"] == interpreter.SPINS
    assert "OMP_WAIT_POLICY" not in environment


@pytest.mark.parametrize("name", NAMES)
def test_what_the_user_says_stays(environment, name):
    environment[name] = "active" if name == "OMP_WAIT_POLICY" else "7"
    before = dict(environment)
    interpreter.use_this_interpreter()
    assert {key: environment.get(key) for key in NAMES} == {k: before.get(k) for k in NAMES}
