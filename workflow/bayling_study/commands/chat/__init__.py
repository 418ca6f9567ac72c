"""Chatting with a system of a study in a terminal; serve and play use its models and answers, too.
Not a stage: nothing is measured or written. Models load as in generation, prompts are rendered as
in tuning, so that what people try is what the report scored."""
