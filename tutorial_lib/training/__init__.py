"""One loop, and a step for each model."""
