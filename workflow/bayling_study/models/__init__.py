"""A system's model: how its checkpoint is loaded, and which template it is prompted with.

Ground level: generation, the perplexity of exports and the chat stand on it, so
that all of them see the same model and the same prompt.
"""
