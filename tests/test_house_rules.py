import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import house_rules
import pytest
from house_rules import LONGEST, RULES, VAGUE

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "btviz"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def distribution(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement)[0].lower().replace("_", "-")


def brought_by(extra: str) -> set[str]:
    """Distributions of an extra, those of the extras it contains included."""
    found = set()
    for requirement in EXTRAS[extra]:
        nested = re.match(r"btviz\[(.+)\]", requirement)
        found |= set().union(*map(brought_by, nested[1].split(","))) if nested else {distribution(requirement)}
    return found


@cache
def installed() -> dict[str, list[str]]:
    return dict(packages_distributions())


def distributions_of(package: str) -> set[str]:
    return {name.lower().replace("_", "-") for name in installed().get(package, [package])}


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_module_keeps_the_rule(rule):
    assert {dotted(path): broken for path in MODULES if (broken := rule(parsed(path)))} == {}, rule.__doc__


BREAKS = {
    "many_positional": "def f(a, b, c): ...",
    "passes_anything": "class A:\n    def f(self, **kwargs): ...",
    "undocumented": "def f(): ...",
    "too_long": "def f():\n" + "    a = 1\n" * LONGEST,
    "unsafe": "import pickle",
}
UNSAFE = ["from pickle import loads", "eval(x)", "np.load(p, allow_pickle=True)", "m(trust_remote_code=flag)"]
SAFE = ["np.load(p, allow_pickle=False)", "import re\nre.compile('a')", "model.eval()"]
WRITES = [
    "open(p, 'w')", "open(p, mode='ab')", "p.open('x')", "io.open(p, 'w')", "p.write_text(t)", "p.write_bytes(b)",
    "frame.write_parquet(p)", "frame.write_csv(p)", "frame.write_csv(file=p)", "lf.sink_parquet(p)", "np.save(p, a)",
    "np.savez(p, a)", "p.rename(q)", "p.mkdir()", "p.unlink()", "os.rename(a, b)", "p.touch()",
]  # fmt: skip
READS = [
    "open(p)", "open(p, 'rb')", "p.open()", "p.open('rb')", "frame.write_csv()", "frame.rename({'a': 'b'})",
    "np.load(p)", "p.read_text()",
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_seen_to_fail(rule):
    assert RULES[rule](ast.parse(BREAKS[rule]))


@pytest.mark.parametrize("code", UNSAFE)
def test_unsafe_code_is_seen(code):
    assert house_rules.unsafe(ast.parse(code))


@pytest.mark.parametrize("code", SAFE)
def test_safe_code_is_let_be(code):
    assert not house_rules.unsafe(ast.parse(code))


@pytest.mark.parametrize("code", WRITES)
def test_writing_is_seen(code):
    assert house_rules.writes(ast.parse(code))


@pytest.mark.parametrize("code", READS)
def test_reading_is_no_writing(code):
    assert not house_rules.writes(ast.parse(code))


def test_the_store_and_nothing_else_writes_files():
    writing = {dotted(path): lines for path in MODULES if (lines := house_rules.writes(parsed(path)))}
    assert {name: lines for name, lines in writing.items() if not name.startswith("btviz.store.")} == {}
    assert writing


def test_module_names_say_what_is_inside():
    assert not {part for path in MODULES for part in dotted(path).split(".")} & VAGUE


ROOMS = {
    "cli", "data", "labels", "machine", "models", "plots", "preference", "reports", "scores", "session", "stats",
    "store", "taxonomy", "texts", "widgets",
}  # fmt: skip
ALIASES = {"content", "figures", "scoring", "sentences", "synthetic"}


def test_the_root_holds_rooms_and_little_else():
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == ROOMS
    assert modules - ALIASES == {"__init__", "__main__", "arguments", "errors", "lazy"}


@pytest.mark.parametrize("name", sorted(ALIASES))
def test_an_alias_holds_nothing_of_its_own(name):
    assert house_rules.public_names(parsed(PACKAGE / f"{name}.py")) == set()


LONGEST_FILE = 600
SPLINTER = 60


def importers() -> dict[str, set[str]]:
    """Modules that import each module, types and front doors included."""
    names = {dotted(path) for path in MODULES}
    found: dict[str, set[str]] = {name: set() for name in names}
    for path in MODULES:
        for needed in house_rules.imported_modules(parsed(path), names) - {dotted(path)}:
            found[needed].add(dotted(path))
    return found


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.slow
def test_files_are_worth_opening():
    used_by = importers()
    files = [path for path in MODULES if path.name != "__init__.py"]
    assert {dotted(path): lines_of(path) for path in files if lines_of(path) > LONGEST_FILE} == {}
    lone = {dotted(path): lines_of(path) for path in files if len(used_by[dotted(path)]) == 1}
    assert {name: lines for name, lines in lone.items() if lines < SPLINTER} == {}


@cache
def doors() -> tuple[str, ...]:
    """Packages that say by `lazy_exports` what they offer."""
    return tuple(dotted(path) for path in MODULES if path.name == "__init__.py" and "lazy_exports(" in path.read_text())


def test_every_room_that_others_use_has_a_front_door():
    assert {f"btviz.{room}" for room in ROOMS - {"cli", "stats"}} | {"btviz"} <= set(doors())


@pytest.mark.parametrize("package", doors())
def test_everything_that_a_front_door_offers_is_there(package):
    door = import_module(package)
    assert door.__all__ == dir(door) == sorted(set(door.__all__))
    assert [name for name in door.__all__ if getattr(door, name, None) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = door.nothing


def reaches_inside(tree: ast.Module) -> set[str]:
    """Imports of modules behind a front door."""
    lines = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    lines |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    inside = {line for line in lines if line.startswith("btviz.") and line.count(".") > 1}
    return {line for line in inside if not line.startswith("btviz.cli.")}


def code_of(path: Path) -> str:
    """Code of a notebook, or the Python blocks of a page."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text())["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return "\n".join(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))


@pytest.mark.parametrize(
    "path",
    [
        *(PACKAGE / "cli").glob("*.py"),
        *(ROOT / "notebooks").glob("*.ipynb"),
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
    ],
    ids=lambda path: path.name,
)
def test_commands_notebooks_and_examples_come_in_by_the_front_doors(path):
    assert reaches_inside(parsed(path) if path.suffix == ".py" else ast.parse(code_of(path))) == set()


def test_reaching_inside_is_seen():
    assert reaches_inside(ast.parse("from btviz.scores.raters import HUMAN")) == {"btviz.scores.raters"}
    assert reaches_inside(ast.parse("import btviz.store.keys")) == {"btviz.store.keys"}
    assert reaches_inside(ast.parse("from btviz.scores import HUMAN\nfrom btviz.cli.report import say")) == set()


@pytest.mark.slow
def test_no_module_imports_itself_by_way_of_others():
    """Not even for types."""
    names = {dotted(path) for path in MODULES}
    needs = {dotted(path): house_rules.imported_modules(parsed(path), names) - {dotted(path)} for path in MODULES}
    while leaves := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in leaves:
            del needs[name]
    assert needs == {}


def test_no_room_is_left_unlinted():
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "."]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(MODULES) <= {Path(line).resolve() for line in shown}
    assert PROJECT["tool"]["mypy"]["files"] == ["btviz"]
    assert "exclude" not in PROJECT["tool"]["mypy"]


def test_no_room_is_left_out_of_the_wheel():
    """Hatchling takes what git does not ignore, and leaves out what the settings name."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "btviz"]
    taken = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(MODULES) <= {(ROOT / line).resolve() for line in taken}
    left_out = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"]
    assert left_out == ["/btviz/widgets/front/*", "!/btviz/widgets/front/__init__.py", "!/btviz/widgets/front/bundles"]


def exported() -> dict[str, object]:
    """Functions and classes that the front doors offer."""
    found = {}
    for name in doors():
        module = import_module(name)
        found |= {f"{name}.{public}": getattr(module, public) for public in module.__all__}
    return found


def test_no_exported_function_has_the_name_of_a_module():
    modules = {dotted(path) for path in MODULES}
    assert not [name for name, thing in exported().items() if callable(thing) and name in modules]


def test_exported_functions_document_every_parameter_and_what_they_return():
    missing: list[str] = []
    for name, function in exported().items():
        if not inspect.isfunction(function):
            continue
        doc = inspect.getdoc(function) or ""
        signature = inspect.signature(function)
        same = re.search(r"Parameters are those of `(\w+)`", doc)
        stated = inspect.getdoc(exported()[f"{name.rpartition('.')[0]}.{same[1]}"]) if same else doc
        sections = stated.partition("Parameters\n----------")[2]
        missing += [f"{name}({p})" for p in signature.parameters if not re.search(rf"\b{p}\b", sections)]
        if signature.return_annotation not in (None, "None") and not re.search(r"(Returns|Yields)\n-----", doc):
            missing.append(f"{name}: Returns")
    assert missing == []


@pytest.mark.slow
def test_required_packages_are_in_the_extra_that_is_named():
    calls = [call for path in MODULES for call in house_rules.required(parsed(path))]
    assert calls
    assert [c for c in calls if not distributions_of(c[0].partition(".")[0]) & brought_by(c[1])] == []


def test_imported_packages_are_declared():
    declared = {distribution(r) for r in PROJECT["project"]["dependencies"]}.union(*map(brought_by, EXTRAS))
    imported = set().union(*(house_rules.imported(parsed(path)) for path in MODULES))
    others = imported - {"btviz"} - sys.stdlib_module_names
    undeclared = {package for package in others if not distributions_of(package) & declared}
    assert undeclared <= {"traitlets"}  # part of ipywidgets' own interface


def test_all_is_every_extra():
    assert brought_by("all") == set().union(*(brought_by(extra) for extra in EXTRAS))


def test_constraints_are_exact_and_name_no_place():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[0-9a-z.]+", line)] == []


def test_every_direct_dependency_is_pinned():
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    stated = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    assert {distribution(r) for r in stated}.union(*map(brought_by, EXTRAS)) <= pinned


def test_conda_environment_repeats_no_version():
    text = (ROOT / "environment.yml").read_text()
    compiled_for = re.search(r"--python-version ([\d.]+)", (ROOT / "Makefile").read_text())
    assert re.findall(r"\d[\d.]*", text) == [compiled_for[1]]


def test_pre_commit_runs_local_hooks_only():
    assert re.findall(r"repo: *(\S+)", (ROOT / ".pre-commit-config.yaml").read_text()) == ["local"]


def notebooks() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_is_a_notebook():
    assert notebooks()


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.name)
def test_notebook_is_saved_without_outputs_and_defines_nothing(path):
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
    assert "widgets" not in notebook["metadata"]
    sources = ["".join(cell["source"]) for cell in code]
    assert [source for source in sources if re.search(r"^\s*(def|class) ", source, re.MULTILINE)] == []


TESTS = sorted((ROOT / "tests").rglob("*.py"))
NAMES_OF_OTHERS = {"_esm", "_css", "_repr_mimebundle_", "_replace", "_asdict"}
"""Public all the same: of anywidget, of Jupyter, of named tuples."""

REACHES = {
    "fake_front": 1,  # the one way a browser's message comes in; a comm would log what its handler raises
    "test_closed_views": 1,  # all widgets that are alive, which only ipywidgets knows
    "test_benchmarks": 1,  # the program that stands for a case
    "test_embedding_models": 2,  # names of tokens, which only the tokenizer knows; the table before it is reduced
    "test_score_models": 3,  # how a template was split, before any text is scored
}
"""How often tests reach into private parts, where nothing public would show the same; let none be added."""


@pytest.mark.slow
def test_no_test_imports_another():
    tests = {path.stem for path in TESTS if path.stem.startswith("test_")}
    assert tests
    assert {p.name: found for p in TESTS if (found := house_rules.last_names_imported(parsed(p)) & tests)} == {}
    assert house_rules.last_names_imported(ast.parse("from test_a import b")) >= {"test_a"}
    assert house_rules.last_names_imported(ast.parse("program = 'import os\\nfrom test_a import b'")) >= {"test_a"}


def test_tests_ask_for_what_is_public():
    found = {
        p.stem: len([n for n in house_rules.private_reaches(parsed(p)) if n not in NAMES_OF_OTHERS]) for p in TESTS
    }
    assert {name: n for name, n in found.items() if n} == REACHES
    assert house_rules.private_reaches(ast.parse("view._chart.spec; self._x; a.__dict__")) == ["_chart"]


def test_every_make_target_is_listed_by_help():
    text = (ROOT / "Makefile").read_text()
    targets = re.search(r"\.PHONY: (.+)", text)[1].split()
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  make (\w+)", listed, re.MULTILINE) == targets


@pytest.mark.parametrize(
    ("package", "code", "extra"),
    [
        ("altair", "import btviz; btviz.plots", "figures"),
        ("altair", "from btviz.plots import label_sets", "figures"),
        ("anywidget", "from btviz.widgets import CategoryExplorer", "lab"),
    ],
)
def test_a_missing_extra_says_which_command_installs_it(package, code, extra):
    blocked = f"import sys; sys.modules[{package!r}] = None; {code}"
    result = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, check=False)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("btviz.errors.MissingExtraError: ")
    assert last.endswith(f"pip install 'btviz[{extra}]'")
