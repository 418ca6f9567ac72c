"""BayLing's delta form: a tuned checkpoint as its difference to the base, and back. The authors
release BayLing-7B and -13B so because the base's licence forbids passing on its weights (their
``apply_delta.py``: target = base + delta for every tensor, in fp16). Both ways go through the
shards one tensor at a time."""
