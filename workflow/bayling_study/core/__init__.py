"""The ground floor: what knows nothing of a study."""
