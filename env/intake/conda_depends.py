"""Whether conda packages have what they depend on: a lock that was edited, or merged badly, may lack a package."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from rattler import PackageRecord
from rattler.package import BuildString

from env.formats.matchspec import parsed, spec_name


@dataclass(frozen=True)
class Dependent:
    """A package of an environment, and what it depends on."""

    name: str
    version: str
    """Version and build, as `LockedFile` has them."""
    depends: tuple[str, ...]
    """Match specs."""
    constrains: tuple[str, ...] = ()
    """Match specs of packages that need not be there."""


@dataclass(frozen=True)
class Unmet:
    """A package that lacks something, by name, and what, in words."""

    name: str
    text: str


def unmet_depends(packages: Iterable[Dependent], exactly: Container[str] | None = None) -> Iterator[Unmet]:
    """Yield what packages depend on and is not among them, or not in that version.

    Virtual packages (``__glibc``) are of the machine, and not looked at. Of others than `exactly`, which are all if not
    said otherwise, only the name counts: what a package says of itself may have been corrected in its channel's index.
    """
    found = tuple(packages)
    records = {one.name: _record(one) for one in found}
    versions_of = {one.name: one.version for one in found}
    for one in found:
        for spec in one.depends:
            if reason := _reason(spec, records, versions_of, exactly):
                yield Unmet(one.name, f"{one.name} {one.version} depends on `{spec}`, {reason}")
        for spec in one.constrains if exactly is None else ():
            if spec.partition(" ")[0] in records and (reason := _reason(spec, records, versions_of, exactly)):
                yield Unmet(one.name, f"{one.name} {one.version} goes only with `{spec}`, {reason}")


def _record(one: Dependent) -> PackageRecord:
    version, _, build = one.version.partition(" ")
    return PackageRecord(one.name, version, BuildString(build), _build_number(build), "noarch")


def _build_number(build: str) -> int:
    number = build.rpartition("_")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0  # noqa: PLR2004 - a number


def _reason(
    spec: str,
    records: Mapping[str, PackageRecord],
    versions_of: Mapping[str, str],
    exactly: Container[str] | None,
) -> str:
    if spec.startswith("__") or ";" in spec:
        # What has a condition of its own is the solver's.
        return ""
    try:
        name = spec_name(spec)
        record = records.get(name)
        if record is None:
            return "which is not there"
        fits = (exactly is not None and name not in exactly) or parsed(spec).matches(record)
    except Exception:  # noqa: BLE001 - py-rattler raises bare Exceptions for what it can't parse, and conda could
        return ""
    return "" if fits else f"and there is {versions_of[name]}"
