"""The page of a rehearsal, made from what a run that never got far has left."""

from __future__ import annotations

import pytest

from bayling_study.commands.rehearse.page import write_page
from bayling_study.config import load_config
from bayling_study.core.files import write_json
from bayling_study.dag.layout import Layout
from helpers.tiny import write_study


@pytest.fixture
def config(tmp_path):
    return load_config(write_study(tmp_path))


def test_what_did_not_run_is_told_and_texts_are_escaped(config, tmp_path):
    layout, overlay = Layout(config), tmp_path / "overlay.yaml"
    overlay.write_text("a: <script>alert(1)</script>\n", encoding="utf-8")
    rejected = {"script": 7, "url": 2}
    groups = {"homeassistant/zh": {"read": 9, "kept": 0, "rejected": rejected}}
    write_json(layout.study / "corpora" / "report.json", {"parallel": {"groups": groups}})
    text = write_page(config, config, overlay)
    assert "corpora homeassistant/zh: 9 rows read, none kept: script (7)" in text
    assert "- jobs that did not run, for what they need failed: download 3, foundation 1," in text
    assert "every stage ran" not in text
    page = (layout.study / "rehearsal.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert (layout.study / "rehearsal.txt").read_text(encoding="utf-8") == text
