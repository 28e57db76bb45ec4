"""The house's plan: which package may import which, no circles, and nothing heavy before it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

from tests.conftest import ROOT

PACKAGE = ROOT / "mckennabot"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
PLAN = [  # each line may import what stands in lines below it
    {"__main__"},
    {"cli"},
    {"api", "book_to_voice"},
    {"report"},
    {"serve"},
    {"voice", "export"},
    {"extract", "finetune", "generate"},
    {
        *("models", "corpus", "places", "passages", "tokenizer", "originality", "backend"),
        *("sniff", "tables", "language"),
    },
    {"system", "config", "settings", "errors", "reporter"},
]
FRIENDS = [  # and these neighbours in a line know each other
    *({one, other} for one in PLAN[7] for other in PLAN[7]),
    *({one, other} for one in PLAN[8] for other in PLAN[8]),
    *({"export", other} for other in PLAN[5]),
]
HEAVY = [
    *("tensorflow", "keras", "jax", "ctranslate2", "gpt_2_simple", "torch"),
    *("pdfminer", "pikepdf", "matplotlib", "requests", "lxml"),
]
OWNERS = {"mckennabot.extract.pdf": ["pdfminer", "pikepdf"]}  # who reads PDF files is loaded to read one


def imports(name: str) -> Iterator[str]:
    """The modules of the package that a module imports, at once or later; not for type checkers alone."""
    path = FILES[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        elif isinstance(node, ast.ImportFrom) and node.module in FILES and node.level == 0:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in FILES else str(node.module)


GRAPH = {name: sorted(set(imports(name)) - {name}) for name in FILES}


def test_no_circle_between_files() -> None:
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in GRAPH[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in GRAPH:
        visit(name, ())


def test_packages_import_in_one_direction() -> None:
    levels = {package: level for level, packages in enumerate(PLAN) for package in packages}

    def package_of(name: str) -> str:
        return name.split(".")[1] if "." in name else ""

    unplanned = {package_of(name) for name in FILES} - levels.keys() - {""}
    assert not unplanned, "say in PLAN where they stand"
    wrong = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if (here := package_of(name)) and (there := package_of(other)) and here != there
        if levels[here] >= levels[there] and {here, there} not in FRIENDS
    ]
    assert not wrong


def test_relative_imports_and_stars_hide_nothing() -> None:
    for path in FILES.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                assert all(alias.name != "*" for alias in node.names), path


def test_importing_every_module_starts_nothing_heavy() -> None:
    """In one process, a module after another, so that the first that loads something is named."""
    modules = [name for name in FILES if not name.endswith("__main__")]
    modules.sort(key=lambda name: name.startswith(tuple(OWNERS)))  # owners last
    code = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
    own = [heavy for owner, theirs in {OWNERS!r}.items() if name.startswith(owner) for heavy in theirs]
    loaded = [heavy for heavy in {HEAVY!r} if heavy in sys.modules and heavy not in own]
    assert not loaded, f"importing {{name}} loads {{loaded}}"
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
