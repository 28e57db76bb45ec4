"""How clean the text is: `mckennabot extract` against exact texts, beside what other tools reach.

    python scripts/score_quality.py ../shared/quality

The folder holds books/NAME.pdf with books/NAME.truth.json, score_corpus.py, and a README.md whose tables
give the other tools' figures.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import benchmarks

COLUMNS = {
    "score": "{:.2f}",
    "text_f1": "{:.4f}",
    "paragraph_f1": "{:.3f}",
    "segment_f1": "{:.3f}",
    "verse_f1": "{:.3f}",
    "furniture_residue": "{:.1f}",
    "hyphen_errors": "{:.1f}",
    "space_errors": "{:.1f}",
    "bad_chars": "{}",
    "neutral_kept_pct": "{:.2f}",
    "deleted_per_10k": "{:.1f}",
}
GOALS = (
    "Goals: score 96 on every book and 97.5 in the mean, text_f1 0.992, paragraph_f1 0.97, segment_f1 0.95."
)
BASELINE = re.compile(r"^\| (?P<book>[\w-]+) \|(?P<scores>(?: \d+\.\d \|){3,})$", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("quality", type=Path)
    folder = parser.parse_args().quality
    scores = {path.stem: score(path, folder) for path in sorted((folder / "books").glob("*.pdf"))}
    benchmarks.write_section("extract-quality", account(scores, *baselines(folder)))


def score(book: Path, folder: Path) -> dict[str, float | None]:
    """One book's figures, its corpus made by the command line."""
    with tempfile.TemporaryDirectory() as directory:
        corpus = Path(directory) / "corpus.txt"
        command = [sys.executable, "-m", "mckennabot", "extract", "-q", str(book), "-o", str(corpus)]
        subprocess.run(command, check=True)
        truth = book.with_suffix(".truth.json")
        scorer = [sys.executable, str(folder / "score_corpus.py"), str(corpus), str(truth), "--json"]
        done = subprocess.run(scorer, check=True, capture_output=True, text=True)
    figures: dict[str, float | None] = json.loads(done.stdout)
    return figures


def baselines(folder: Path) -> tuple[list[str], dict[str, list[float]]]:
    """The other tools' names, and their scores by book, from the folder's README."""
    readme = (folder / "README.md").read_text(encoding="utf-8")
    found = {m["book"]: [float(s) for s in m["scores"].split("|")[:-1]] for m in BASELINE.finditer(readme)}
    header = re.search(r"^\| book \| (.+) \|\n\|[-:| ]+\|\n\| [\w-]+ \| \d", readme, re.MULTILINE)
    return (header[1].split(" | ") if header else []), found


def account(
    scores: dict[str, dict[str, float | None]], tools: list[str], others: dict[str, list[float]]
) -> str:
    """The section's text."""
    mean = sum(figures["score"] or 0 for figures in scores.values()) / len(scores)
    lines = [
        "## Extraction: how clean the text is",
        "",
        "`python scripts/score_quality.py ../shared/quality`: whole books against their exact text. "
        "score = 100 x text_f1 x (0.7 + 0.2 paragraph_f1 + 0.1 segment_f1); residue is running heads and "
        f"page numbers left per 100 pages; errors and deletions are per 10,000 words. {GOALS}",
        "",
        f"{benchmarks.versions('pdfminer.six', 'pikepdf')}. Mean score: {mean:.2f}.",
        "",
        f"| book | {' | '.join(COLUMNS)} |",
        f"| --- |{' ---: |' * len(COLUMNS)}",
    ]
    for book, figures in scores.items():
        cells = [
            "-" if figures[name] is None else form.format(figures[name]) for name, form in COLUMNS.items()
        ]
        lines.append(f"| {book} | {' | '.join(cells)} |")
    if others:
        lines += [
            "",
            "Scores beside the other tools', whose figures come with the books. None of them makes segments, "
            "so 90 is their ceiling where a book has chapters.",
            "",
            f"| book | mckennabot | {' | '.join(tools)} |",
            f"| --- | ---: |{' ---: |' * len(tools)}",
        ]
        for book in filter(others.get, scores):
            theirs = " | ".join(f"{value:.1f}" for value in others[book])
            lines.append(f"| {book} | {scores[book]['score']:.1f} | {theirs} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
