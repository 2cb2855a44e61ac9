"""Notebooks to measure on: real files with known cell ids, about 35 bytes of source a cell."""

from __future__ import annotations

from pathlib import Path

import nbformat


def cell_id(number: int) -> str:
    return f"cell-{number:05d}"


def write(folder: Path, name: str, cells: int) -> str:
    """Write a notebook of `cells` code cells into `folder`; gives its path below the server's root."""
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    notebook.cells = [
        nbformat.v4.new_code_cell(  # type: ignore[no-untyped-call]
            f"value_{number:05d} = compute({number:05d}) + 1", id=cell_id(number), metadata={"trusted": True}
        )
        for number in range(cells)
    ]
    nbformat.write(notebook, folder / name)  # type: ignore[no-untyped-call]
    return name
