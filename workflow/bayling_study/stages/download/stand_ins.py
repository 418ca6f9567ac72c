"""Random weights in place of a model's own, for a rehearsal: its architecture, made small.
Tokenizer, template and generation config stay upstream's. Of ``config.json`` only the numbers that
decide width and depth change, the same way for every model: a base and the difference to it still
have equal shapes, and COMET fits its encoder. ``stand-in.json`` says what is not upstream's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedTokenizerFast

from bayling_study.config.rehearsal import STAND_IN_NOTE as NOTE
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.core.seeds import derive_seed
from bayling_study.shared.checkpoints.shards import SINGLE
from bayling_study.shared.checkpoints.skeleton import skeleton, stored_shapes
from bayling_study.shared.sizing.shape import LLAMA_7B, PUBLISHED
from bayling_study.shared.sources.fetched import checkpoint_of
from bayling_study.shared.sources.table import SourceRow
from bayling_study.shared.templates import definitions
from bayling_study.shared.templates.jinja import chat_template
from bayling_study.stages.download.stand_in_comet import HPARAMS, write_comet

HEADS, HEAD_SIZE, LAYERS = 4, 16, 2
WIDTH = HEADS * HEAD_SIZE
ALWAYS = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH}
ALWAYS |= {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
"""What every ``config.json`` says of its size, by transformers' common names."""
SOMETIMES = dict.fromkeys(("n_inner", "ffn_dim", "moe_intermediate_size"), 2 * WIDTH)
SOMETIMES |= {"head_dim": HEAD_SIZE, "rotary_dim": HEAD_SIZE}
"""What some say too."""
SHARED = "num_key_value_heads"
MOST = 20_000_000
"""Parameters of a stand-in beside words of its width: more, and a key was not recognised."""
SUFFIXES = (".safetensors", ".bin", "*")
"""How a pattern ends that wants weights; the encoder of a COMET model comes without."""
CONTEXT = 32768
"""Positions with a tokenizer of bytes, of which a text has several times as many as of tokens."""


def write_stand_in(row: SourceRow, files: Path, why: str = "", weights: Sequence[str] = ()) -> None:
    """Writes random weights beside a model's fetched ``files``, the same for the same ``row.id``;
    of the files ``config.json`` alone changes (``StudyError`` if the source has none, or
    transformers cannot build a small model of its architecture). ``why`` says why nothing could be
    fetched, if so; then all is a stand-in, of published shape. Where all upstream's ``weights`` are
    pickled, so is the stand-in's: a stage that refuses such weights does so in the rehearsal."""
    note = {"why": why} if why else {}
    comet = min(files.rglob(HPARAMS), default=files / HPARAMS)
    if comet.exists() or HPARAMS in row.files:
        write_comet(row, comet, shrunk)
        write_json(comet.with_name(NOTE), {"tokenizer": "none", **note})
        return
    if why:
        _make_small_files(row, files)
    if (found := checkpoint_of(files)) is None:
        fix = "a source of the same model with config.json and safetensors; or leave out its system"
        what = "a rehearsal's stand-in needs the model's config.json, which the source has not"
        raise StudyError(what, where=f"source {row.id}", fix=fix)
    write_json(found / "config.json", shrunk(read_json(found / "config.json")))
    if not row.files or any(pattern.endswith(SUFFIXES) for pattern in row.files):
        _write_weights(row, found, bool(weights) and all(name.endswith(".bin") for name in weights))
    write_json(found / NOTE, {"tokenizer": "stand-in" if why else "upstream", **note})


def shrunk(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of a ``config.json`` with those that decide width and depth made small.
    There are ``HEADS`` heads of ``HEAD_SIZE``; if several shared keys and values, some still do.
    Lists with an entry a layer, or a frequency of the rotation, become as short."""
    model = values.get("model_type")
    kind = model in CONFIG_MAPPING and CONFIG_MAPPING[model]  # its `get` knows of none
    named = getattr(kind, "attribute_map", {})
    names = {key: named.get(key, key) for key in (*ALWAYS, SHARED)}
    small: dict[str, Any] = {names[key]: value for key, value in ALWAYS.items()}
    small |= {key: value for key, value in SOMETIMES.items() if values.get(key)}
    shared = values.get(names[SHARED], getattr(kind, names[SHARED], None))
    if shared:
        ratio = values.get(names["num_attention_heads"], shared) // shared
        small[names[SHARED]] = max(1, HEADS // max(1, ratio))
    if values.get("layer_types"):
        small["layer_types"] = values["layer_types"][:LAYERS]
    for key in ("rope_scaling", "rope_parameters"):
        rope = values.get(key) or {}
        turned = int(HEAD_SIZE * ({**values, **rope}.get("partial_rotary_factor") or 1)) // 2
        lists = {name: item[:turned] for name, item in rope.items() if isinstance(item, list)}
        small |= {key: {**rope, **lists}} if lists else {}
    return {**values, **small}


def _write_weights(row: SourceRow, folder: Path, pickled: bool) -> None:
    """Writes the model that ``config.json`` describes, in its own 16-bit type."""
    values = read_json(folder / "config.json")
    half = "float16" in (values.get("dtype"), values.get("torch_dtype"))
    dtype = torch.float16 if half else torch.bfloat16
    with torch.device("meta"):  # a key that was not recognised may ask for terabytes
        config = (empty := skeleton(folder, dtype)).config
    shapes = stored_shapes(empty)
    count = sum(torch.Size(shape).numel() for shape in shapes.values())
    if count > MOST + 2 * WIDTH * getattr(config, "vocab_size", 0):
        what = f"{values.get('model_type')!r} made small still has {count:,} parameters"
        fix = "leave out its system in the rehearsal"
        raise StudyError(what, where=folder / "config.json", fix=fix)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(0, row.id))
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
    tensors = model.state_dict()
    state = {name: tensors[name].contiguous() for name in shapes}
    if pickled:
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / SINGLE, {"format": "pt"})


def _make_small_files(row: SourceRow, folder: Path) -> None:
    """Writes config and tokenizer of a model of which nothing could be fetched. A model that is not
    in ``PUBLISHED`` is taken for a LLaMA-7B."""
    shape = PUBLISHED.get(row.id, LLAMA_7B)
    marks = [definitions.HEADER, definitions.HEADER_END, definitions.END_OF_TURN]
    begin, end = "<|begin_of_text|>", definitions.END_OF_TEXT
    pieces = [begin, end, *marks, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    # never made of a text, but the model's words: what it says is of as many and is text
    pieces += [f"\u0120{number:x}" for number in range(len(pieces), shape.vocabulary)]
    plain = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, []))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    template = {"single": f"{begin} $A", "special_tokens": [(begin, 0)]}
    plain.post_processor = processors.TemplateProcessing(**template)
    special = {"bos_token": begin, "eos_token": end, "additional_special_tokens": marks}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, model_max_length=CONTEXT, **special)
    tokenizer.chat_template = chat_template(tokenizer, "bayling-3")
    tokenizer.save_pretrained(folder)
    ids = {"bos_token_id": 0, "eos_token_id": 1}
    values = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **ids}
    values |= {"vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT}
    values |= {"num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads}
    write_json(folder / "config.json", values | {"tie_word_embeddings": shape.tied})
    write_json(folder / "generation_config.json", ids)
