"""A base model in the hub's format, with tokenizer and chat template."""
