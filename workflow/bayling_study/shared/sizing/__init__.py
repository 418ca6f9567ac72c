"""What training a model of a shape takes: memory, operations, and the ZeRO stage that fits. The
plan says by the same formulas before anything starts what the training will choose."""
