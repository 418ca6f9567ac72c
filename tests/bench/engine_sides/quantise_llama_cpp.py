"""Has llama.cpp make a Q8_0 file of its own: FROM.gguf TO.gguf."""

import sys

import llama_cpp as c

options = c.llama_model_quantize_default_params()
options.ftype = c.LLAMA_FTYPE_MOSTLY_Q8_0
sys.exit(c.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), options))
