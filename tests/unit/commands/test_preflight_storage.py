"""Free space and quotas are judged against what the plan says is still to be written."""

from __future__ import annotations

import os
import stat
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bayling_study.commands.plan.disk import Need
from bayling_study.commands.preflight import here

GB = 10**9
QUOTA = """Disk quotas for user lab (uid 1000):
     Filesystem   space   quota   limit   grace   files   quota   limit   grace
nfs:/home/lab      {used}   {soft}   {hard}            1203       0       0
"""
LUSTRE = """Disk quotas for usr lab (uid 1000):
     Filesystem    used   quota   limit   grace   files   quota   limit   grace
/scratch/a/very/long/name/indeed
                  1.5T     {soft}     {hard}       -   90311       0       0       -
"""


@pytest.fixture
def dag(tmp_path: Path) -> Any:
    return SimpleNamespace(
        layout=SimpleNamespace(study=tmp_path / "results", resources=tmp_path / "resources")
    )


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def write(name: str, text: str, status: int = 0) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n")
        path.chmod(stat.S_IRWXU)

    return write


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    usage = namedtuple("usage", "total used free")

    def put(count: int) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda path: usage(0, 0, count))

    return put


def tune(dag: Any, size: int) -> list[Need]:
    return [Need("tuning x", dag.layout.study, size)]


@pytest.mark.parametrize(
    ("planned", "count", "level"),
    [
        (50 * GB, 60 * GB, "ok"),
        (50 * GB, 40 * GB, "FAILED"),
        (0, 2 * GB, "ok"),
        (0, GB // 2, "FAILED"),
    ],
)
def test_free_space_is_compared_with_the_plan_and_a_minimum(
    dag: Any, free: Callable[[int], None], planned: int, count: int, level: str
) -> None:
    free(count)
    outcome = here.disk(dag, tune(dag, planned))
    assert outcome.level == level
    assert level == "ok" or "/BIGGER/DISK" in outcome.fix


def test_a_peak_is_that_of_one_disk(dag: Any, tmp_path: Path) -> None:
    needs = [
        Need("a", tmp_path, 3 * GB, scratch=4 * GB),
        Need("b", tmp_path, 2 * GB),
        Need("elsewhere", Path("/proc"), 90 * GB),
    ]
    assert here.peak(needs, dag.layout.study) == 7 * GB
    assert here.peak([], dag.layout.study) == here.MINIMUM


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (QUOTA.format(used="20G", soft="90G", hard="100G"), 70 * 1024**3),
        (QUOTA.format(used="20G", soft="0K", hard="100G"), 80 * 1024**3),
        (QUOTA.format(used="95G*", soft="90G", hard="100G"), 0),
        (QUOTA.format(used="20G", soft="0K", hard="0K"), None),
        (LUSTRE.format(soft="2T", hard="2.5T"), 0.5 * 1024**4),
        (LUSTRE.format(soft="0k", hard="0k"), None),
    ],
)
def test_what_is_left_of_a_quota_is_read(text: str, left: float | None) -> None:
    (found,) = here.parse(text)
    assert found.left == (None if left is None else pytest.approx(left))


def test_no_quota_is_no_row() -> None:
    assert here.parse("Disk quotas for user lab (uid 1000): none\n") == []


def test_a_quota_that_is_too_small_fails_with_its_mend(
    dag: Any, program: Callable[..., None]
) -> None:
    program("quota", QUOTA.format(used="20G", soft="90G", hard="100G"))
    program("lfs", "", 1)
    (fine,) = here.quota(dag, tune(dag, 50 * GB))
    assert fine.level == "ok" and "nfs:/home/lab 20G 90G 100G" in fine.found
    (small,) = here.quota(dag, tune(dag, 80 * GB))
    assert small.level == "FAILED" and "75.2 GB are left of it, 80.0 are needed" in small.found
    assert "ask the site" in small.fix and "/BIGGER/DISK" in small.fix


def test_a_quota_that_is_passed_is_told_though_its_program_fails(
    dag: Any, program: Callable[..., None]
) -> None:
    program("quota", QUOTA.format(used="95G*", soft="90G", hard="100G"), 1)
    program("lfs", "", 1)
    (outcome,) = here.quota(dag, [])
    assert outcome.level == "FAILED" and "95G*" in outcome.found


def test_quotas_of_both_programs_are_told(dag: Any, program: Callable[..., None]) -> None:
    program("quota", QUOTA.format(used="1G", soft="0K", hard="0K"))
    program("lfs", LUSTRE.format(soft="9T", hard="9T"))
    rows = [outcome.found for outcome in here.quota(dag, [])]
    assert len(rows) == 2 and rows[1].startswith("/scratch/a/very/long/name/indeed 1.5T 9T")


def test_no_quota_program_is_a_note(
    dag: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [outcome.level for outcome in here.quota(dag, [])] == ["note"]
