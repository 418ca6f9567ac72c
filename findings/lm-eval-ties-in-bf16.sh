#!/usr/bin/env bash
# lm-eval 0.4.13: a model in bf16 finds different choices exactly equally likely.
# One would guess: log-likelihoods are taken from bf16 logits in fp32, as losses of transformers are,
# and two different choices never tie.
# What happens: softmax and sum stay in bf16, with 8 bits: a choice of forty tokens gets a whole
# number, equal ones are common, and the first of them counts as chosen. The option softmax_dtype
# ends it.
# Output seen: of 300 questions with four different choices the best two tie in 122, and all 300 have
# whole numbers alone; with softmax_dtype=float32 none of either.
. "$(dirname "$0")/common.sh"
packages lm-eval==0.4.13 transformers==5.23.0 torch==2.13.0 accelerate==1.15.0
python - <<"END" 2> log || { cat log; exit 1; }
import random

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
words = {sign: number for number, sign in enumerate([*alphabet, "<end>"])}
bytes_alone = Tokenizer(models.BPE(vocab=words, merges=[]))
bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bytes_alone.decoder = decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_alone, eos_token="<end>", pad_token="<end>")
torch.manual_seed(1)
shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
heads = {"num_attention_heads": 4, "vocab_size": len(words), "max_position_embeddings": 256}
model = LlamaForCausalLM(LlamaConfig(**shape, **heads)).to(torch.bfloat16).eval()

draw = random.Random(1)
questions = []
for _ in range(300):
    texts = ["".join(draw.choices("abcdefghij ", k=40)) + "." for _ in range(4)]
    assert len(set(texts)) == 4
    questions.append(texts)
asked = [
    Instance("loglikelihood", {}, ("Which one?", " " + text), number)
    for number, texts in enumerate(questions)
    for text in texts
]


def seen(**options):
    """Returns in how many questions the two most likely choices tie, and all are whole numbers."""
    judge = HFLM(pretrained=model, tokenizer=tokenizer, device="cpu", batch_size=16, **options)
    values = [value for value, _ in judge.loglikelihood(asked, disable_tqdm=True)]
    rows = [sorted(values[start : start + 4]) for start in range(0, len(values), 4)]
    ties = sum(row[-1] == row[-2] for row in rows)
    return ties, sum(all(value == round(value) for value in row) for row in rows)


default, wide = seen(), seen(softmax_dtype="float32")
print(f"of {len(questions)}: ties {default[0]}, whole numbers {default[1]}; in fp32 {wide}")
assert default[0] > 20 and default[1] > 250
assert wide[0] <= 1 and wide[1] == 0
END
