"""Sources that no full study uses, as their upstreams have them."""

from __future__ import annotations

from helpers.upstream.hub import Repository
from helpers.upstream.packing import Files, json_array, json_lines, tar_gz, text_of
from helpers.upstream.server import Content

LANGUAGES = ("ar", "de", "es", "fr", "id", "ja", "ko", "pt", "ru", "th", "vi")
POLYLM = "PolyLM-a8b49866ef90ec2db7972d34dececec35bd2df62"
ALMA = "ALMA-10360c33dc875c747315dcf0a5be0d48472c7a4c"
SYSTEMS = (
    *("ALMA-13B-LoRA", "ALMA-13B-R", "GPT-4-1106-preview", "gpt3.5-text-davinci-003"),
    *("MADLAD-10B", "TowerInstruct-7B-v0.1", "WMT_Winners"),
)
DIRECTIONS = ("zh-en", "en-zh", "de-en")


def alpaca_zh() -> bytes:
    rows = [{"instruction": f"第{n}件事", "input": "", "output": f"做完了{n}。"} for n in range(9)]
    return json_array(rows, 2)


def cqia() -> bytes:
    """Rows with the data card's keys, of which the reader wants three."""
    more = {
        "task_type": {"major": ["问答"], "minor": ["逻辑问答"]}, "domain": ["通用"],
        "metadata": "", "answer_from": "human", "human_verified": True, "copyright": "作者",
    }  # fmt: skip
    rows = ({"instruction": f"为什么{n}？", "input": "", "output": "因为。"} for n in range(9))
    return json_lines({**row, **more} for row in rows)


def polylm() -> bytes:
    """A repository with a file a language; where there is no input it is null."""
    files: Files = {"README.md": b"", "LICENSE": b""}
    for code in LANGUAGES:
        rows = [{"instruction": f"{code} {n}", "input": None, "output": "ok"} for n in range(9)]
        files[f"multialpaca/{code}.jsonl"] = json_lines(rows)
    return tar_gz(files, POLYLM)


def alma() -> bytes:
    """A repository with a folder a system and direction, of texts with one answer a line."""
    files: Files = {"LICENSE": b"MIT", "run_llmmt.py": b""}
    for system in SYSTEMS:
        for direction in DIRECTIONS:
            source, target = direction.split("-")
            folder = f"outputs/wmt22_outputs/{system}/{source}{target}"
            name = f"{folder}/test.{direction}.{target}"
            files[name] = text_of(f"{system} {direction} {n}" for n in range(9))
    return tar_gz(files, ALMA)


def web() -> dict[str, Content]:
    return {
        f"https://github.com/DAMO-NLP-MT/PolyLM/archive/{POLYLM[7:]}.tar.gz": polylm,
        f"https://github.com/fe1ixxu/ALMA/archive/{ALMA[5:]}.tar.gz": alma,
    }


def repositories() -> dict[str, Repository]:
    files: dict[str, Files] = {
        "llamafactory/alpaca_zh": {"alpaca_data_zh_51k.json": alpaca_zh(), "README.md": b""},
        "m-a-p/COIG-CQIA": {"COIG-CQIA-full.jsonl": cqia(), "zhihu/zhihu.jsonl": cqia()},
    }
    return {f"datasets/{name}": Repository({"main": one}) for name, one in files.items()}
