"""The jobs of the workflow, one package each; no stage imports another."""
