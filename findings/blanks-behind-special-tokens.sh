#!/usr/bin/env bash
# llama.cpp (xllamacpp 2026.10.11549), tokenizers 0.22.2: the blank before a text
# One would guess: add_space_prefix of a GGUF file puts one blank before a text, as its name says
#   and as Metaspace("first") of the vocabulary's tokenizer.json does.
# What happens: llama.cpp puts a blank behind every special token as well, so that each turn of
#   a conversation begins with one that the model was not trained with.
# Output seen: "a</s>a</s>a: tokenizers 6 tokens, llama.cpp 8, without add_space_prefix 5"
. "$(dirname "$0")/common.sh"
packages xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6 tokenizers==0.22.2
python - 2>log <<'END'
import gguf
import numpy as np
import xllamacpp
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

MARK, TEXT = "\u2581", "a</s>a</s>a"
TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), MARK, "a", "b"]
TYPES = [2, 3, 3] + [6] * 256 + [1] * 3


def write(path, prefix):
    writer = gguf.GGUFWriter(path, "llama")
    for key in ("embedding_length", "feed_forward_length"):
        getattr(writer, f"add_{key}")(64)
    for key in ("block_count", "head_count", "head_count_kv"):
        getattr(writer, f"add_{key}")(1)
    writer.add_context_length(256)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(TOKENS)
    writer.add_token_types(TYPES)
    writer.add_token_scores([-float(number) for number in range(len(TOKENS))])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(prefix)
    one, zero = np.ones(64, np.float32), np.zeros((64, 64), np.float32)
    writer.add_tensor("token_embd.weight", np.eye(len(TOKENS), 64, dtype=np.float32))
    writer.add_tensor("output_norm.weight", one)
    for part in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{part}.weight", one)
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{part}.weight", zero)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def counted(prefix):
    write("model.gguf", prefix)
    options = xllamacpp.CommonParams()
    options.model.path = "model.gguf"
    options.n_ctx = 256
    options.warmup = False
    options.cpuparams.n_threads = 1
    asked = {"prompt": TEXT, "max_tokens": 1, "temperature": 0}
    return xllamacpp.Server(options).handle_completions(asked)["usage"]["prompt_tokens"]


vocabulary = {token: number for number, token in enumerate(TOKENS)}
own = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
own.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
own.add_special_tokens([AddedToken("</s>", special=True, normalized=False)])
first = len(own.encode(TEXT).ids)
both = counted(True), counted(False)
print(f"{TEXT}: tokenizers {first} tokens, llama.cpp {both[0]}, without add_space_prefix {both[1]}")
assert (first, *both) == (6, 8, 5)
END
