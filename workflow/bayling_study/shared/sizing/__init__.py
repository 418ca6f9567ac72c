"""What training a model of a shape takes: memory, operations, and the ZeRO stage that fits.

Below all stages, so that the plan says before anything starts what the training
will choose, from the same formulas.
"""
