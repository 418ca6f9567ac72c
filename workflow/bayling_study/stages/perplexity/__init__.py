"""What 8 bits cost: perplexity of an export and of the system it was made from.

A program of its own inside the export, so that an edit here exports nothing again.
"""
