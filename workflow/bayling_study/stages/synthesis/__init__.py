"""Instruction synthesis: recipes, mixture, decontamination, audit and data card."""
