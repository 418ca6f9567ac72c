"""Has CTranslate2 convert a checkpoint: FROM TO TYPE."""

import sys

import ctranslate2

source, target, kind = sys.argv[1:]
converter = ctranslate2.converters.TransformersConverter(source)
converter.convert(target, quantization=kind, force=True)
