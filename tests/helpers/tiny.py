"""A whole study in miniature: upstream files in their real formats, a tiny random model.

Everything is made here from a seed; nothing is downloaded. The catalogues hold
sentences of invented word lists whose "translations" map word by word, so that
cleaning, splitting and synthesis meet text in the right scripts.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

LANGUAGES = {"en": "en", "zh": "zh-Hans", "de": "de", "cs": "cs", "ru": "ru"}
SYLLABLES = {
    "en": ["ba", "ke", "lo", "mi", "nu", "ra", "se", "ti", "vo", "wy"],
    "de": ["bä", "kei", "lau", "mie", "nü", "rä", "sch", "ti", "vö", "wu"],
    "cs": ["bá", "ké", "ló", "mi", "nů", "ra", "še", "tí", "vo", "wy"],
    "ru": ["ба", "ке", "ло", "ми", "ну", "ра", "се", "ти", "во", "вы"],
    "zh": ["把", "可", "落", "米", "怒", "拉", "色", "提", "我", "为"],
}
WORDS = 240
COMPONENTS = 40
STRINGS = 14
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def sentence(language: str, numbers: list[int]) -> str:
    """Returns the sentence that a list of word numbers means in a language."""
    sounds = SYLLABLES[language]
    words = ["".join(sounds[int(digit)] for digit in f"{number:03d}") for number in numbers]
    if language == "zh":
        return "".join(word[:2] for word in words) + "。"
    return " ".join(words).capitalize() + "."


def write_catalogues(root: Path, rng: random.Random) -> None:
    """Writes translation catalogues, a folder a component, as Home Assistant ships them."""
    for component in range(COMPONENTS):
        folder = root / "homeassistant" / "components" / f"part_{component}" / "translations"
        folder.mkdir(parents=True)
        texts = [[rng.randrange(WORDS) for _ in range(rng.randint(6, 10))] for _ in range(STRINGS)]
        for code, upstream in LANGUAGES.items():
            entries = {f"key_{i}": sentence(code, numbers) for i, numbers in enumerate(texts)}
            catalogue = {"config": {"step": {"user": {"data": entries}}}}
            path = folder / f"{upstream}.json"
            path.write_text(json.dumps(catalogue, ensure_ascii=False), encoding="utf-8")


def write_instructions(root: Path, rng: random.Random) -> None:
    """Writes Alpaca items and ShareGPT dialogues, as LLaMA-Factory ships them."""
    folder = root / "data"
    folder.mkdir(parents=True)
    for language in ("en", "zh"):

        def words(count: int, code: str = language) -> str:
            return sentence(code, [rng.randrange(WORDS) for _ in range(count)])

        items = [{"instruction": words(6), "input": "", "output": words(9)} for _ in range(40)]
        (folder / f"alpaca_{language}_demo.json").write_text(
            json.dumps(items, ensure_ascii=False), encoding="utf-8"
        )


def write_foundation(folder: Path, seed: int = 1) -> None:
    """Writes a tiny random Llama checkpoint with a byte-level tokenizer and a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=384, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    texts = [sentence(code, [n, n + 1]) for code in LANGUAGES for n in range(0, WORDS, 7)]
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        model_input_names=["input_ids", "attention_mask"],
        chat_template=CHAT_TEMPLATE,
    )
    set_seed(seed)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=fast.convert_tokens_to_ids("<|im_start|>"),
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)


SOURCES = (
    "id\tkind\tlocation\trevision\tfiles\tsha256\tbytes\tlicence\tgated\tconfirmed\tnote\n"
    "catalogues\tlocal\t{root}/catalogues\t\thomeassistant/**\t\t\tCC0-1.0\tno\t\t\n"
    "instructions\tlocal\t{root}/instructions\t\tdata/*.json\t\t\tCC0-1.0\tno\t\t\n"
    "tiny-model\tlocal\t{root}/model\t\t\t\t\tCC0-1.0\tno\t\t\n"
)


def write_study(root: Path, name: str = "tiny") -> Path:
    """Writes the upstream files and the config of the miniature study; returns the config.

    Results and resources go under ``root`` too.
    """
    rng = random.Random(7)
    upstream = root / "upstream"
    write_catalogues(upstream / "catalogues", rng)
    write_instructions(upstream / "instructions", rng)
    write_foundation(upstream / "model")
    sources = root / "sources.tsv"
    sources.write_text(SOURCES.format(root=upstream), encoding="utf-8")
    path = root / f"{name}.yaml"
    path.write_text(yaml.safe_dump(study(root, name, sources), sort_keys=False), encoding="utf-8")
    return path


def study(root: Path, name: str, sources: Path) -> dict:
    """Returns the configuration of the miniature study."""
    trained = ["zh-en", "en-zh", "de-en", "en-de"]
    decoding = {"beams": 1, "max_new_tokens": 12}
    conversations = [
        {
            "source": "instructions",
            "reader": "alpaca",
            "path": f"data/alpaca_{language}_demo.json",
            "language": language,
        }
        for language in ("en", "zh")
    ]
    languages = {code: upstream for code, upstream in LANGUAGES.items() if code != "en"}
    return {
        "study": {
            "name": name,
            "title": "Miniature study",
            "results": str(root / "results"),
            "resources": str(root / "resources"),
        },
        "download": {"manifest": str(sources)},
        "corpora": {
            "parallel": [
                {"source": "catalogues", "reader": "homeassistant", "languages": languages}
            ],
            "conversations": conversations,
            "cleaning": {"max_foreign_share": 1},  # its words are invented
            "split": {"test_share": 0.3},
        },
        "synthesis": {
            "mixtures": {
                "default": {
                    "conversations": 120,
                    "shares": {"translation": 0.6, "interactive": 0.3, "general": 0.1},
                    "directions": dict.fromkeys(trained, 0.25),
                    "turns": {2: 1.0},
                    "max_tokens": 448,
                }
            }
        },
        "systems": {
            "foundation": {"kind": "foundation", "source": "tiny-model"},
            "tuned": {"kind": "tuned", "base": "foundation", "mixture": "default"},
            "tuned-int8": {"kind": "int8", "base": "tuned"},
        },
        "tuning": {
            "learning_rate": 1e-3,
            "epochs": 1,
            "batch": 16,
            "max_length": 512,
            "gradient_checkpointing": False,
            "zero_stage": 2,
        },
        "suites": {
            "translation": {
                "kind": "translation",
                "directions": [*trained, "cs-en"],
                "zero_shot": ["cs-en"],
                "segments": 8,
                "decoding": decoding,
            },
            "interactive": {
                "kind": "interactive",
                "directions": trained,
                "conversations": 4,
                "turns": {2: 1.0},
                "decoding": decoding,
            },
        },
        "comet": {
            "embedded": {
                "rows": 300,
                "epochs": 1,
                "hidden": 32,
                "vocabulary": 300,
                "held_out": 60,
                "min_spearman": -1.0,
            }
        },
        "scoring": {"bootstrap": {"samples": 100}},
        "report": {"baseline": "foundation"},
    }
