#!/usr/bin/env bash
# llama.cpp (xllamacpp 2026.10.11549): which tokens end an answer
# One would guess: those whose ids the GGUF file names (tokenizer.ggml.eos_token_id and its kin).
# What happens: also control tokens whose text is on a list in llama.cpp, such as the <reponame>
#   of code models, although the file names another end; one it does not know is passed over.
# Output seen: "<reponame>: 'xyz' in 4 tokens, stop; <project>: 'xyz' in 8 tokens, length"
. "$(dirname "$0")/common.sh"
packages xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6
python - 2>log <<'END'
import gguf
import numpy as np
import xllamacpp

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]


def write(path, name):
    """A model that counts: after each token it says the next one of the vocabulary."""
    tokens = [*LETTERS, name, *"ABCDEF", "</end>"]
    size = len(tokens)
    control = (name, "</end>")
    writer = gguf.GGUFWriter(path, "llama")
    for key in ("embedding_length", "feed_forward_length"):
        getattr(writer, f"add_{key}")(64)
    for key in ("block_count", "head_count", "head_count_kv"):
        getattr(writer, f"add_{key}")(1)
    writer.add_context_length(256)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in control else 1 for token in tokens])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(size - 1)
    rows = np.random.default_rng(0).normal(size=(size, 64)).astype(np.float32)
    one, zero = np.ones(64, np.float32), np.zeros((64, 64), np.float32)
    writer.add_tensor("token_embd.weight", rows)
    writer.add_tensor("output.weight", np.roll(rows, 1, axis=0))
    writer.add_tensor("output_norm.weight", one)
    for part in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{part}.weight", one)
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{part}.weight", zero)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def answer(name):
    write("model.gguf", name)
    options = xllamacpp.CommonParams()
    options.model.path = "model.gguf"
    options.n_ctx = 256
    options.warmup = False
    options.cpuparams.n_threads = 1
    asked = {"prompt": [LETTERS.index("w")], "max_tokens": 8, "temperature": 0}
    found = xllamacpp.Server(options).handle_completions(asked)
    choice = found["choices"][0]
    return choice["text"][:3], found["usage"]["completion_tokens"], choice["finish_reason"]


seen = {name: answer(name) for name in ("<reponame>", "<project>")}
print("; ".join(f"{n}: {t!r} in {c} tokens, {why}" for n, (t, c, why) in seen.items()))
assert seen["<reponame>"] == ("xyz", 4, "stop")
assert seen["<project>"] == ("xyz", 8, "length")
END
