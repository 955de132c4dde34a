"""Rendered sets: endless labelled faces, house numbers and cars, drawn by this library."""
