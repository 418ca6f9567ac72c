"""BayLing's delta form: a tuned checkpoint as its difference to the base, and back.

The authors release BayLing-7B and -13B as differences because the base's licence
forbids passing on its weights (their ``apply_delta.py``: target = base + delta for
every tensor, in fp16). ``making`` writes such a folder, ``applying`` restores the
target from it; both go through the shards one tensor at a time.
"""
