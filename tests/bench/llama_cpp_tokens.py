"""Do our GGUF files give llama.cpp the same token ids as the tokenizer that they were made from?

    python -m venv /tmp/llama && /tmp/llama/bin/pip install llama-cpp-python==0.3.36
    python tests/bench/llama_cpp_tokens.py --python /tmp/llama/bin/python \\
        smollm2=resources/foundation/smollm2-… llama-2=…/ggml-vocab-llama-spm.gguf \\
        llama-3=…/ggml-vocab-llama-bpe.gguf

A vocabulary is a folder with ``tokenizer.json``, or a GGUF file such as those that llama.cpp's
source holds (``vendor/llama.cpp/models`` of the package above). Each is written as the export
writes it, without weights, and 200 texts (names of CLDR in 20 scripts, with blanks, lines and
digits between them) are tokenised by both. Prints the equal ones and the first that differs.
llama-cpp-python is compiled for minutes, so this is no part of the tests.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import gguf
from babel import Locale
from transformers import AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

LOCALES = (
    *("en", "ru", "el", "ar", "he", "hi", "bn", "ta", "te", "th"),
    *("lo", "km", "my", "ka", "hy", "am", "zh", "ja", "ko", "si"),
)
"""One of each script."""
EACH, NAMES = 10, 6
BLANK = "▁"
JOINTS = (", ", " ", "  ", "\n", "\n\n", " – ", " (12,345) ", "\t", "; 3.14 ", "… ")
OTHER_SIDE = """
import json, sys, llama_cpp as c
job = json.load(open(sys.argv[1]))
c.llama_backend_init()
quiet = c.llama_log_callback(lambda *_: None)
c.llama_log_set(quiet, None)
options = c.llama_model_default_params()
options.vocab_only = True
model = c.llama_model_load_from_file(job["file"].encode(), options)
vocabulary, room = c.llama_model_get_vocab(model), (c.llama_token * 8192)()
ids = []
for text in job["texts"]:
    raw = text.encode()
    count = c.llama_tokenize(vocabulary, raw, len(raw), room, 8192, False, False)
    ids.append(list(room[:count]))
print(json.dumps(ids))
"""


def texts() -> list[str]:
    """Returns the 200 texts, ten of each script; every second begins with a blank."""
    made = []
    for locale in LOCALES:
        names = sorted(Locale.parse(locale).territories.values())
        bounds = range(0, EACH * NAMES + 1, NAMES)
        for place, (start, end) in enumerate(pairwise(bounds)):
            made.append(" " * (place % 2) + JOINTS[place].join(names[start:end]))
    return made


def folder_of(source: Path, scratch: Path) -> Path:
    """Returns a folder with ``tokenizer.json``, made from a GGUF file where it is one.

    transformers reads vocabulary and merges of a GGUF file; what Llama-2's and Llama-3's own
    files say beyond that is put back.
    """
    if source.is_dir():
        return source
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(scratch)
    path = scratch / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    if values["model"]["byte_fallback"]:
        blank = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
        steps = [{"type": "Prepend", "prepend": BLANK}, blank]
        values |= {"normalizer": {"type": "Sequence", "normalizers": steps}, "pre_tokenizer": None}
    else:
        values["model"]["ignore_merges"] = True
    path.write_text(json.dumps(values), encoding="utf-8")
    return scratch


def write_vocabulary(folder: Path, path: Path) -> None:
    """Writes a tokenizer as the export does, in a model of no weights."""
    from bayling_study.stages.export.gguf_tokenizer import add_tokenizer

    size = len(AutoTokenizer.from_pretrained(folder))
    writer = gguf.GGUFWriter(str(path), "llama")
    for key in ("context_length", "embedding_length", "feed_forward_length"):
        getattr(writer, f"add_{key}")(64)
    for key in ("block_count", "head_count", "head_count_kv"):
        getattr(writer, f"add_{key}")(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(size)
    add_tokenizer(writer, folder, size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def compare(name: str, source: Path, python: str) -> bool:
    """Prints how many texts have equal ids; tells whether all have."""
    asked = texts()
    with tempfile.TemporaryDirectory() as scratch:
        folder = folder_of(source, Path(scratch) / "tokenizer")
        file, job = Path(scratch) / "vocabulary.gguf", Path(scratch) / "job.json"
        write_vocabulary(folder, file)
        job.write_text(json.dumps({"file": str(file), "texts": asked}))
        done = subprocess.run(
            [python, "-c", OTHER_SIDE, str(job)], check=True, capture_output=True, text=True
        )
        theirs = json.loads(done.stdout)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ours = [
            tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
            for text in asked
        ]
    wrong = [
        place for place, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1]
    ]
    print(f"{name}: {len(asked) - len(wrong)} of {len(asked)} texts have equal ids")
    for place in wrong[:1]:
        print(f"  {asked[place]!r}\n  ours   {ours[place]}\n  theirs {theirs[place]}")
    return not wrong


def main() -> None:
    """Compares the vocabularies that are named; the status is 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="an interpreter with llama-cpp-python")
    parser.add_argument("vocabularies", nargs="+", metavar="NAME=PATH")
    options = parser.parse_args()
    pairs = [word.partition("=")[::2] for word in options.vocabularies]
    equal = [compare(name, Path(path), options.python) for name, path in pairs]
    sys.exit(0 if all(equal) else 1)


if __name__ == "__main__":
    main()
