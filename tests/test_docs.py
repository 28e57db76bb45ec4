"""The documentation is what the program does: examples run, the help is as printed, the notebook works."""

from __future__ import annotations

import doctest
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.make_docs import TARGET, page
from tests.conftest import ROOT, SAMPLE_PDF

NOTEBOOK = ROOT / "docs" / "mckennabot.ipynb"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the sample book in data/, as the documents' examples have it."""
    (tmp_path / "data").mkdir()
    shutil.copy(SAMPLE_PDF, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_of_the_python_api_do_what_they_say(workplace: Path) -> None:
    code = (
        "import doctest, sys; "
        "results = doctest.testfile(sys.argv[1], module_relative=False, encoding='utf-8', "
        "optionflags=doctest.NORMALIZE_WHITESPACE); print(results.attempted); sys.exit(results.failed > 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "docs" / "python-api.md")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(done.stdout) > 25


def test_the_help_in_the_documents_is_what_is_printed() -> None:
    assert TARGET.read_text(encoding="utf-8") == page(), "run: python -m scripts.make_docs"


def test_the_notebook_does_the_whole_job(workplace: Path) -> None:
    """The notebook's own cells, with few steps, in a kernel of their own."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("STEPS = 300", "STEPS = 4").replace('"small"', '"tiny"')
        assert not cell.get("outputs"), "clear the notebook's outputs before committing it"
    os.environ["PYTHONPATH"] = str(ROOT)
    nbclient.NotebookClient(
        notebook, timeout=280, kernel_name="python3", resources={"metadata": {"path": str(workplace)}}
    ).execute()
    said = json.dumps(notebook)
    assert "image/png" in said
    assert "The machine" in said
    assert (workplace / "checkpoints" / "run1" / "run.json").exists()


def test_every_document_that_a_document_names_is_there() -> None:
    import re

    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_doctests_are_found() -> None:
    """`make test` runs them with --doctest-modules; this only makes sure that there are some."""
    import mckennabot.corpus

    assert doctest.DocTestFinder().find(mckennabot.corpus)
