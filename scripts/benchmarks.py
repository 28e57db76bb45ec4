"""What the benchmarks share: a section each in docs/benchmarks.md, and what they ran on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def write_section(name: str, text: str) -> None:
    """Put a benchmark's account between its own two marks, and leave the others' alone."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    DOCUMENT.parent.mkdir(exist_ok=True)
    old = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else "# Benchmarks\n"
    new, found = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: section, old, flags=re.DOTALL)
    DOCUMENT.write_text(new if found else f"{old.rstrip()}\n\n{section}\n", encoding="utf-8")


def machine() -> str:
    """The processor, its cores and the system, on one line."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)):
        cpu = found[1]
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def versions(*packages: str, python: str = sys.executable) -> str:
    """The packages among these that an interpreter has, with their versions."""
    done = subprocess.run([python, "-c", _VERSIONS, *packages], capture_output=True, text=True, check=True)
    return ", ".join(done.stdout.splitlines())


_VERSIONS = """
import importlib.metadata, sys
for package in sys.argv[1:]:
    try:
        print(package, importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        pass
"""
