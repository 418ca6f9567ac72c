"""Has llama.cpp make a file of its own: FROM.gguf TO.gguf TYPE, such as Q8_0 or BF16."""

import sys

import llama_cpp as c

source, target, kind = sys.argv[1:]
options = c.llama_model_quantize_default_params()
options.ftype = getattr(c, f"LLAMA_FTYPE_MOSTLY_{kind}")
sys.exit(c.llama_model_quantize(source.encode(), target.encode(), options))
