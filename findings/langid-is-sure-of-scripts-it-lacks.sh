#!/usr/bin/env bash
# langid 1.1.6, lingua 2.1.1: a script that was not in the training data is Amharic for sure.
# One would guess: for N'Ko or Burmese, which langid.py does not know, its probability is low.
# What happens: norm_probs gives 0.9999 and more for Amharic, so no threshold filters it. lingua
# gives no language at all for scripts it lacks, real Amharic and Khmer among them.
# Output seen: N'Ko am 0.9999994, Burmese am 0.9999961; lingua None for these, Amharic and Khmer.
. "$(dirname "$0")/common.sh"
packages langid==1.1.6 lingua-language-detector==2.1.1
python - <<"END"
from langid.langid import LanguageIdentifier, model
from lingua import LanguageDetectorBuilder

TEXTS = {
    "N'Ko": "ߒߞߏ ߦߋ߫ ߛߓߍߛߎ߲߫ ߠߎ߬ ߟߊ߫ ߞߊ߲߫ ߘߏ߫ ߘߌ߫",
    "Burmese": "လူတိုင်းသည် တူညီ လွတ်လပ်သော",
    "Amharic": "አማርኛ የኢትዮጵያ የሥራ ቋንቋ ነው።",
    "Khmer": "ភាសាខ្មែរគឺជាភាសាផ្លូវការរបស់ប្រទេសកម្ពុជា",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระ",
}
known = LanguageIdentifier.from_modelstring(model, norm_probs=True)
detector = LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()
seen = {}
for name, text in TEXTS.items():
    code, probability = known.classify(text)
    found = detector.detect_language_of(text)
    seen[name] = code, probability, found and found.name
    print(f"{name}: langid {code} {probability:.7f}, lingua {seen[name][2]}")
assert not {"nqo", "my"} & set(known.nb_classes) and "am" in known.nb_classes
for name in ("N'Ko", "Burmese"):
    assert seen[name][0] == "am" and seen[name][1] > 0.9999
assert [seen[name][2] for name in TEXTS] == [None, None, None, None, "THAI"]
END
