"""Sources, fetched and verified: one job per source."""
