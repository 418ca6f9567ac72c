"""The recipes, a module each; see ``bayling_study.synthesis.registry``."""
