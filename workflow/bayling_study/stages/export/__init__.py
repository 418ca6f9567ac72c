"""8-bit export: from any hub-format checkpoint to files that load anywhere."""
