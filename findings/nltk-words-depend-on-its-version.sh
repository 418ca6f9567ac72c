#!/usr/bin/env bash
# nltk 3.9.1 and 3.10.4: the same tokenizer of the same pattern finds half the words in Hindi.
# One would guess: RegexpTokenizer(r"\w+") finds what re.findall(r"\w+") does, in every version; so
# IFEval and Multi-IF count words, and whether "at most 100 words" is met depends on the answer.
# What happens: 3.10 compiles patterns by the package regex, whose \w has the vowel signs of Indic
# scripts and the tone marks of Thai, at which re parts a word. Scores of length constraints in such
# languages compare only at one version of nltk.
# Output seen: words in Hindi, Tamil, Thai and English
#   3.9.1: 11 4 6 3 (re: 11 4 6 3)
#   3.10.4: 5 2 1 3 (re: 11 4 6 3)
. "$(dirname "$0")/common.sh"
cat >"$work/words.py" <<"END"
import re
import sys

import nltk
from nltk.tokenize import RegexpTokenizer

TEXTS = ["मुझे हिन्दी में उत्तर दीजिए", "தமிழ் மொழி", "ฉันกินข้าวที่บ้าน", "Hello world, again"]
found = [len(RegexpTokenizer(r"\w+").tokenize(text)) for text in TEXTS]
plain = [len(re.findall(r"\w+", text)) for text in TEXTS]
print(f"{nltk.__version__}:", *found, "(re:", *plain, ")")
assert plain == [11, 4, 6, 3]
assert found == [int(number) for number in sys.argv[1:]]
END
program=$work/words.py
packages nltk==3.9.1
python "$program" 11 4 6 3
packages nltk==3.10.4
python "$program" 5 2 1 3
