#!/usr/bin/env bash
# nltk 3.10.4, sacrebleu 2.6.0: corpus_chrf does not pool the corpus, also with the same beta.
# One would guess: with beta=2 it is sacreBLEU's chrF2 of the corpus.
# What happens: it is the mean of the sentences' scores, in which a short bad translation weighs
# as much as a long one; sacreBLEU sums the counts of all sentences first.
# Output seen: 46.28 against 41.86, while the first sentence alone has 77.09 in both.
. "$(dirname "$0")/common.sh"
packages nltk==3.10.4 sacrebleu==2.6.0
python - <<"END"
from nltk.translate.chrf_score import corpus_chrf, sentence_chrf
from sacrebleu.metrics import CHRF

said = ["the cat sat on the mat today", "He said no"]
meant = ["the cat sat on a mat today", "He said yes and more words follow here"]
of_nltk = 100 * corpus_chrf(meant, said, beta=2)
mean = 100 * sum(sentence_chrf(r, h, beta=2) for r, h in zip(meant, said)) / 2
pooled = CHRF().corpus_score(said, [meant]).score
one = 100 * sentence_chrf(meant[0], said[0], beta=2)
same = CHRF().sentence_score(said[0], meant[:1]).score
print(f"nltk {of_nltk:.2f}, mean {mean:.2f}, sacrebleu {pooled:.2f}")
print(f"the first sentence: {one:.2f} and {same:.2f}")
assert abs(of_nltk - mean) < 1e-9 and abs(one - same) < 0.01
assert round(of_nltk, 2) == 46.28 and round(pooled, 2) == 41.86
END
