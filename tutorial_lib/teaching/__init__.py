"""What the notebooks show and ask: figures, widgets, checks of exercises."""
