from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayling_study.config.suites import InteractiveSuite
from bayling_study.core import seeds
from bayling_study.core.errors import StudyError
from bayling_study.stages.prompts import PromptContext, interactive
from bayling_study.stages.synthesis import __main__ as program
from bayling_study.stages.synthesis.audit import audit, histogram
from bayling_study.stages.synthesis.block import _drafts
from bayling_study.stages.synthesis.counts import apportion, spread
from bayling_study.stages.synthesis.mixture import FinishedMixture
from bayling_study.stages.synthesis.registry import Recipe
from helpers.synthesis_corpora import (
    CharacterTokenizer,
    made,
    mixture,
    parallel,
    talks,
    write_corpora,
)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpora(tmp_path_factory.mktemp("corpora"))


def run(
    tmp_path: Path, corpora: Path, seed: int = 4, **changes: Any
) -> tuple[FinishedMixture, pa.Table]:
    folder = tmp_path / f"made-{len(list(tmp_path.iterdir()))}"
    return made(folder, corpora, mixture(**changes), seed=seed)


def facts_of(result: FinishedMixture) -> dict[str, Any]:
    return audit(result, CharacterTokenizer(), "bayling")


def test_shares_hold_within_one_conversation(tmp_path: Path, corpora: Path) -> None:
    result, rows = run(tmp_path, corpora)
    facts = facts_of(result)
    wanted = {"translation": 30, "interactive": 18, "constrained": 6, "general": 6}
    assert facts["by_recipe"] == wanted
    assert facts["conversations"] == len(rows) == len(set(rows["id"].to_pylist())) == 60
    for recipe, count in (("translation", 30), ("interactive", 18)):
        for direction, share in mixture().directions.items():
            found = facts["by_recipe_and_direction"][f"{recipe}/{direction}"]
            assert abs(found - count * share) < 1


def test_the_same_seed_gives_the_same_rows_and_another_one_others(
    tmp_path: Path, corpora: Path
) -> None:
    (_, once), (_, again), (_, other) = [run(tmp_path, corpora, seed) for seed in (4, 4, 5)]
    assert once == again
    assert once["messages"] != other["messages"]


def test_no_test_text_is_in_any_message(tmp_path: Path, corpora: Path) -> None:
    tests = {row["text_a"] for row in parallel() if row["split"] == "test"}
    tests |= {row["text_b"] for row in parallel() if row["split"] == "test"}
    _, rows = run(tmp_path, corpora)
    whole = "\n".join(m["content"] for row in rows["messages"].to_pylist() for m in row)
    assert not [text for text in tests if text in whole]


def test_exhausted_material_is_reported_and_not_repeated(tmp_path: Path, corpora: Path) -> None:
    changes = {"conversations": 100, "shares": {"general": 1.0}, "directions": {}}
    result, rows = run(tmp_path, corpora, **changes)
    assert result.wanted == {"general": 100}
    assert len(rows) == 10


def test_too_long_conversations_are_rejected_by_the_recipes_own_limit(
    tmp_path: Path, corpora: Path
) -> None:
    result, rows = run(tmp_path, corpora, recipe_max_tokens={"general": 20})
    assert result.rejections["mixture"].counts["general: too long"] == 10
    assert "general" not in rows["recipe"].to_pylist()


def test_lengths_and_trained_tokens_follow_the_template(tmp_path: Path, corpora: Path) -> None:
    result, rows = run(tmp_path, corpora)
    answers = [
        m["content"] for row in rows["messages"].to_pylist() for m in row if m["role"] != "user"
    ]
    tokens = facts_of(result)["tokens"]
    assert tokens["supervised"] == sum(len(answer) + 1 for answer in answers)
    assert tokens["real"] == sum(recipe["real"] for recipe in tokens["by_recipe"].values())
    assert sum(row["count"] for row in tokens["histogram"]) == len(rows)


def test_mask_samples_show_the_answers_of_each_recipe_as_trained(
    tmp_path: Path, corpora: Path
) -> None:
    result, rows = run(tmp_path, corpora)
    samples = facts_of(result)["mask_samples"]
    assert set(samples) == set(rows["recipe"].to_pylist())
    for recipe, found in samples.items():
        shown = {row["recipe"]: row["messages"] for row in reversed(rows.to_pylist())}[recipe]
        spans = found[0]["spans"]
        answers = [m["content"] + "\0" for m in shown if m["role"] == "assistant"]
        assert "".join(text for text, supervised in spans if supervised) == "".join(answers)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"shares": {"translate": 1.0}}, "translation"),
        ({"directions": {"fr-en": 1.0}}, "no training segment"),
        ({"directions": {}}, "no fitting direction"),
        ({"demands": {"polish": 1.0}}, "no demand is called 'polish'"),
        ({"general_languages": {"fr": 1.0}}, "no upstream conversation is in 'fr'"),
    ],
)
def test_names_that_nothing_answers_to_are_errors(
    changes: dict[str, Any], reason: str, tmp_path: Path, corpora: Path
) -> None:
    with pytest.raises(StudyError, match=reason):
        run(tmp_path, corpora, **changes)


@given(st.integers(0, 10_000), st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_apportioning_adds_up_and_is_never_off_by_one(total: int, weights: list[int]) -> None:
    shares = {str(number): weight / sum(weights) for number, weight in enumerate(weights)}
    counts = apportion(total, shares)
    assert sum(counts.values()) == total
    assert all(abs(counts[name] - total * share) < 1 + 1e-6 for name, share in shares.items())


def test_a_patterns_share_is_divided_by_temperature() -> None:
    sizes = {"en-de": 10_000, "en-km": 100, "en-zh": 10_000, "en-fr": 0}
    patterns = {"en-*": 0.6, "en-zh": 0.4}
    codes = ["en", "de", "km", "zh", "fr", "ru"]
    flat = spread(patterns, codes, ["*-ru"], sizes.__getitem__, 1.0)
    assert flat == pytest.approx({"en-de": 0.6 * 100 / 101, "en-km": 0.6 / 101, "en-zh": 0.4})
    warm = spread(patterns, codes, ["*-ru"], sizes.__getitem__, 2.0)
    assert warm["en-de"] / warm["en-km"] == pytest.approx(10)


def test_directions_may_be_patterns_and_zh_pivots_over_english(
    tmp_path: Path, corpora: Path
) -> None:
    changes = {
        "shares": {"translation": 1.0},
        "directions": {"zh-*": 0.5, "*-zh": 0.5},
        "exclude": ["en-zh"],
    }
    _, rows = run(tmp_path, corpora, **changes)
    found = rows["direction"].to_pylist()
    assert {name: found.count(name) for name in set(found)} == {
        "zh-en": pytest.approx(15, abs=2),
        "zh-de": pytest.approx(15, abs=2),
        "de-zh": 30,
    }
    texts = {(r["lang_b"], r["text_b"]): r["text_a"] for r in parallel()}
    for row in rows.filter(pa.compute.equal(rows["direction"], "de-zh")).to_pylist():
        user, answer = (message["content"] for message in row["messages"])
        source = next(t for (code, t) in texts if code == "de" and t in user)
        assert texts["zh", answer] == texts["de", source]


def test_upstream_conversations_keep_the_languages_shares(tmp_path: Path) -> None:
    general = [*talks(300), *talks(100, "zh")]
    corpora = write_corpora(tmp_path / "corpora", general=general, group=64)
    changes = {"shares": {"general": 1.0}, "directions": {}, "conversations": 80}
    _, rows = run(tmp_path, corpora, **changes, general_languages={"zh": 3.0, "en": 1.0})
    first = [codes[0] for codes in rows["languages"].to_pylist()]
    assert (first.count("zh"), first.count("en")) == (60, 20)


def test_upstream_conversations_of_some_sources_only(tmp_path: Path) -> None:
    people = [{**row, "source": "people"} for row in talks(100, "zh")]
    corpora = write_corpora(tmp_path / "corpora", general=[*talks(100), *people], group=64)
    changes = {"shares": {"general": 1.0}, "directions": {}, "conversations": 150}
    result, rows = run(tmp_path, corpora, **changes, general_sources=["people"])
    assert set(rows["source"].to_pylist()) == {"people"} and len(rows) == 100
    assert result.wanted == {"general": 150}


def test_what_a_row_group_cannot_give_the_others_make_up(tmp_path: Path) -> None:
    long = [{**row, "messages": [row["messages"][0], {**row["messages"][1], "content": "x" * 999}]}
            for row in talks(64)]  # fmt: skip
    corpora = write_corpora(tmp_path / "corpora", general=[*long, *talks(64, "zh")], group=64)
    changes = {"shares": {"general": 1.0}, "directions": {}, "conversations": 60}
    result, rows = run(tmp_path, corpora, **changes, max_tokens=600)
    assert len(rows) == 60
    assert result.rejections["mixture"].counts["general: too long"] >= 30


def test_max_turns_cuts_upstream_dialogues_and_shortens_made_ones(tmp_path: Path) -> None:
    general = [{**row, "messages": row["messages"] * 3} for row in talks()]
    corpora = write_corpora(tmp_path / "corpora", general=general)
    demands = {"correct-draft": 1.0, "include-words": 1.0, "replace-words": 1.0}
    _, rows = run(tmp_path, corpora, max_turns=1, demands=demands)
    assert {len(messages) for messages in rows["messages"].to_pylist()} == {2}
    assert rows["recipe"].to_pylist().count("interactive") == 18


def test_each_draft_is_drawn_with_a_seed_of_its_own() -> None:
    def make(workshop: Any, direction: str, rng: Random) -> Any:
        return rng.random()

    workshop: Any = None
    drawn: list[Any] = list(islice(_drafts(Recipe("any", make), "en-de", workshop, 3, 7), 4))
    names = [("any", "en-de", "3", str(number)) for number in range(4)]
    assert drawn == [seeds.generator(7, *name).random() for name in names]


def test_histogram_counts_each_length_once() -> None:
    counts = np.bincount([1, 16, 17, 5000])
    assert histogram(counts) == [
        {"to": 16, "count": 2},
        {"to": 32, "count": 1},
        {"to": None, "count": 1},
    ]


def run_program(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = folder / "settings.json"
    mixtures = {"mix": mixture().model_dump(mode="json")}
    study = {"name": "toy", "title": "Toy", "seed": 4}
    settings.write_text(json.dumps({"study": study, "synthesis": {"mixtures": mixtures}}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "manifest.json").write_text(json.dumps({"source": {"licence": "CC0-1.0"}}))
    monkeypatch.setattr(program, "load_tokenizer", lambda checkpoint: CharacterTokenizer())
    options = {
        "settings": settings,
        "record": folder / "run.json",
        "mixture": "mix",
        "corpora": folder,
    }
    options |= {"tokenizer": folder, "source-manifest": f"toy={folder}", "out": out}
    flags = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    monkeypatch.setattr("sys.argv", ["synthesis", *flags])
    program.main()


def test_the_program_writes_the_same_bytes_twice_and_datasets_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    corpora = write_corpora(tmp_path / "corpora")
    for name in ("one", "two"):
        run_program(corpora, folder / name, monkeypatch)
    for file in ("train.parquet", "audit.json", "README.md"):
        assert (folder / "one" / file).read_bytes() == (folder / "two" / file).read_bytes()
    assert {path.name for path in (folder / "one").iterdir()} == {
        *("train.parquet", "audit.json", "README.md")
    }
    card = (folder / "one" / "README.md").read_text()
    assert card.startswith("---\npretty_name: 'toy: mix'")
    assert "| toy | CC0-1.0 |" in card
    from datasets import load_dataset

    data = load_dataset(str(folder / "one"), cache_dir=str(folder / "cache"))["train"]
    assert len(data) == 60
    assert set(data[0]["messages"][0]) == {"role", "content"}


def test_what_a_killed_job_was_making_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora = write_corpora(tmp_path / "corpora")
    others = {".other.1.tmp", ".one.more.host-12345678.tmp"}  # of mixtures other, one.more
    for other in others:
        (tmp_path / other).mkdir()
    if (child := os.fork()) == 0:
        monkeypatch.setattr(program, "make", lambda task, train, scratch: os._exit(9))
        run_program(corpora, tmp_path / "one", monkeypatch)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len([*tmp_path.glob(".one.*.tmp")]) == 3
    run_program(corpora, tmp_path / "one", monkeypatch)
    assert {path.name for path in tmp_path.glob(".*")} == others


def test_the_suite_is_held_out_distinct_and_carries_checks(corpora: Path) -> None:
    suite = InteractiveSuite(
        kind="interactive",
        directions=["zh-en", "en-de"],
        conversations=5,
        demands={"first-sentence": 1.0, "replace-words": 1.0, "next-sentence": 1.0},
    )
    prompts = list(interactive.build("talk", suite, PromptContext(4, corpora)))
    tests = {
        text
        for row in parallel()
        if row["split"] == "test"
        for text in (row["text_a"], row["text_b"])
    }
    assert len(prompts) == 10
    assert len({tuple(prompt.turns) for prompt in prompts}) == 10
    for prompt in prompts:
        assert prompt.meta["source_text"] in tests
        assert len(prompt.turns) == len(prompt.references) == len(prompt.meta["demands"])
        assert all(demand["checks"] for demand in prompt.meta["demands"])
    assert prompts == list(interactive.build("talk", suite, PromptContext(4, corpora)))


def test_a_suite_without_enough_material_says_so(corpora: Path) -> None:
    suite = InteractiveSuite(kind="interactive", directions=["fr-en"], conversations=5)
    with pytest.raises(StudyError, match="fr-en"):
        list(interactive.build("talk", suite, PromptContext(4, corpora)))
