"""Libraries that several stages and commands use."""
