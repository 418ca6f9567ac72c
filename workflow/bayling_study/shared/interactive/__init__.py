"""Interactive translation: demands, the conversations made of them, and their checks."""
