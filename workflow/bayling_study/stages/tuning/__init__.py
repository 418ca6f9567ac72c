"""Full fine-tuning: instructions and a foundation to a tuned checkpoint.

``encoded`` takes over what the stage ``masks`` encoded, ``packing`` decides which
conversations a step learns from and in which sequences, ``sequences`` computes a
sequence's loss, ``schedule`` gives a step's learning rate, ``engine`` is
DeepSpeed, ``checkpoints`` keeps the work, ``worker`` is one training process,
``launcher`` runs them, ``output`` writes the result.
"""
