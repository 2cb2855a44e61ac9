"""What the locks below env/locks/ promise: Debian packages, wheels, and overlays that add and never replace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from env.errors import EnvError
from env.formats.additions import ADDITIONS, additions_text, find_additions
from env.formats.freshness import expected_spec, target_of
from env.formats.lock import Lock, LockedFile, lock_text
from env.formats.lock_fault import Fault
from env.formats.markers import marked_requirements
from env.formats.wheel_tags import supported_tags
from env.resolve.requirements import LAB, RequirementsFile, hashes, pins
from env.spec import DEBIAN, Tree, debian_spec, group_requirements, source_requirements, spec_digest


def check_lock(lock: Lock, tree: Tree) -> Iterator[Fault]:
    """Return the faults of one lock of a tree by itself."""
    name, platform = lock.file_name, str(lock.platform)
    try:
        if lock.spec != expected_spec(lock, tree):
            yield Fault(name, "every package", platform, f"is stale: run `./noxw -s lock -- {target_of(lock)}`")
    except EnvError:
        yield Fault(name, "every package", platform, "can't be compared with pixi.lock, which has faults of its own")
    if tree.content(tree.locks / name) != lock_text(lock).encode():
        yield Fault(name, "the file", platform, "is not as `./noxw -s lock` writes it: was it edited by hand?")
    for package, count in Counter(file.name for file in lock.files).items():
        if count > 1:
            yield Fault(name, package, platform, f"is provided {count} times")
    yield from _check_debian(lock, tree) if lock.source in DEBIAN else _check_wheels(lock)


def check_requirements_file(file: RequirementsFile, tree: Tree) -> Iterator[Fault]:
    """Yield what the groups of a requirements file ask for and it has not, and what it has without a hash."""
    path = tree.locks / file.name
    if not path.is_file():
        yield Fault(file.name, "every package", "", "is missing: run `./noxw -s lock`")
        return
    text = tree.content(path).decode()
    pinned = {
        name: [version.partition(";")[0].strip() for version in versions.split(" | ")]
        for name, versions in pins(text).items()
    }
    for line in group_requirements(tree, *file.groups):
        wanted = Requirement(line)
        has = pinned.get(canonicalize_name(wanted.name), [])
        if not any(wanted.specifier.contains(Version(version), prereleases=True) for version in has):
            lack = f"is asked for as `{line}`, and there is {' and '.join(has) or 'none'}"
            yield Fault(file.name, wanted.name, "", lack)
    hashed = hashes(text)
    for name, versions in pinned.items():
        for version in versions:
            if not hashed.get((name, version)):
                yield Fault(file.name, name, "", f"{version} has no sha256")


def check_additions(tree: Tree, known: Mapping[tuple[str, str], frozenset[str]]) -> Iterator[Fault]:
    """Yield the faults of the list of what `--with jupyter` may add; `known` are lab.txt's digests."""
    path, every = tree.locks / ADDITIONS, "every package"
    try:
        packages = [one for ones in find_additions(tree).values() for one in ones]
    except EnvError as error:
        yield Fault(ADDITIONS, every, "", str(error))
        return
    if tree.content(path) != additions_text(spec_digest("with-jupyter", tree), packages).encode():
        yield Fault(ADDITIONS, "the file", "", "is not as `./noxw -s lock` writes it: was it edited by hand?")
    for one in packages:
        digests = known.get((one.name, one.version))
        for wheel in one.wheels:
            if digests is not None and wheel.sha256 not in digests:
                yield Fault(ADDITIONS, one.name, "", f"{wheel.file} has a sha256 that {LAB.name} does not have")
    for line in source_requirements("with-jupyter", tree):
        wanted = Requirement(line)
        has = [one.version for one in packages if one.name == canonicalize_name(wanted.name)]
        if not any(wanted.specifier.contains(Version(version), prereleases=True) for version in has):
            lack = f"is asked for as `{line}`, and there is {' and '.join(has) or 'none'}"
            yield Fault(ADDITIONS, wanted.name, "", lack)


def check_same_files(locks: Iterable[Lock]) -> Iterator[Fault]:
    """Yield files that two locks name with different content."""
    seen: dict[str, tuple[LockedFile, Lock]] = {}
    for lock in locks:
        for file in lock.files:
            first, where = seen.setdefault(file.file, (file, lock))
            if (first.sha256, first.size) != (file.sha256, file.size):
                text = f"has another sha256 or size in {where.file_name}"
                yield Fault(lock.file_name, file.name, str(lock.platform), text)


def check_universal(lock: Lock, known: Mapping[tuple[str, str], frozenset[str]]) -> Iterator[Fault]:
    """Return wheels whose digest is not among those that lab.txt has for the same version, which are `known`."""
    for file in lock.files:
        digests = known.get((file.name, file.version))
        if digests is not None and file.sha256 not in digests:
            yield Fault(lock.file_name, file.name, str(lock.platform), f"has a sha256 that {LAB.name} does not have")


def check_overlay(lock: Lock, below: Mapping[str, str]) -> Iterator[Fault]:
    """Yield what an overlay replaces of the distributions below it (version by name)."""
    for file in lock.files:
        if file.name in below:
            text = f"would replace {file.name} {below[file.name]}"
            yield Fault(lock.file_name, file.name, str(lock.platform), text)


def check_requirements(lock: Lock, below: Mapping[str, str], asked: Sequence[str]) -> Iterator[Fault]:
    """Yield what the spec or a wheel of the lock requires, and neither the lock nor what is below it has."""
    whole = {**below, **{file.name: file.version for file in lock.files}}
    for line in marked_requirements(asked, lock.platform):
        yield from _unmet(lock, "the spec", line, whole)
    for file in lock.files:
        for line in file.requires:
            yield from _unmet(lock, file.name, line, whole)


def _unmet(lock: Lock, who: str, line: str, whole: Mapping[str, str]) -> Iterator[Fault]:
    requirement = Requirement(line)
    version = whole.get(canonicalize_name(requirement.name))
    if version is None or not requirement.specifier.contains(Version(version), prereleases=True):
        package = requirement.name if who == "the spec" else who
        text = f"{who} requires `{line}`, and there is {version or 'none'}"
        yield Fault(lock.file_name, package, str(lock.platform), text)


def _check_wheels(lock: Lock) -> Iterator[Fault]:
    tags = frozenset(supported_tags(lock.platform))
    for file in lock.files:
        try:
            name, version, _, has = parse_wheel_filename(file.file)
        except InvalidWheelFilename:
            yield Fault(lock.file_name, file.name, str(lock.platform), f"{file.file} is not a wheel's name")
            continue
        if (name, version) != (canonicalize_name(file.name), Version(file.version)):
            yield Fault(lock.file_name, file.name, str(lock.platform), f"{file.file} is another package or version")
        if not tags & has:
            yield Fault(lock.file_name, file.name, str(lock.platform), f"{file.file} is for another platform or Python")


def _check_debian(lock: Lock, tree: Tree) -> Iterator[Fault]:
    names = {file.name for file in lock.files}
    for package in debian_spec(lock.source, tree).packages:
        if package not in names:
            yield Fault(lock.file_name, package, str(lock.platform), "is asked for and not in the lock")
    for file in lock.files:
        if not file.file.endswith((f"_{lock.platform.debian}.deb", "_all.deb")):
            yield Fault(lock.file_name, file.name, str(lock.platform), f"{file.file} is for another architecture")
        if file.archive is None:
            yield Fault(lock.file_name, file.name, str(lock.platform), "names no archive")
