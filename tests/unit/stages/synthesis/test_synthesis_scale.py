from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from bayling_study.shared.templates import encode
from bayling_study.shared.templates.counting import count_tokens, fits
from bayling_study.stages.synthesis import aligned, gate, order
from bayling_study.stages.synthesis import mixture as mixtures
from bayling_study.stages.synthesis.aligned import Rows
from bayling_study.stages.synthesis.audit import audit
from helpers.synthesis_corpora import (
    CharacterTokenizer,
    made,
    mixture,
    parallel,
    talks,
    write_corpora,
)
from helpers.training import (
    chatml_tokenizer,
    legacy_llama_tokenizer,
    llama3_tokenizer,
    old_llama_tokenizer,
)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    return write_corpora(folder, general=[*talks(150), *talks(150, "zh")], group=128)


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks, buckets and pools as in a large study."""
    monkeypatch.setattr(aligned, "BLOCK_ROWS", 400)
    monkeypatch.setattr(order, "BUCKET_ROWS", 50)
    monkeypatch.setattr(mixtures, "SMALL", 0)


WANTED: dict[str, Any] = {
    "conversations": 200,
    "shares": {"translation": 0.4, "interactive": 0.2, "general": 0.4},
    "directions": {"*-en": 0.5, "zh-de": 0.5},
    "demands": {"next-sentence": 1.0},
}
"""What any block has material for."""


def test_blocks_together_give_what_was_asked_for(
    in_pieces: None, tmp_path: Path, corpora: Path
) -> None:
    result, table = made(tmp_path / "made", corpora, mixture(**WANTED))
    assert Counter(table["recipe"].to_pylist()) == {
        "translation": 80,
        "interactive": 40,
        "general": 80,
    }
    assert len(set(table["id"].to_pylist())) == len(table) == 200
    blocks = {name.split("/")[2].split("-")[0] for name in table["id"].to_pylist()}
    assert len(blocks) > 4
    assert result.tally.conversations == 200
    texts = ["\n".join(m["content"] for m in row) for row in table["messages"].to_pylist()]
    assert len(set(texts)) == 200


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(
    in_pieces: None, tmp_path: Path, corpora: Path
) -> None:
    files = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        made(folder, corpora, mixture(**WANTED), workers=workers)
        files.append((folder / "train.parquet").read_bytes())
    assert files[0] == files[1]


@pytest.mark.slow
def test_workers_of_the_command_find_the_tokenizer(tmp_path: Path, corpora: Path) -> None:
    """Workers import anew what a job names, and no ``__main__`` of a package."""
    settings = tmp_path / "settings.json"
    mixtures = {"mix": mixture(**WANTED).model_dump(mode="json")}
    settings.write_text(json.dumps({"study": {}, "synthesis": {"mixtures": mixtures}}))
    chatml_tokenizer().save_pretrained(tmp_path / "tokenizer")
    code = "import runpy; from bayling_study.stages.synthesis import mixture; mixture.SMALL = 0; "
    code += "runpy.run_module('bayling_study.stages.synthesis', None, '__main__', alter_sys=True)"
    paths = {"settings": settings, "record": tmp_path / "run.json", "corpora": corpora}
    paths |= {"tokenizer": tmp_path / "tokenizer", "out": tmp_path / "made"}
    flags = [str(part) for name, value in paths.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-P", "-c", code, "--mixture", "mix", "--workers", "2", *flags]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert pq.read_metadata(tmp_path / "made" / "train.parquet").num_rows == 200


def test_a_worker_counts_tokens_without_torch() -> None:
    code = "import sys; from bayling_study.stages.synthesis import mixture; mixture._begin(None); "
    code += "import transformers; transformers.PreTrainedTokenizerFast; print(sys.modules['torch'])"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert run.stdout == "None\n", run.stderr


def test_the_order_mixes_blocks_and_drops_what_two_of_them_made(
    in_pieces: None, tmp_path: Path
) -> None:
    corpora = write_corpora(tmp_path / "corpora", general=[*talks(100), *talks(100)], group=100)
    wanted = mixture(conversations=200, shares={"general": 1.0}, directions={})
    result, table = made(tmp_path / "made", corpora, wanted)
    assert len(table) == 100
    assert result.tally.duplicates == {"general": 100}
    blocks = [name.split("/")[2].split("-")[0] for name in table["id"].to_pylist()]
    assert sum(one != other for one, other in pairwise(blocks)) >= len(set(blocks)) - 1


def sentences(count: int, text: str = "Turn on lamp {n} of the hall now.") -> list[dict[str, Any]]:
    """Aligned rows of one direction, three a document."""
    return [
        {
            "id": f"s/{n}",
            "source": "toy",
            "lang_a": "en",
            "lang_b": "de",
            "text_a": text.format(n=n),
            "text_b": f"Schalte jetzt Lampe {n} in der Halle ein.",
            "document": f"s/{n // 3}",
            "split": "train",
        }
        for n in range(count)
    ]


LAMPS: dict[str, Any] = {
    "conversations": 90,
    "shares": {"translation": 1.0},
    "directions": {"en-de": 1.0},
    "max_tokens": 400,
}


@pytest.fixture
def one_block_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three blocks of 60 rows, of which the first has nothing that is short enough."""
    monkeypatch.setattr(aligned, "BLOCK_ROWS", 60)
    long = [{**row, "text_a": f"{row['text_a']} {'na ' * 200}"} for row in sentences(60)]
    return write_corpora(tmp_path / "corpora", [*long, *sentences(180)[60:]])


def test_what_a_block_of_aligned_text_cannot_give_the_others_make_up(
    one_block_too_long: Path, tmp_path: Path
) -> None:
    runs = [made(tmp_path / n, one_block_too_long, mixture(**LAMPS)) for n in ("one", "two")]
    result, table = runs[0]
    assert len(table) == 90 and table == runs[1][1]
    assert result.rejections["mixture"].counts["translation: no material left"] == 1
    assert result.rows == 180  # each row once, whichever rounds had it
    assert result.uses[1] == 120 and max(n for n, count in result.uses.items() if count) == 1


@pytest.mark.slow
def test_what_is_made_up_does_not_depend_on_the_number_of_workers(
    one_block_too_long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixtures, "SMALL", 0)
    files = []
    for workers in (1, 2):
        made(tmp_path / str(workers), one_block_too_long, mixture(**LAMPS), workers=workers)
        files.append((tmp_path / str(workers) / "train.parquet").read_bytes())
    assert files[0] == files[1]


def test_nothing_is_made_up_where_no_block_has_more(
    one_block_too_long: Path, tmp_path: Path
) -> None:
    tight = {**LAMPS, "max_tokens": 10}
    result, table = made(tmp_path / "none", one_block_too_long, mixture(**tight))
    assert len(table) == 0
    assert result.rejections["mixture"].counts["translation: no material left"] == 3


def test_what_two_blocks_made_alike_is_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aligned, "BLOCK_ROWS", 60)
    corpora = write_corpora(tmp_path / "corpora", [*sentences(60), *sentences(60)])
    result, table = made(tmp_path / "made", corpora, mixture(**LAMPS))
    assert result.tally.duplicates["translation"] > 0
    assert len(table) == 90
    texts = ["\n".join(m["content"] for m in row) for row in table["messages"].to_pylist()]
    assert len(set(texts)) == 90


def test_rows_index_finds_direct_and_joined_segments(corpora: Path) -> None:
    rows = Rows(corpora / "parallel.parquet")
    plain = [row for row in parallel() if row["split"] == "train"]
    assert rows.count == len(plain)
    assert rows.size("zh-en") == rows.size("en-zh") == len(plain) / 2
    assert rows.size("de-zh") == len(plain) / 2
    assert rows.size("fr-en") == 0
    companions = rows.companions(rows.of("de")[:10], "zh")
    table = pq.read_table(corpora / "parallel.parquet").to_pylist()
    own = {table[number]["text_a"] for number in rows.of("de")[:10]}
    assert {table[number]["text_a"] for number in companions} == own
    assert {table[number]["lang_b"] for number in companions} == {"zh"}
    assert np.all(np.diff(companions) > 0)


TALK = [
    {"role": "user", "content": "Wie geht’s? </s> <|im_end|>"},
    {"role": "assistant", "content": "Gut.\n"},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": " 很好！"},
]


@pytest.mark.parametrize(
    ("make", "template"),
    [
        (CharacterTokenizer, "bayling"),
        (chatml_tokenizer, "foundation"),
        (llama3_tokenizer, "bayling-3"),
        (old_llama_tokenizer, "bayling"),
        (legacy_llama_tokenizer, "bayling"),
    ],
)
def test_counted_lengths_are_those_of_encoding(make: Any, template: Any) -> None:
    tokenizer = make()
    several = [TALK, TALK[:2], [{"role": "system", "content": "Be brief."}, *TALK]]
    expected = []
    for messages in several:
        ids, mask = encode(tokenizer, template, messages)
        expected.append((len(ids), sum(mask)))
    assert count_tokens(tokenizer, template, several) == expected


def test_no_more_is_counted_than_tells_that_a_text_is_short_enough() -> None:
    """A word of four bytes is a token here: 600 bytes too many and a cut's 64 are saved by the
    first 900 of 6,000. Of a text without spaces, and of one that has too many words, it is not
    sure; what is known of a word is not counted again."""
    backend = SimpleNamespace(encode_special_tokens=False, asked=[])

    def encode(texts: list[str], add_special_tokens: bool) -> list[list[str]]:
        backend.asked.append(texts)
        return [text.split() for text in texts]

    backend.encode_batch_fast = encode
    tokenizer, known = SimpleNamespace(backend_tokenizer=backend), {}
    texts = ["the " * 1500, "the " * 1500, "x" * 6000, "short enough"]
    assert fits(tokenizer, texts, [5400, 1400, 5400, 12], known) == [True, False, False, True]
    assert known == {"the": 1}
    assert fits(tokenizer, ["the old " * 100 + "x" * 100], [600], known) == [True]
    assert backend.asked == [["a", "a the"], ["a", "a old"]]


@pytest.mark.parametrize("make", [llama3_tokenizer, old_llama_tokenizer, legacy_llama_tokenizer])
def test_limits_of_a_large_mixture_are_exact_with_any_tokenizer(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the conversations have a token more than the limit or a few, half have less."""
    rows = talks(120)
    for number, row in enumerate(rows):
        row["messages"][1]["content"] = " ".join(["the cat"] * (200 + number)) + "猫" * (number % 7)
    lengths = [
        length for length, _ in count_tokens(make(), "bayling", [r["messages"] for r in rows])
    ]
    limit = sorted(lengths)[60] - 1
    values: dict[str, Any] = {"shares": {"general": 1.0}, "directions": {}}
    wanted = mixture(conversations=60, **values, max_tokens=limit)
    corpora = write_corpora(tmp_path / "corpora", general=rows)
    monkeypatch.setattr(gate, "MEASURED_ALL", 0)
    _, table = made(tmp_path / "made", corpora, wanted, load_tokenizer=make)
    kept = count_tokens(make(), "bayling", table["messages"].to_pylist())
    assert sorted(length for length, _ in kept) == [n for n in sorted(lengths) if n <= limit]


def test_lengths_of_a_large_mixture_are_estimated_but_limits_stay_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora = write_corpora(tmp_path / "corpora", general=[*talks(900), *talks(900, "zh")])
    values: dict[str, Any] = {"conversations": 1800, "shares": {"general": 1.0}, "directions": {}}
    free, _ = made(tmp_path / "free", corpora, mixture(**values))
    longest = audit(free, CharacterTokenizer(), "bayling")["tokens"]["by_recipe"]["general"]
    wanted = mixture(**values, max_tokens=int(longest["longest"]) - 1)
    exact, plain = made(tmp_path / "exact", corpora, wanted)
    monkeypatch.setattr(gate, "MEASURED_ALL", 100)
    sampled, table = made(tmp_path / "sampled", corpora, wanted)
    assert table == plain and 0 < len(table) < 1800
    facts = [
        audit(result, CharacterTokenizer(), "bayling")["tokens"] for result in (exact, sampled)
    ]
    assert [fact["sample"] for fact in facts] == [1, 16]
    assert facts[1]["real"] == pytest.approx(facts[0]["real"], rel=0.01)
    assert facts[1]["supervised_share"] == pytest.approx(facts[0]["supervised_share"], rel=0.01)
