"""The corpora of the full studies: a function a source, its files in upstream's form."""

from __future__ import annotations

import re

import pyarrow as pa

from helpers.interactive_corpus import NOUNS
from helpers.upstream.packing import (
    Files,
    gzipped,
    json_array,
    json_lines,
    parquet,
    text_of,
    zipped,
)
from helpers.upstream.texts import PLACES, articles, pairs, sentences

ARTICLES = 24
ROWS = 12
"""Rows of a language: fewer than those by which a language is told."""
NLLB = (
    *("ast-en", "ceb-en", "ckb-en", "en-ff", "en-jv", "en-kam", "en-kea", "en-lb", "en-lg"),
    *("en-ln", "en-lo", "en-luo", "en-mi", "en-ny", "en-nso", "en-om", "en-sd", "en-sn"),
    *("en-so", "en-sw", "en-tl", "en-umb", "en-wo"),
)
"""Pairs of OPUS, the codes of each in alphabetical order."""
OPUS_100 = (
    "afamanarasazbebgbnbrbscacscydadedzeleoeseteufafifrfygagdglguhahehihrhuhyidigisit"
    "jakakkkmknkokukyliltlvmgmkmlmnmrmsmtmynbnenlnnnoocorpaplpsptrorurwseshsiskslsqsr"
    "svtatetgthtktrttugukuruzviwaxhyiyozhzu"
)
"""The two letters of each language of OPUS-100 besides English."""


def news_commentary(language: str) -> bytes:
    """WMT's training text: two columns, two empty cells between articles; German stands first.

    Some articles are there in both languages, as they are upstream.
    """
    lines = []
    for article in articles(ARTICLES, 0 if language == "zh" else ARTICLES - 4):
        for english, german, chinese in article:
            both = (english, chinese) if language == "zh" else (german, english)
            lines.append("\t".join(both))
        lines.append("\t")
    return gzipped(text_of(lines))


def muse(language: str) -> bytes:
    """A word of each language a line, separated by a blank or a tab; case is kept."""
    place = ("de", "zh").index(language) + 1
    words = [(noun[0], noun[place].rpartition(" ")[2]) for noun in NOUNS]
    words += [(city[0].lower(), city[place]) for city in PLACES]
    return text_of(f"{one} {two}" if number % 2 else f"{one}\t{two}"
                   for number, (one, two) in enumerate(words))  # fmt: skip


def alpaca() -> bytes:
    """An array of instruction, input and output; most inputs are empty."""
    rows = []
    for number, (english, _, _) in enumerate(sentences(220, 100)):
        given = english if number % 5 == 0 else "<noinput>" if number % 17 == 1 else ""
        task = f"Tell the short story number {number} about the following" if given else (
            f"Name three good things about the town in story number {number}."
        )  # fmt: skip
        rows.append(
            {"instruction": task, "input": given, "output": f"{english} It was a good day."}
        )
    return json_array(rows, 4)


def sharegpt() -> bytes:
    """An array of dialogues, with odd roles, turns without text, HTML and halves of long chats."""
    rows = []
    for number, (english, _, chinese) in enumerate(sentences(220, 200)):
        human, gpt = f"What happened in the town, part {number}?", f"{english} People liked it."
        turns: list[dict[str, str | None]]
        turns = [{"from": "human", "value": human}, {"from": "gpt", "value": gpt}]
        if number % 4 == 1:
            more = '<div class="markdown prose"><p>And then <b>all</b> went home.</p></div>'
            turns += [{"from": "human", "value": "And then?"}, {"from": "gpt", "value": more}]
        if number % 9 == 2:
            turns = [turns[1], *turns]  # a half begins where the other ended
        if number % 13 == 3:
            turns[0]["from"], turns[1]["from"] = "user", "chatgpt"
        if number % 13 == 4:
            turns += [{"from": "human", "value": None}, {"from": "bing", "value": chinese}]
        if number % 40 == 5:
            turns = []
        if number % 40 == 6:
            turns.insert(0, {"from": "system", "value": "Answer in few words."})
        rows.append({"id": f"QWJhYvA_{number}", "conversations": turns})
    return json_array(rows, 2)


def opus_100() -> Files:
    """A folder a pair, the codes in alphabetical order; some pairs have no test."""
    files: Files = {"README.md": b"---\n---\n", ".gitattributes": b"*.parquet filter=lfs\n"}
    for code in re.findall("..", OPUS_100):
        pair = "-".join(sorted(("en", code)))
        struct = pa.struct([(side, pa.string()) for side in pair.split("-")])
        schema = pa.schema([("translation", struct)])
        rows = [{"translation": {"en": english, code: text}} for english, text in pairs(
            code, 60 if code == "zh" else ROWS)]  # fmt: skip
        for split in ("train", *(("test", "validation") if code not in ("an", "yo") else ())):
            files[f"{pair}/{split}-00000-of-00001.parquet"] = parquet(rows, schema)
    return files


def nllb(pair: str) -> bytes:
    """OPUS's zip in Moses' form: two sides, scores from best to worst, a licence and a README."""
    code = next(side for side in pair.split("-") if side != "en")
    rows = pairs(code, ROWS)
    return zipped({
        "README": b"Corpus Name: NLLB\n", "LICENSE": b"ODC-BY\n",
        f"NLLB.{pair}.en": text_of(english for english, _ in rows),
        f"NLLB.{pair}.{code}": text_of(text for _, text in rows),
        f"NLLB.{pair}.scores": text_of(f"{1.25 - number / 100:.6f}" for number in range(len(rows))),
    })  # fmt: skip


def belle(first: int) -> bytes:
    """JSON lines in a file called ``.json``, every input empty."""
    return json_lines(
        {"instruction": f"请讲第 {first + number} 个故事。", "input": "",
         "output": f"{chinese}大家都觉得那一天过得很愉快。"}
        for number, (_, _, chinese) in enumerate(sentences(220, first))
    )  # fmt: skip


def slimorca() -> bytes:
    """JSON lines of ShareGPT's form, a weight at each turn: 0 where no loss is taken."""
    return json_lines(
        {"conversations": [
            {"from": "system", "value": "You are an AI assistant.", "weight": None},
            {"from": "human", "value": f"Sum up the report number {number}.", "weight": 0.0},
            {"from": "gpt", "value": f"{english} That is all there is.", "weight": 1.0},
        ]}
        for number, (english, _, _) in enumerate(sentences(220, 300))
    )  # fmt: skip


def ultrachat() -> Files:
    """Parquet shards of four splits, a prompt beside the turns that repeat it."""
    turn = pa.struct([("content", pa.string()), ("role", pa.string())])
    columns = [("prompt", pa.string()), ("prompt_id", pa.string()), ("messages", pa.list_(turn))]
    rows = [_chat(number, triple[0]) for number, triple in enumerate(sentences(60, 400))]
    content = parquet(rows, pa.schema(columns))
    shards = {"train_sft": 3, "test_sft": 1, "train_gen": 3, "test_gen": 1}
    return {
        f"data/{split}-{shard:05}-of-{count:05}-a3ecf92756993583.parquet": content
        for split, count in shards.items()
        for shard in range(count)
    }


def _chat(number: int, english: str) -> dict[str, object]:
    asked = f"Write about the town, part {number}."
    texts = (asked, f"{english} So it was.", "And what came next?", "Nobody in the town knows.")
    roles = ("user", "assistant") * 2
    turns = [{"content": text, "role": role} for text, role in zip(texts, roles, strict=True)]
    return {"prompt": asked, "prompt_id": f"{number:064x}", "messages": turns}


def cc_cedict() -> bytes:
    """Remarks, then entries with both forms, pinyin and glosses; lines end as on Windows."""
    lines = ["# CC-CEDICT", "#! version=1", "#! charset=UTF-8"]
    lines += [f"{noun[2]} {noun[2]} [ci2 yu3] /{noun[0]}/CL:個|个[ge4]/" for noun in NOUNS]
    lines += [f"{city[2]} {city[2]} [di4 ming2] /{city[0]} (city)/" for city in PLACES]
    lines += ["傳統 传统 [chuan2 tong3] /tradition/traditional/", "卅 卅 [sa4] /thirty/"]
    return gzipped("".join(f"{line}\r\n" for line in lines).encode())
