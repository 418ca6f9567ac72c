"""Stage ``download``: fetches and verifies sources, and makes foundation checkpoints of them."""
