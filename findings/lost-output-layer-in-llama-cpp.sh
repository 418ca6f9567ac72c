#!/usr/bin/env bash
# llama.cpp (xllamacpp 2026.10.11549): a GGUF file that lost its output layer
# One would guess: a missing output.weight is an error, as any other missing matrix is.
# What happens: it loads, and the embedding takes its place: GGUF has no key that says whether the
#   two are tied. The model below counts; without its output layer it repeats itself.
# Output seen: "whole: 'xyzA'; without output.weight: 'wwww'; without ffn_down: refused"
. "$(dirname "$0")/common.sh"
packages xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6
python - 2>log <<'END'
import gguf
import numpy as np
import xllamacpp

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]


def write(path, missing):
    """A model that counts: after each token it says the next one of the vocabulary."""
    tokens = [*LETTERS, *"ABCDEF", "</end>"]
    size = len(tokens)
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
    writer.add_token_types([3 if token == "</end>" else 1 for token in tokens])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(size - 1)
    rows = np.random.default_rng(0).normal(size=(size, 64)).astype(np.float32)
    one, zero = np.ones(64, np.float32), np.zeros((64, 64), np.float32)
    tensors = {"token_embd": rows, "output": np.roll(rows, 1, axis=0), "output_norm": one}
    tensors |= {f"blk.0.{part}": one for part in ("attn_norm", "ffn_norm")}
    matrices = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    tensors |= {f"blk.0.{part}": zero for part in matrices}
    for tensor, values in tensors.items():
        if tensor != missing:
            writer.add_tensor(f"{tensor}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def answer(missing):
    write("model.gguf", missing)
    options = xllamacpp.CommonParams()
    options.model.path = "model.gguf"
    options.n_ctx = 256
    options.warmup = False
    options.cpuparams.n_threads = 1
    asked = {"prompt": [LETTERS.index("w")], "max_tokens": 4, "temperature": 0}
    try:
        return xllamacpp.Server(options).handle_completions(asked)["choices"][0]["text"]
    except RuntimeError:
        return "refused"


whole, untied, broken = answer(None), answer("output"), answer("blk.0.ffn_down")
print(f"whole: {whole!r}; without output.weight: {untied!r}; without ffn_down: {broken}")
assert (whole, untied, broken) == ("xyzA", "wwww", "refused")
END
