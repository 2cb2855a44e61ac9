"""Measures, side by side, what the tools of this extension and of its peers cost. It never asserts a time."""
