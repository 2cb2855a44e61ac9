"""What a conda package is called on PyPI: the same, but for the table below."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from packaging.utils import canonicalize_name

from env.formats.pixi_lock import CondaPackage

EXCEPTIONS = MappingProxyType(
    {
        # conda-forge divides a distribution: the part with the code has its own name, the whole has no code.
        "brotli-python": "brotli",
        "duckdb": None,
        "matplotlib": None,
        "matplotlib-base": "matplotlib",
        "nbconvert": None,
        "nbconvert-core": "nbconvert",
        "pyarrow": None,
        "pyarrow-core": "pyarrow",
        "python-duckdb": "duckdb",
        "seaborn": None,
        "seaborn-base": "seaborn",
        # conda-forge marks Python bindings as such.
        "python-fastjsonschema": "fastjsonschema",
        "python-librt": "librt",
        "python-tzdata": "tzdata",
        # Python itself, and packages that only make it a certain one.
        "_python_abi3_support": None,
        "cpython": None,
        "python": None,
        "python-gil": None,
        "python_abi": None,
    }
)
"""PyPI name by conda name; None is a package that PyPI does not have."""
_PYTHON = {"python", "python_abi"}


def pypi_name(package: CondaPackage) -> str | None:
    """Return the normalised PyPI name of what a conda package installs, or None where it is no Python distribution."""
    if package.name in EXCEPTIONS:
        return EXCEPTIONS[package.name]
    if not any(depend.partition(" ")[0] in _PYTHON for depend in package.depends):
        return None
    return canonicalize_name(package.name)


def distributions(packages: Iterable[CondaPackage]) -> dict[str, str]:
    """Return the version of each Python distribution that conda packages bring, by PyPI name."""
    named = ((pypi_name(package), package.version) for package in packages)
    return {name: version for name, version in named if name is not None}
