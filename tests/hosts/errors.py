"""What can go wrong with a host."""

from __future__ import annotations


class HostError(Exception):
    """A host did not do what was asked."""
