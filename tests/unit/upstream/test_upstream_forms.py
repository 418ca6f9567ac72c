"""Every corpus of the full studies, in its upstream's form, from the download to its reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bayling_study.stages.corpora.readers import reader_named
from bayling_study.stages.corpora.readers.odd import OddRow
from helpers.upstream.fetching import corpora, fetch, harness_suites, models, table, users
from helpers.upstream.server import Upstreams


def check_rows(rows: list[Any], at_least: int) -> None:
    assert not [row for row in rows if isinstance(row, OddRow)]
    assert len(rows) >= at_least


@pytest.mark.parametrize("source", corpora("parallel"))
def test_parallel_text_is_read(source: str, upstreams: Upstreams, out: Path) -> None:
    fetch(source, upstreams, out)
    found = [one for one in users()[source].corpora.parallel if one.source == source]
    assert found
    for corpus in found:
        rows = list(reader_named(corpus.reader)(out, corpus))
        check_rows(rows, 3 * len(corpus.targets))
        assert {row.lang_b for row in rows if not isinstance(row, OddRow)} == {*corpus.targets}
        assert all(row.text_a and row.text_b for row in rows if not isinstance(row, OddRow))


@pytest.mark.parametrize("source", corpora("conversations"))
def test_conversations_are_read(source: str, upstreams: Upstreams, out: Path) -> None:
    fetch(source, upstreams, out)
    found = [one for one in users()[source].corpora.conversations if one.source == source]
    assert found
    for corpus in found:
        rows = list(reader_named(corpus.reader)(out, corpus))
        check_rows(rows, 3)
        drafts = [row for row in rows if not isinstance(row, OddRow)]
        assert sum(bool(draft.conversation.messages) for draft in drafts) >= 2


@pytest.mark.parametrize("source", corpora("lexicons"))
def test_terms_are_read(source: str, upstreams: Upstreams, out: Path) -> None:
    fetch(source, upstreams, out, rows=20)  # CC-CEDICT begins with remarks
    found = [one for one in users()[source].corpora.lexicons if one.source == source]
    assert found
    for lexicon in found:
        check_rows(list(reader_named(lexicon.reader)(out, lexicon)), 10)


def test_no_source_of_a_full_study_is_left_out() -> None:
    read = {*corpora("parallel"), *corpora("conversations"), *corpora("lexicons"), *models()}
    read |= {suite.source for suite in harness_suites().values()}
    read |= {"bayling-release", "agieval", "flores-101", "sacrebleu-spm"}
    assert read == {*table()}
