"""Full fine-tuning: instructions and a foundation to a tuned checkpoint.

``data`` encodes conversations, ``packing`` decides which of them a step learns
from and in which sequences, ``sequences`` computes a sequence's loss, ``engine`` is DeepSpeed,
``checkpoints`` keeps the work, ``worker`` is one training process, ``launcher``
runs them, ``output`` writes the result.
"""
