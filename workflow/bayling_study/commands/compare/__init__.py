"""Two studies, or two systems, side by side: what differs in how they were made and in scores."""
