"""Activation scripts read as data: what they would set is found, and what is more than setting is named."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images.rootfs.activation import read_activation
from tests.support.needs import needs


def prefix(tmp_path: Path, **scripts: str) -> Path:
    folder = tmp_path / "etc/conda/activate.d"
    folder.mkdir(parents=True)
    for name, text in scripts.items():
        (folder / f"{name}.sh").write_text(text)
    return tmp_path


SIMPLE = """
# Tell the library where its data is.
export ONE="${CONDA_PREFIX}/share/one"
TWO='single $quotes'
export TWO
export THREE="${UNSET:-fallback}/${ONE}"
"""
GLIB = """
export GSETTINGS_SCHEMA_DIR_CONDA_BACKUP=${GSETTINGS_SCHEMA_DIR:-}
export GSETTINGS_SCHEMA_DIR=$CONDA_PREFIX/share/glib-2.0/schemas
"""
APPENDING = """
if test -n "${CATALOGS:-}"; then
    export before="${CATALOGS}"
    CATALOGS+=" "
else
    export before=""
    CATALOGS=""
fi
own="file://${CONDA_PREFIX// /%20}/etc/catalog file:///etc/catalog"
export CATALOGS+="${own}"
"""
CONDITIONAL = """
if [[ -n "${GDAL_DATA:-}" ]]; then
  export OLD_GDAL_DATA="$GDAL_DATA"
fi
if [ -d "$CONDA_PREFIX/share/gdal" ]; then
  export GDAL_DATA="$CONDA_PREFIX/share/gdal"
elif [ -d "$CONDA_PREFIX/Library/share/gdal" ]; then
  export GDAL_DATA="$CONDA_PREFIX/Library/share/gdal"
else
  export GDAL_DATA="none"
fi
if [ ! -f "$CONDA_PREFIX/share/gdal/missing" ]
then
  export GDAL_MISSING="yes"
fi
"""


def test_assignments_are_expanded(tmp_path: Path) -> None:
    found = read_activation(prefix(tmp_path, simple=SIMPLE))
    assert found.unread == ()
    assert found.variables == {
        "CONDA_PREFIX": "/opt/env",
        "ONE": "/opt/env/share/one",
        "TWO": "single $quotes",
        "THREE": "fallback//opt/env/share/one",
    }


def test_a_default_is_not_quoted_where_a_package_does_not(tmp_path: Path) -> None:
    found = read_activation(prefix(tmp_path, glib=GLIB))
    assert found.unread == ()
    assert found.variables == {"CONDA_PREFIX": "/opt/env", "GSETTINGS_SCHEMA_DIR": "/opt/env/share/glib-2.0/schemas"}


@pytest.mark.parametrize("given", ["", "file:///theirs"])
def test_what_is_appended_and_substituted_is_what_bash_makes_of_it(tmp_path: Path, given: str) -> None:
    place = prefix(tmp_path, a=f'export CATALOGS="{given}"\n', b=APPENDING)
    found = read_activation(place)
    assert found.unread == ()
    text = "".join(path.read_text() for path in sorted((place / "etc/conda/activate.d").iterdir()))
    run = subprocess.run(
        ["bash", "-c", f"{text}\nenv -0"], env={"CONDA_PREFIX": "/opt/env"}, capture_output=True, text=True, check=True
    )
    told = dict(line.split("=", 1) for line in run.stdout.split("\0") if line)
    assert {name: told.get(name) for name in found.variables} == dict(found.variables)
    assert found.variables["CATALOGS"].endswith("file:///opt/env/etc/catalog file:///etc/catalog")


def test_a_variable_of_a_scripts_own_is_not_in_the_images_environment(tmp_path: Path) -> None:
    text = "OWN=one\nexport GIVEN=${OWN}/two\nLATER=three\n"
    found = read_activation(prefix(tmp_path, a=text, b='export SEEN="$OWN"\nexport LATER\n'))
    assert found.variables == {"CONDA_PREFIX": "/opt/env", "GIVEN": "one/two", "SEEN": "one", "LATER": "three"}


def test_conditions_look_into_the_prefix(tmp_path: Path) -> None:
    place = prefix(tmp_path, gdal=CONDITIONAL)
    assert read_activation(place).variables["GDAL_DATA"] == "none"
    (place / "Library/share/gdal").mkdir(parents=True)
    assert read_activation(place).variables["GDAL_DATA"] == "/opt/env/Library/share/gdal"
    (place / "share/gdal").mkdir(parents=True)
    found = read_activation(place)
    assert found.variables["GDAL_DATA"] == "/opt/env/share/gdal"
    assert found.variables["GDAL_MISSING"] == "yes"
    assert "OLD_GDAL_DATA" not in found.variables


@needs("dash")
@pytest.mark.parametrize("text", [SIMPLE, CONDITIONAL.replace("[[", "[").replace("]]", "]")])
def test_a_shell_comes_to_the_same(tmp_path: Path, text: str) -> None:
    found = read_activation(prefix(tmp_path, script=text))
    script = "".join(f'test "${name}" = "$EXPECTED_{name}" || exit 1\n' for name in found.variables)
    expected = {f"EXPECTED_{name}": value for name, value in found.variables.items()}
    run = subprocess.run(["dash", "-c", text + script], env={"CONDA_PREFIX": "/opt/env", **expected}, check=False)
    assert run.returncode == 0


def test_variables_given_as_data_come_first_and_scripts_see_them(tmp_path: Path) -> None:
    place = prefix(tmp_path, script='export LATER="${DATA}/more"\n')
    (place / "etc/conda/env_vars.d").mkdir()
    (place / "etc/conda/env_vars.d/a.json").write_text('{"DATA": "given"}')
    found = read_activation(place)
    assert (found.variables["DATA"], found.variables["LATER"]) == ("given", "given/more")


@pytest.mark.parametrize(
    "text",
    [
        "export A=$(id -u)\n",
        "export A=`id`\n",
        "rm -rf $HOME\n",
        "export A=1; touch /tmp/x\n",
        'source "$CONDA_PREFIX/other.sh"\n',
        'if [ -d "/etc/passwd.d" ]; then\nexport A=1\nfi\n',
        'if [ "$A" = b ]; then\nexport A=1\nfi\n',
        'if [ -n "$A" ]; then\nexport A=1\n',
        "for f in a b; do export A=$f; done\n",
        'export A="${B%/*}"\n',
        "fi\n",
    ],
)
def test_a_script_that_does_more_is_named_and_sets_nothing(tmp_path: Path, text: str) -> None:
    found = read_activation(prefix(tmp_path, bad=f"export BEFORE=1\n{text}", good="export GOOD=1\n"))
    assert found.unread == ("/opt/env/etc/conda/activate.d/bad.sh",)
    assert found.variables == {"CONDA_PREFIX": "/opt/env", "GOOD": "1"}


NAMES = st.sampled_from(["A", "B", "LONG_NAME"])
PIECES = st.sampled_from(
    [
        "x",
        "/y",
        " ",
        "$A",
        "${B}",
        "${A:-d}",
        "${B-d}",
        "${CONDA_PREFIX}/s",
        "'",
        '"',
        "$",
        ";",
        "#",
        "\\",
        "~",
        "=",
        "!",
    ]
)
TEXTS = st.lists(PIECES, max_size=4).map("".join)
VALUES = st.one_of(TEXTS, TEXTS.map(lambda text: f'"{text}"'), TEXTS.map(lambda text: f"'{text}'"))
ASSIGNMENTS = st.tuples(st.sampled_from(["", "export "]), NAMES, VALUES).map(lambda one: f"{one[0]}{one[1]}={one[2]}")
TESTS = st.tuples(st.sampled_from(["-n", "-z", "! -n"]), NAMES).map(lambda one: f'[ {one[0]} "${{{one[1]}:-}}" ]')
BLOCKS = st.tuples(TESTS, ASSIGNMENTS, TESTS, ASSIGNMENTS, ASSIGNMENTS).map(
    lambda one: f"if {one[0]}; then\n  {one[1]}\nelif {one[2]}; then\n  {one[3]}\nelse\n  {one[4]}\nfi"
)
SCRIPTS = st.lists(st.one_of(ASSIGNMENTS, BLOCKS), min_size=1, max_size=5).map(lambda lines: "\n".join(lines) + "\n")


@needs("dash")
@given(SCRIPTS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_read_is_what_a_shell_sets(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = read_activation(prefix(Path(folder), script=text))
    if found.unread:
        return
    run = subprocess.run(
        ["dash", "-c", f"{text}\nexec env -0"],
        env={"CONDA_PREFIX": "/opt/env", "HOME": "/h", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = dict(line.split("=", 1) for line in run.stdout.split("\0") if line)
    for name in ("A", "B", "LONG_NAME"):
        assert told.get(name, "") == found.variables.get(name, "")
