"""The recipes, a module each; see ``bayling_study.stages.synthesis.registry``."""
