#!/usr/bin/env bash
# tokenizers 0.23.3: a byte-level BPE trained on plain text loses the characters it never saw.
# One would guess: byte-level means that any text survives encoding and decoding.
# What happens: without initial_alphabet the vocabulary has only the bytes of the training text;
# a byte without a token is left out: no error, no unknown token.
# Output seen: 'the Cat naïve' comes back as 'the at nae'; with the alphabet it comes back whole.
. "$(dirname "$0")/common.sh"
packages tokenizers==0.23.3
python - <<"END"
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT = "the Cat naïve"


def round_trip(alphabet):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["the cat sat on a mat in the inn"] * 20, trainer)
    return tokenizer.decode(tokenizer.encode(TEXT).ids)


seen, whole = round_trip([]), round_trip(pre_tokenizers.ByteLevel.alphabet())
print(repr(TEXT), repr(seen), repr(whole))
assert seen == "the at nae"
assert whole == TEXT
END
