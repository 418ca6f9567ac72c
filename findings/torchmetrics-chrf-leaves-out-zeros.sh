#!/usr/bin/env bash
# torchmetrics 1.9.0, sacrebleu 2.6.0: chrf_score leaves wholly wrong translations out.
# One would guess: a corpus in which nine of ten translations share nothing with theirs scores low.
# What happens: a segment counts only where its own score is above 0 (the "best" reference is
# chosen with > 0); otherwise its reference's n-grams are in no sum, and recall does not fall.
# Output seen: one right and nine empty: 100.00, sacreBLEU 47.71; nine wrong: 96.34 and 47.07.
. "$(dirname "$0")/common.sh"
packages torchmetrics==1.9.0 torch==2.13.0 sacrebleu==2.6.0
python - <<"END"
from sacrebleu.metrics import CHRF
from torchmetrics.functional.text import chrf_score

RIGHT = "the cat sat on the mat today"
meant = [RIGHT] + ["qq ww zz"] * 9


def scores(said, meant):
    ours = 100 * chrf_score(said, [[text] for text in meant], n_word_order=0).item()
    return ours, CHRF().corpus_score(said, [meant]).score


empty, wrong = scores([RIGHT] + [""] * 9, meant), scores([RIGHT] + ["xx"] * 9, meant)
alone = scores([RIGHT + " again"], [RIGHT])
for name, pair in {"nine empty": empty, "nine wrong": wrong, "one segment": alone}.items():
    print(f"{name}: torchmetrics {pair[0]:.2f} sacrebleu {pair[1]:.2f}")
assert empty[0] > 99.99 and round(wrong[0], 2) == 96.34 and max(empty[1], wrong[1]) < 60
assert abs(alone[0] - alone[1]) < 0.1
END
