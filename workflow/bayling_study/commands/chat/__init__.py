"""Chatting with a system of a study: a terminal chat, and an OpenAI-compatible server.

Not a stage: nothing is measured and nothing is written. It loads models as
generation does and renders prompts as tuning does, so that what people try here
is what the report scored.
"""
