"""The study on real schedulers that live on this machine for a few minutes; SLURM has its own."""
