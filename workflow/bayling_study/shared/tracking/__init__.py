"""Run records, and their way into MLflow."""
