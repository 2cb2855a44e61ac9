"""Versions of the site that lie side by side."""

from __future__ import annotations

from pathlib import Path

from docs.site.versions import write_versions


def test_the_newest_release_is_first_and_the_one_that_is_opened(tmp_path: Path) -> None:
    for name in ("0.9.0", "main", "0.10.0", ".0.11.0.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text("")
    (tmp_path / "half").mkdir()
    write_versions(tmp_path)
    assert (tmp_path / "versions.js").read_text() == 'window.docsVersions = ["0.10.0", "0.9.0", "main"];\n'
    assert 'url=0.10.0/index.html"' in (tmp_path / "index.html").read_text()
