"""What the Snakefile asks for: rules, paths, profiles, GPUs, one run at a time."""
