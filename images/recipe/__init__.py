"""Recipes and checks: data in TOML, and their JSON schemas."""
