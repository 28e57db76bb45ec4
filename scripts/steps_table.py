"""Writes the tables of steps and kinds into docs/extraction.md.

python -m scripts.steps_table
"""

from __future__ import annotations

import re
from pathlib import Path

from mckennabot.extract.kinds import Kind
from mckennabot.extract.pipeline import STEPS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "extraction.md"


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    text = _between(text, "steps", ["step", "needs", "sets", "why it stands here"], _steps())
    text = _between(text, "kinds", ["kind", "what belongs to it", "`--keep`"], _kinds())
    PAGE.write_text(text, encoding="utf-8")


def _steps() -> list[list[str]]:
    return [
        [f"`{step.name}`", ", ".join(map(str, step.needs)), ", ".join(map(str, step.sets)), step.why]
        for step in STEPS
    ]


def _kinds() -> list[list[str]]:
    return [[str(kind), kind.meaning, f"`{kind.keep}`" if kind.keep else "always"] for kind in Kind]


def _between(text: str, name: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return re.sub(
        rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", lambda m: m[1] + table + m[2], text, flags=re.DOTALL
    )


if __name__ == "__main__":
    main()
