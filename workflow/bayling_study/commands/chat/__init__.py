"""Chatting with a system of a study in a terminal; its models and answers also serve and play use.

Not a stage: nothing is measured or written. Models load as in generation, prompts are rendered
as in tuning, so that what people try is what the report scored.
"""
