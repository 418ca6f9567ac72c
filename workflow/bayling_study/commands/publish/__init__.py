"""Publishing a tuned system: gathered, checked, and uploaded to a model hub."""
