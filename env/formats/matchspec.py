"""Match specs against packages and virtual packages, with py-rattler's own rules (conda CEP 29)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from rattler import PackageRecord
from rattler.match_spec import MatchSpec
from rattler.package import BuildString

from env.formats.pixi_lock import CondaPackage


@cache
def parsed(spec: str) -> MatchSpec:
    """Parse a match spec, e.g. ``numpy >=1.23,<3`` or ``python_abi 3.13.* *_cp313``."""
    return MatchSpec(spec)


def spec_name(spec: str) -> str:
    """Return the package name that a match spec is about."""
    return parsed(spec).name.normalized


def by_name(packages: Iterable[CondaPackage], virtual: Iterable[str]) -> dict[str, PackageRecord]:
    """Return records by name: of packages, and of virtual packages as lock files write them (``__glibc=2.28``)."""
    records: dict[str, PackageRecord] = {package.name: package.record for package in packages}
    for text in virtual:
        name, version, build = [*text.split("="), "0"][:3]
        records[name] = PackageRecord(name, version, BuildString(build), 0, "noarch")
    return records


def satisfied(spec: str, records: Mapping[str, PackageRecord]) -> bool:
    """Say whether a record of the spec's name is there and matches."""
    record = records.get(spec_name(spec))
    return record is not None and parsed(spec).matches(record)
