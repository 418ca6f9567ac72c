#!/usr/bin/env bash
# torchmetrics 1.9.0, sacrebleu 2.6.0: sacre_bleu_score is 0 where one order has no match.
# One would guess: the metric named after sacreBLEU has its default, exponential smoothing.
# What happens: it does not smooth, and a whole corpus without a common 4-gram has 0; smooth=True
# does not help, as the check for a bare order comes first. Where all orders match, both agree.
# Output seen: 0.00, with smooth=True 0.00, sacreBLEU 17.97.
. "$(dirname "$0")/common.sh"
packages torchmetrics==1.9.0 torch==2.13.0 sacrebleu==2.6.0
python - <<"END"
from sacrebleu.metrics import BLEU
from torchmetrics.functional.text import sacre_bleu_score

said, meant = ["the cat sat on big mats"], ["the cat lay under some mats"]
plain, smooth = (100 * sacre_bleu_score(said, [meant], smooth=s).item() for s in (False, True))
theirs = BLEU().corpus_score(said, [meant]).score
print(f"torchmetrics {plain:.2f}, smooth=True {smooth:.2f}, sacrebleu {theirs:.2f}")
assert plain == smooth == 0 and round(theirs, 2) == 17.97
said, meant = ["the cat sat on big mats in there"], ["the cat sat on big mats in here"]
close = 100 * sacre_bleu_score(said, [meant]).item()
theirs = BLEU().corpus_score(said, [meant]).score
print(f"where all orders match: {close:.2f} and {theirs:.2f}")
assert abs(close - theirs) < 1e-3
END
