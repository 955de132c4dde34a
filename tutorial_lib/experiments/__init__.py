"""Measurements over many pictures, as functions: what `python -m tutorial_lib` stores in data/results."""
