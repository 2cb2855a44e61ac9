"""The files: locks, manifests and the rules of their formats."""
