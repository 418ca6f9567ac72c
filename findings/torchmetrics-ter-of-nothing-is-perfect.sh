#!/usr/bin/env bash
# torchmetrics 1.9.0, sacrebleu 2.6.0: the translation edit rate of an empty output is 0, the best.
# One would guess: an empty hypothesis needs all words of the reference inserted: TER 100.
# What happens: its edits are counted as 0 while the reference's length stays in the sum, so that
# a system improves its TER by saying nothing where it would be wrong.
# Output seen: nothing at all 0.00 against 100.00; one of two empty 0.00 against 41.67.
. "$(dirname "$0")/common.sh"
packages torchmetrics==1.9.0 torch==2.13.0 sacrebleu==2.6.0
python - <<"END"
from sacrebleu.metrics import TER
from torchmetrics.functional.text import translation_edit_rate


def rates(said, meant):
    ours = 100 * translation_edit_rate(said, [[text] for text in meant]).item()
    return round(ours, 2), round(TER().corpus_score(said, [meant]).score, 2)


RIGHT, OTHER = "the cat sat on the mat today", "it then went to sleep"
print("nothing", rates([""], [RIGHT]), "one of two", rates([RIGHT, ""], [RIGHT, OTHER]))
print("one word of two", rates([RIGHT, "it"], [RIGHT, OTHER]))
assert rates([""], [RIGHT]) == (0, 100)
assert rates([RIGHT, ""], [RIGHT, OTHER]) == (0, 41.67)
assert rates([RIGHT, "it"], [RIGHT, OTHER]) == (33.33, 33.33)
END
