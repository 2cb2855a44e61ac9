"""Which environment to take where the person names none: the first whose source answers within two seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlsplit

from env.formats.lock import Lock
from env.index.mirrors import PROBE_S, answers, bases


def choose(candidates: Mapping[str, Sequence[Lock]], stored: Callable[[str], bool]) -> tuple[str, str]:
    """Return the first environment that can be had, and why it is that one.

    Only conda's channels are asked: every environment needs Debian's archive and the Python package index, so these
    decide nothing. `stored` says whether a sha256 is here already. The last candidate is taken unasked; where its
    sources are out of reach too, the fetch says so.
    """
    passed: list[str] = []
    *preferred, last = candidates
    for environment in preferred:
        usable, why = _probe(candidates[environment], stored)
        if usable:
            return environment, "; ".join([why, *passed])
        passed.append(f"no {environment}, since {why}")
    return last, "; ".join(passed) or "the recipe has no other"


def _probe(locks: Sequence[Lock], stored: Callable[[str], bool]) -> tuple[bool, str]:
    lacking = [file for lock in locks if lock.source == "conda" for file in lock.files if not stored(file.sha256)]
    if not lacking:
        return True, "the store holds all of its conda packages"
    file = lacking[0]
    addresses = bases(file.archive or "")
    for base in addresses:
        if answers(f"{base}{quote(file.file)}", PROBE_S / len(addresses)):
            return True, f"{urlsplit(base).netloc} answers"
    hosts = " and ".join(urlsplit(base).netloc for base in addresses)
    return False, f"{hosts} does not answer within {PROBE_S:.0f} s"
