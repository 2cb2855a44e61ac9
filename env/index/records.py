"""conda records from a folder: a channel's index as it was on one day, for where the channel can't be reached."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zstandard

from env.errors import RecordsError

"""Environment variable that names a folder of records."""
_NOT_THE_CHANNELS = ("purls", "run_exports")
"""What pixi adds to records in its locks and a channel's own index (repodata.json) does not have."""


def unpack_records(folder: Path, subdirs: Sequence[str], work: Path) -> None:
    """Put ``SUBDIR/repodata.json`` of each subdir below `work`, as the channel itself would say it.

    Raises:
        RecordsError: a subdir is missing or is not repodata (conda CEP 36).

    """
    for subdir in subdirs:
        data = _load(folder / subdir)
        for kind in ("packages", "packages.conda"):
            for record in data.get(kind, {}).values():
                for key in _NOT_THE_CHANNELS:
                    record.pop(key, None)
        (work / subdir).mkdir(parents=True)
        (work / subdir / "repodata.json").write_text(json.dumps(data), encoding="utf-8")


def _load(folder: Path) -> dict[str, Any]:
    plain, packed = folder / "repodata.json", folder / "repodata.json.zst"
    try:
        if plain.is_file():
            content = plain.read_bytes()
        else:
            with packed.open("rb") as file:
                content = zstandard.ZstdDecompressor().stream_reader(file).read()
        data = json.loads(content)
    except FileNotFoundError:
        raise RecordsError(folder, "neither repodata.json nor repodata.json.zst") from None
    except (ValueError, zstandard.ZstdError) as error:
        raise RecordsError(folder, f"not repodata: {error}") from None
    if not isinstance(data, dict) or "packages.conda" not in data:
        raise RecordsError(folder, "not repodata: no packages.conda")
    return data
