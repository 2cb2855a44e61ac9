"""Small pylock.toml files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def pylock(packages: Mapping[str, str]) -> str:
    """Return a pylock.toml with a pure wheel of each package, version by name."""
    entries = [
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\nwheels = [{{ name = "{_file(name, version)}", '
        f'url = "https://files.index.invalid/{_file(name, version)}", '
        f'hashes = {{ sha256 = "{hashlib.sha256(name.encode()).hexdigest()}" }} }}]\n'
        for name, version in packages.items()
    ]
    return 'lock-version = "1.0"\ncreated-by = "a test"\n' + "".join(entries)


def _file(name: str, version: str) -> str:
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
