"""Demands of one's own: each module registers functions with ``@demand``; see ``registry``."""
