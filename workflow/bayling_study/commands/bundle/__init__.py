"""Carrying a study to a machine without a network: pack what it needs, verify what arrived. Above
all stages, like ``plan``: it reads the configuration and what was fetched."""
