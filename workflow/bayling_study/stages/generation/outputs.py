"""The output folder of one system: hypotheses of each suite and ``system.json``.

``system.json`` tells how the hypotheses were made. Its keys:

- ``system``, ``kind``, ``backend``: name and kind in the config, and what produced the text;
- ``details``: what identifies the system (template, precision, checkpoint hash, or release),
  and what the checkpoint's generation config asks for that was set aside;
- ``sha256``: hash of ``details``, the system's identity;
- ``items``: suite to the items that have hypotheses, the only ones that a scorer reads;
- ``absent``: ``{suite, item, reason}`` of every configured item without hypotheses;
- ``suites``: suite to decoding, clean-up, numbers and file hashes; ``provenance`` is the hash of
  the system and of all that decides a suite's answers; every hypothesis has it, or its member's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.core import records
from bayling_study.core.files import atomic_directory, sha256_file, sha256_json, write_json
from bayling_study.core.records import Hypothesis, Prompt

HASH_DIGITS = 16  # length of ``provenance``: 64 bits tell the systems of a study apart


class PromptSet(NamedTuple):
    """The prompts of one suite in their file's order, with the file's hash."""

    suite: str
    prompts: list[Prompt]
    sha256: str

    @classmethod
    def load(cls, folder: Path, suite: str) -> "PromptSet":
        """Reads ``FOLDER/SUITE.jsonl``."""
        path = folder / f"{suite}.jsonl"
        return cls(suite, records.read_prompts(path), sha256_file(path))


class Absent(NamedTuple):
    """A configured item that has no hypotheses, and why."""

    suite: str
    item: str
    reason: str


@dataclass(frozen=True)
class SuiteAnswers:
    """All prompts of a suite, with a system's hypotheses to whole items in prompt order.
    ``details`` tell how they were made (decoding, clean-up, counts)."""

    prompts: PromptSet
    hypotheses: list[Hypothesis]
    details: dict[str, Any] = field(default_factory=dict)
    absent: list[Absent] = field(default_factory=list)


class System(NamedTuple):
    """Who answered; see the keys of ``system.json`` in the module's docstring."""

    name: str
    kind: str
    backend: str
    details: dict[str, Any]

    @property
    def sha256(self) -> str:
        """Hash of all that identifies the system, whatever its name in the config."""
        return sha256_json({"backend": self.backend, **self.details})


def write_outputs(folder: Path, system: System, suites: dict[str, SuiteAnswers]) -> None:
    """Writes the output folder, whole or not at all (``StudyError`` if prompts do not match).
    Nothing there depends on time (the rates are in the run record)."""
    with atomic_directory(folder) as scratch:
        found = {
            "schema": 1,
            **{"system": system.name, "kind": system.kind, "backend": system.backend},
            **{"details": system.details, "sha256": system.sha256},
            "items": {name: items_of(suite) for name, suite in suites.items()},
            "absent": [row._asdict() for suite in suites.values() for row in suite.absent],
            "suites": {n: _write_suite(scratch, n, suite, system) for n, suite in suites.items()},
        }
        write_json(scratch / "system.json", found)


def _write_suite(folder: Path, name: str, suite: SuiteAnswers, system: System) -> dict[str, Any]:
    """Writes and reads back one suite's hypotheses; returns its entry in ``system.json``."""
    path = folder / f"{name}.jsonl"
    provenance = sha256_json([system.sha256, suite.prompts.sha256, suite.details])[:HASH_DIGITS]
    rows = (replace(row, provenance=row.provenance or provenance) for row in suite.hypotheses)
    records.write_hypotheses(path, rows)
    answered = set(items_of(suite))
    records.read_hypotheses(path, [p for p in suite.prompts.prompts if p.item in answered])
    return {
        "provenance": provenance,
        **suite.details,
        **counts(suite.hypotheses),
        "prompts_sha256": suite.prompts.sha256,
        "sha256": sha256_file(path),
    }


def items_of(suite: SuiteAnswers) -> list[str]:
    """Returns the items that have hypotheses, in prompt order."""
    answered = {hypothesis.id for hypothesis in suite.hypotheses}
    return list(dict.fromkeys(p.item for p in suite.prompts.prompts if p.id in answered))


def counts(hypotheses: Iterable[Hypothesis]) -> dict[str, int]:
    """Returns numbers of hypotheses and turns, and of answers that were cut off or are empty. Where
    only what stands behind a label is kept, also of how many answers, and how many of those had
    text but none behind a label. Where turns have steps, also of turns whose earlier ones were cut
    off or said nothing. Where the system thought first, also how often, and how often no answer
    followed (empty too)."""
    rows = list(hypotheses)
    pairs = (zip(row.turns, row.reasoning, strict=True) for row in rows if row.reasoning)
    thought = [turn for some in pairs for turn, why in some if why]
    numbers = {
        "hypotheses": len(rows),
        "turns": sum(len(row.turns) for row in rows),
        "calls": sum(len(row.turns) for row in rows),
        "tokens": sum(sum(row.tokens) for row in rows),
        "truncated": sum(row.finish.count("length") for row in rows),
        "empty": sum(not turn.strip() for row in rows for turn in row.turns),
    }
    cut = [turn for row in rows if row.whole for turn in zip(row.turns, row.whole, strict=True)]
    if cut:
        numbers["kept_in_part"] = len(cut)
        numbers["without_label"] = sum(not kept and bool(whole) for kept, whole in cut)
    if before := [turn for row in rows for turn in row.steps]:
        numbers["calls"] += sum(map(len, before))
        ends = [[one["finish"] for one in turn] for turn in before]
        numbers["steps_truncated"] = sum("length" in finish for finish in ends)
        numbers["steps_empty"] = sum(not all(one["text"] for one in turn) for turn in before)
    if thought:
        numbers["with_reasoning"] = len(thought)
        numbers["unfinished_reasoning"] = sum(not turn.strip() for turn in thought)
    return numbers
