"""What 8 bits cost: perplexity of an export and of the system it was made from. A stage of its own,
so that an edit here exports nothing again."""
