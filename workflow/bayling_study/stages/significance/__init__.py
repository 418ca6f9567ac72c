"""Which differences between systems are significant."""
