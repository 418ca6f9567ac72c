#!/usr/bin/env bash
# transformers 5.23.0 with gguf 0.19.0: a GGUF file's table of names is made anew for each module.
# One would guess: what a GGUF file calls the tensors of an architecture is looked up in one table,
# made once a model, and the file's header is read once.
# What happens: the table of all layers is made for each module, so that loading takes the square of
# the layers; the header, with every token of the vocabulary, is read twice. Of the 10.7 processor
# seconds that a file of 30 layers and 49,152 tokens took once, these were 8.4, and turning its 272
# tensors into numbers 0.9.
# Output seen: with 2 layers 33 tables, with 4 layers 59, with 8 layers 111: one a module; the header
# twice in each.
. "$(dirname "$0")/common.sh"
packages transformers==5.23.0 torch==2.13.0 gguf==0.19.0 accelerate==1.15.0
python - <<"END" 2> log || { cat log; exit 1; }
import gguf
import numpy as np
from transformers import AutoModelForCausalLM

WIDTH, INNER, HEADS, WORDS = 32, 64, 4, 40


def write(path, layers):
    """Writes a Llama of so many layers, with random weights and a vocabulary of letters."""
    draw = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(WORDS)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([chr(97 + n % 26) * (1 + n // 26) for n in range(WORDS)])
    shapes = {"token_embd": (WORDS, WIDTH), "output": (WORDS, WIDTH), "output_norm": (WIDTH,)}
    for layer in range(layers):
        block = f"blk.{layer}."
        shapes |= {block + f"{part}_norm": (WIDTH,) for part in ("attn", "ffn")}
        shapes |= {block + f"attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
        shapes |= {block + f"ffn_{part}": (INNER, WIDTH) for part in ("gate", "up")}
        shapes[block + "ffn_down"] = (WIDTH, INNER)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", draw.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


calls = {"table": 0, "header": 0}
table, reader = gguf.get_tensor_name_map, gguf.GGUFReader


def counted_table(*arguments):
    calls["table"] += 1
    return table(*arguments)


class CountedReader(reader):
    def __init__(self, *arguments, **options):
        calls["header"] += 1
        super().__init__(*arguments, **options)


gguf.get_tensor_name_map, gguf.GGUFReader = counted_table, CountedReader
for layers in (2, 4, 8):
    write("model.gguf", layers)
    calls |= {"table": 0, "header": 0}
    model = AutoModelForCausalLM.from_pretrained(".", gguf_file="model.gguf")
    modules = sum(1 for _ in model.modules())
    print(f"{layers} layers: {calls['table']} tables, {modules} modules, header {calls['header']} times")
    assert calls["table"] == modules, calls
    assert calls["header"] == 2, calls
END
