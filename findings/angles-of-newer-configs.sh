#!/usr/bin/env bash
# transformers 4.57.6: the base of the rotary angles in a config.json of version 5
# One would guess: version 4 reads a Llama config.json that version 5 wrote, or refuses it.
# What happens: it loads without a word and computes with the base 10000.0, whatever the file says
#   in rope_parameters, the only place where version 5 writes it; the mapping is kept as an
#   attribute that nothing reads. With rope_theta beside it the base is right.
# Output seen: "the file says 500000.0; version 4 computes with 10000.0; with both names 500000.0"
. "$(dirname "$0")/common.sh"
packages transformers==4.57.6 tokenizers==0.22.2
mkdir model
python - <<'END'
import json

import transformers

said = 500000.0
config = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "rope_parameters": {"rope_type": "default", "rope_theta": said},
    "transformers_version": "5.5.4",
}
json.dump(config, open("model/config.json", "w"))
read = transformers.AutoConfig.from_pretrained("model").rope_theta
json.dump(config | {"rope_theta": said}, open("model/config.json", "w"))
both = transformers.AutoConfig.from_pretrained("model").rope_theta
print(f"the file says {said}; version 4 computes with {read}; with both names {both}")
assert (read, both) == (10000.0, 500000.0)
END
