"""The package without its repository: what the wheel holds, and what it does in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from btviz.cli import app
from btviz.store import released_notebooks

ROOT = Path(__file__).parents[1]

NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))

CORE = (
    *("annotated_doc", "anyio", "certifi", "click", "filelock", "fsspec", "h11", "hf_xet", "httpcore", "httpx"),
    *("huggingface_hub", "icu4py", "idna", "markdown_it", "mdurl", "narwhals", "numpy", "numpy.libs", "packaging"),
    *("platformdirs", "polars", "_polars_runtime_32", "pygments", "requests", "rich", "rjieba", "shellingham"),
    *("sniffio", "tqdm", "typer", "typing_extensions.py", "urllib3", "yaml", "zstandard", "_yaml", "icu4py.libs"),
)
"""What the dependencies of the core are imported as: all that the environment has beside the wheel."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and the core dependencies, no extras, outside of the repository."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(place), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip("the wheel cannot be built here: its build system cannot be fetched")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "env")], check=True)
    (wheel,) = place.glob("*.whl")
    packages = next((place / "env" / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as content:
        content.extractall(packages)
    (data,) = packages.glob("btviz-*.data")
    (data / "data" / "share").rename(place / "env" / "share")
    record = next(packages.glob("btviz-*.dist-info")) / "RECORD"
    lines = record.read_text().replace(f"{data.name}/data/share", "../../../share")
    record.write_text(lines)
    here = Path(sysconfig.get_path("purelib"))
    for name in CORE:
        if (here / name).exists():
            (packages / name).symlink_to(here / name)
    for facts in here.glob("*.dist-info"):  # some packages ask for their own version
        if not facts.name.startswith("btviz"):
            (packages / facts.name).symlink_to(facts)
    return place / "env"


def run(environment: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`btviz` of that environment, in a folder outside of the repository."""
    python = environment / "bin" / "python"
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "BTVIZ"))}
    clean["BTVIZ_DATA_DIR"] = str(cwd / "data")
    command = [str(python), "-m", "btviz", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=clean)


@pytest.mark.slow
def test_the_wheel_works_outside_of_the_repository(installed: Path, tmp_path: Path):
    copied = run(installed, "notebooks", "mine", cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == NOTEBOOKS
    shown = run(installed, "data", "show", "sample", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "synthetic sample" in shown.stdout
    counted = run(installed, "stats", "categories", "sample", "--json", cwd=tmp_path)
    assert json.loads(counted.stdout)


@pytest.mark.slow
def test_without_an_extra_a_command_says_which_one_it_needs(installed: Path, tmp_path: Path):
    refused = run(installed, "figures", "sample", "--out", "out", cwd=tmp_path)
    assert refused.returncode == 2
    assert "btviz[figures]" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_notebooks_with_work_in_them_are_not_replaced(tmp_path: Path):
    first = CliRunner().invoke(app, ["notebooks", str(tmp_path / "mine")])
    assert first.exit_code == 0
    (tmp_path / "mine" / NOTEBOOKS[0]).write_text("my work")
    again = CliRunner().invoke(app, ["notebooks", str(tmp_path / "mine")])
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    assert (tmp_path / "mine" / NOTEBOOKS[0]).read_text() == "my work"
    CliRunner().invoke(app, ["notebooks", str(tmp_path / "mine"), "--overwrite"])
    assert (tmp_path / "mine" / NOTEBOOKS[0]).read_bytes() == released_notebooks()[0].read_bytes()
