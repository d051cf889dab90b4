"""House rules as functions: a parsed module in, what breaks the rule out."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

LONGEST = 50
VAGUE = {"utils", "util", "helpers", "helper", "manager", "process", "common", "misc"}
WRITERS = {
    "mkdir", "open_memmap", "rename", "replace_file", "save_file", "savez", "savez_compressed", "sink_csv",
    "sink_ipc", "sink_ndjson", "sink_parquet", "touch", "unlink", "write_avro", "write_bytes", "write_csv",
    "write_ipc", "write_json", "write_ndjson", "write_parquet", "write_text",
}  # fmt: skip
UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "eval", "exec"}
UNSAFE_OPTIONS = {"trust_remote_code", "allow_pickle"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Functions of a module and methods of its classes that a user may call, by dotted name."""
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, Function) and (item.name == "__init__" or not item.name.startswith("_")):
                    yield f"{node.name}.{item.name}", item


def many_positional(tree: ast.Module) -> list[str]:
    """More than two parameters that may be given by position, `self` not counted."""
    return [
        name
        for name, function in public_functions(tree)
        if len([a for a in _positional(function) if a.arg not in {"self", "cls"}]) > 2
    ]


def passes_anything(tree: ast.Module) -> list[str]:
    """Functions that take **kwargs."""
    return [name for name, function in public_functions(tree) if function.args.kwarg is not None]


def undocumented(tree: ast.Module) -> list[str]:
    """Functions without a docstring; a constructor is documented in its class, a setter in its getter."""
    return [
        name
        for name, function in public_functions(tree)
        if not name.endswith(".__init__") and not _is_setter(function) and not ast.get_docstring(function)
    ]


def too_long(tree: ast.Module) -> list[str]:
    """Functions, private ones too, that do not fit a screen; the docstring is not counted."""
    return [
        f"{node.name} ({_code_lines(node)} lines)"
        for node in ast.walk(tree)
        if isinstance(node, Function) and _code_lines(node) > LONGEST
    ]


def writes(tree: ast.Module) -> list[str]:
    """Calls that make or change a file."""
    return [f"line {call.lineno}" for call in _calls(tree) if _writes(call)]


def unsafe(tree: ast.Module) -> list[str]:
    """Code that runs what it reads: unpickling, remote code."""
    found = [f"line {n.lineno}" for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in UNSAFE]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [f"line {node.lineno}" for name in names if name.partition(".")[0] in UNSAFE]
        elif isinstance(node, ast.keyword) and node.arg in UNSAFE_OPTIONS:
            value = node.value
            if not (isinstance(value, ast.Constant) and value.value is False):
                found.append(f"line {value.lineno}")
    return found


def required(tree: ast.Module) -> list[tuple[str, str]]:
    """(package, extra) of each call of `require`."""
    return [
        (call.args[0].value, keyword.value.value)
        for call in _calls(tree)
        if _called(call) == "require" and isinstance(call.args[0], ast.Constant)
        for keyword in call.keywords
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Constant)
    ]


def imported(tree: ast.Module) -> set[str]:
    """Top-level packages that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def last_names_imported(tree: ast.Module) -> set[str]:
    """Last parts of the names of all modules that a module imports; programs in its strings are read, too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= set(re.findall(r"^\s*(?:from|import) ([\w.]+)", node.value, re.MULTILINE))
    return {name.rpartition(".")[2] for name in names}


def private_reaches(tree: ast.Module) -> list[str]:
    """Names of private attributes that are read or set on anything but `self` and `cls`."""
    return [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and re.match(r"_(?!_)", node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
    ]


def _positional(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args]


def _is_setter(function: Function) -> bool:
    return any(isinstance(d, ast.Attribute) and d.attr == "setter" for d in function.decorator_list)


def _code_lines(function: Function) -> int:
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - ((first.end_lineno or 0) - first.lineno + 1 if documented else 0)


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _writes(call: ast.Call) -> bool:
    name = _called(call)
    if name == "open":
        position = 0 if isinstance(call.func, ast.Attribute) and _owner(call.func) != "io" else 1
        given = call.args[position : position + 1] + [k.value for k in call.keywords if k.arg == "mode"]
        return any(isinstance(m, ast.Constant) and set(str(m.value)) & set("wax+") for m in given)
    if isinstance(call.func, ast.Attribute) and _owner(call.func) in {"np", "numpy"}:
        return name in {"save", "savetxt", "savez", "savez_compressed"}
    if name == "rename" and call.args and isinstance(call.args[0], ast.Dict | ast.DictComp):
        return False  # columns of a frame
    returns_text = name.startswith("write_") and not call.args and not call.keywords  # Polars: no target
    return name in WRITERS and not returns_text


def _owner(attribute: ast.Attribute) -> str:
    return attribute.value.id if isinstance(attribute.value, ast.Name) else ""


RULES: dict[str, Callable[[ast.Module], list[str]]] = {
    rule.__name__: rule for rule in (many_positional, passes_anything, undocumented, too_long, unsafe)
}


def public_names(tree: ast.Module) -> set[str]:
    """Functions and classes that a module defines for others; a module's own ``__getattr__`` is none."""
    return {
        node.name for node in tree.body if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_")
    }


def imported_for_types(tree: ast.Module) -> list[str]:
    """Names that a module imports for the type checker only."""
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return [alias.asname or alias.name for node in imports for alias in node.names]


def imported_modules(tree: ast.Module, names: set[str]) -> set[str]:
    """Those of `names` that a module imports, or imports from, anywhere."""
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & names) or {str(node.module)}
    return found & names
