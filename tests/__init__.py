"""Tests, by kind: unit (fast), live (a real server), env, images (both platforms)."""
