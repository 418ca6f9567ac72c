#!/usr/bin/env bash
# sacrebleu 2.6.0: --paired-ar calls two systems different that differ in one answer of a hundred.
# One would guess: where one answer differs, exchanging answers at random says nothing: whichever
# way it falls, the difference is as large as the one observed, so that p is 1.
# What happens: only larger differences are counted, and equal ones are not: p is the smallest that
# there is, 1 / (trials + 1), and the line is marked as significant. --paired-bs is not misled.
# Output seen: p 0.0010 by approximate randomisation, 0.2607 by the paired bootstrap (chrF2).
. "$(dirname "$0")/common.sh"
packages sacrebleu==2.6.0
python - <<"END"
from sacrebleu.metrics import CHRF
from sacrebleu.significance import PairedTest

references = [f"The {number} red lamps of the house are on tonight" for number in range(100)]
first, second = list(references), list(references)
second[7] = "The red house"


def p_value(test):
    """Returns the p-value of the second system against the first."""
    systems = [("first", first), ("second", second)]
    _, found = PairedTest(systems, {"chrF2": CHRF()}, [references], test, n_samples=1000)()
    return found["chrF2"][1].p_value


randomisation, bootstrap = p_value("ar"), p_value("bs")
print(f"p {randomisation:.4f} by approximate randomisation, {bootstrap:.4f} by the bootstrap")
assert randomisation == 1 / 1001
assert bootstrap > 0.2
END
