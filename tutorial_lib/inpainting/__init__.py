"""The paper's method, an equation a module: importance (3), losses (4, 5), latent_search (2), blending (6), pipeline."""
