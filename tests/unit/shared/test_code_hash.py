"""Which edit reruns which stage."""

import pytest

from bayling_study.shared.tracking import code


def forget() -> None:
    """Lets this process read all sources again, as another would."""
    for cached in (code.code_hash, code._state, code._imports, code._content):
        cached.cache_clear()


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = tmp_path / "workflow"
    for name, text in {
        "bayling_study/__init__.py": "",
        "bayling_study/core/files.py": "from bayling_study.core import errors\nx = 1",
        "bayling_study/core/files.tsv": "a\tb",
        "bayling_study/core/other.tsv": "a\tb",
        "bayling_study/core/files.md": "# A card",
        "bayling_study/core/errors.py": "",
        "bayling_study/config/__init__.py": "y = 1",
        "bayling_study/a/__init__.py": "",
        "bayling_study/a/__main__.py": (
            "from bayling_study.core import files\nfrom bayling_study.a import one"
        ),
        "bayling_study/a/one.py": "import bayling_study.config",
        "bayling_study/a/inner/__main__.py": "",
        "bayling_study/a/page.html": "<p>",
        "bayling_study/b/__init__.py": "",
        "bayling_study/b/__main__.py": "print(1)",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(code, "ROOT", root)
    monkeypatch.setattr(
        code, "NEUTRAL", {root / "bayling_study/config", root / "bayling_study/core/errors.py"}
    )
    monkeypatch.setattr(code, "KEPT", tmp_path / "kept.json")

    def hashes_after(name: str | None = None, added: str = "edited = 1") -> dict[str, str]:
        if name:
            (root / name).write_text(f"{(root / name).read_text()}\n{added}\n")
        forget()
        return {stage: code.code_hash(f"bayling_study.{stage}") for stage in ("a", "b")}

    return hashes_after


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("bayling_study/a/one.py", {"a"}),
        ("bayling_study/a/page.html", {"a"}),
        ("bayling_study/core/files.py", {"a"}),
        ("bayling_study/core/files.tsv", {"a"}),
        ("bayling_study/core/other.tsv", set()),
        ("bayling_study/core/files.md", {"a"}),
        ("bayling_study/b/__main__.py", {"b"}),
        ("bayling_study/config/__init__.py", set()),
        ("bayling_study/core/errors.py", set()),
        ("bayling_study/a/inner/__main__.py", set()),
    ],
)
def test_an_edit_reruns_what_it_touches(project, edited, changed):
    before = project()
    after = project(edited)
    assert {stage for stage in before if before[stage] != after[stage]} == changed


@pytest.mark.parametrize("words", ["# a comment", '"""A text that stands by itself."""', "\n\n"])
def test_words_rerun_nothing(project, words):
    before = project()
    assert project("bayling_study/a/one.py", words) == before
    assert project("bayling_study/a/one.py", "'a text'.upper()") != before


def test_a_docstring_at_any_place_is_words(project):
    with_words = '"""Doc."""\nclass A:\n    """Doc."""\n    x: int = 1\n    """Doc."""\n'
    without = "class A:\n    x: int = 1\n"
    kept, bare = (code._plain(code.ast.parse(text)) for text in (with_words, without))
    assert kept == bare != code._plain(code.ast.parse("class A:\n    x: int = 2\n"))


@pytest.fixture
def hashed(monkeypatch):
    """The modules whose sources are parsed from here on."""
    found: list[str] = []
    read = code._hash
    monkeypatch.setattr(code, "_hash", lambda module: found.append(module) or read(module))
    return found


BOTH = ["bayling_study.a", "bayling_study.b"]


def test_sources_are_parsed_again_after_an_edit_alone(project, hashed):
    before = project()
    assert project() == before and hashed == BOTH
    assert project("bayling_study/core/files.tsv")["a"] != before["a"]
    assert hashed == BOTH * 2


@pytest.mark.parametrize("kept", ["", "{", "[]", "null", "\0\xff"])
def test_a_damaged_file_of_hashes_is_written_anew(project, hashed, kept):
    before, whole = project(), code.KEPT.read_text()
    code.KEPT.write_text(kept)
    assert project() == before
    assert code.KEPT.read_text() == whole and hashed == BOTH * 2


def test_hashes_are_found_where_nothing_can_be_written(project, monkeypatch, tmp_path):
    before = project()
    (tmp_path / "a-file").touch()
    monkeypatch.setattr(code, "KEPT", tmp_path / "a-file" / "kept.json")
    assert project() == before


def test_nothing_is_kept_of_sources_that_change_meanwhile(project, monkeypatch, tmp_path):
    read = code._hash

    def edited(module: str) -> str:
        (tmp_path / "workflow" / "bayling_study" / "a" / "one.py").write_text(module)
        return read(module)

    monkeypatch.setattr(code, "_hash", edited)
    project()
    assert not code.KEPT.exists()
