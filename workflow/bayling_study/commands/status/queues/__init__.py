"""The jobs of a study in the queues of schedulers: a module each, and their table."""
