"""A fault: something that a lock promises and does not hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault, with the package and platform it is about."""

    file: str
    """The lock."""
    package: str
    platform: str
    """Any of the field's names for it; empty where the fault is about all platforms."""
    text: str

    def __str__(self) -> str:
        where = f" on {self.platform}" if self.platform else ""
        return f"{self.file}: {self.package}{where}: {self.text}"
