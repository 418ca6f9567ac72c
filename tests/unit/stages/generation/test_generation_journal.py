"""The journal survives kills, torn lines and changed settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.stages.generation.journal import Entry, TurnJournal


def entry(name: str) -> Entry:
    return Entry(name, f"text of {name}\u2028\r with odd line ends", 3, "stop")


def filled(path: Path) -> None:
    journal = TurnJournal(path, "key")
    journal.append(0, [entry("a"), entry("b")])
    journal.append(1, [entry("a")])
    journal.close()


def reopened(path: Path, key: str = "key") -> dict[int, list[str]]:
    journal = TurnJournal(path, key)
    journal.close()
    return {turn: sorted(rows) for turn, rows in journal.turns.items()}


def test_a_journal_is_taken_over_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    journal = TurnJournal(tmp_path / "j", "key")
    assert journal.answers(0)["b"] == entry("b")
    journal.close()
    assert reopened(tmp_path / "j") == {0: ["a", "b"], 1: ["a"]}


def test_another_key_starts_over(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    assert reopened(tmp_path / "j", "other") == {}
    assert reopened(tmp_path / "j", "key") == {}


def test_a_kill_at_any_byte_loses_at_most_the_last_batch(tmp_path: Path) -> None:
    filled(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    second = content.rindex(b"\n", 0, -1) + 1
    assert second < len(content)
    for size in range(second, len(content)):
        torn = tmp_path / "torn"
        torn.write_bytes(content[:size])
        assert reopened(torn) == {0: ["a", "b"]}
        assert torn.read_bytes() == content[:second]


def test_a_torn_line_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    with open(tmp_path / "j", "ab") as stream:
        stream.write(b'{"turn": 1, "entr')
    journal = TurnJournal(tmp_path / "j", "key")
    journal.append(1, [entry("b")])
    journal.close()
    assert reopened(tmp_path / "j") == {0: ["a", "b"], 1: ["a", "b"]}


@pytest.mark.parametrize("content", [b"", b'{"key": "ke', b"\0\0\0\0", b"null\n"])
def test_a_journal_torn_in_its_header_starts_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    assert reopened(tmp_path / "j") == {}


def test_two_jobs_never_write_the_same_journal(tmp_path: Path) -> None:
    first = TurnJournal(tmp_path / "j", "key")
    with pytest.raises(StudyError, match="another process is writing this file"):
        TurnJournal(tmp_path / "j", "key")
    first.close()
    TurnJournal(tmp_path / "j", "key").close()
