"""Full fine-tuning: instructions and a foundation to a tuned checkpoint. ``__main__`` prepares a
job, ``launcher`` runs its processes (``worker``). ``packing`` decides what a step learns from,
``sequences`` computes the loss, ``engine`` is DeepSpeed, ``checkpoints`` keeps the work, ``output``
writes the result."""
