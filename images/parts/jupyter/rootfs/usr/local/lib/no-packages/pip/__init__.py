"""Stands before pip where nothing can be added."""
