#!/usr/bin/env bash
# tokenizers 0.23.3, transformers 5.23.0: the dropout of training is saved and stays switched on.
# One would guess: BPE dropout belongs to training; a loaded tokenizer gives the same ids always.
# What happens: tokenizer.json keeps "dropout", there is no evaluation mode, and AutoTokenizer
# splits the same text in another way at each call.
# Output seen: more than 10 ways to split one sentence in 30 calls; 1 with dropout None.
. "$(dirname "$0")/common.sh"
packages tokenizers==0.23.3 transformers==5.23.0
python - <<"END"
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

TEXT = "the cat sat on the mat"
made = Tokenizer(models.BPE())
made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
made.train_from_iterator([TEXT] * 20, trainers.BpeTrainer(vocab_size=60, show_progress=False))
counts = {}
for dropout in (None, 0.5):
    made.model.dropout = dropout
    PreTrainedTokenizerFast(tokenizer_object=made).save_pretrained("saved")
    loaded = AutoTokenizer.from_pretrained("saved")
    counts[dropout] = len({tuple(loaded(TEXT).input_ids) for _ in range(30)})
print("ways to split:", counts)
assert counts[None] == 1
assert counts[0.5] > 10
END
