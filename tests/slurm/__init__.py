"""The study on a real SLURM cluster that lives on this machine for a few minutes."""
