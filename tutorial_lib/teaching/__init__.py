"""What the notebooks show and ask: figures, widgets, exercises."""
