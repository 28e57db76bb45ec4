"""A real server on a free port of this machine, and a checkpoint directory for it to serve."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mckennabot.corpus import parse
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.dial import remember
from mckennabot.originality import Index
from tests.conftest import ROOT

PATIENCE = 120


class Server:
    """``mckennabot serve`` as a process.

    Attributes:
        url: where it listens.
        log: the lines that it has written so far.
    """

    def __init__(self, cwd: Path, *args: str, port: int = 0, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mckennabot", "serve", "--port", str(port), *args],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **(env or {})},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._ready.wait(PATIENCE), self.log
        found = re.search(r"http://\S+:(\d+)/", "\n".join(self.log))
        assert found, self.log
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                self._ready.set()
        self._ready.set()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Have it end; its exit code."""
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        """Its exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stderr
        self.process.stderr.close()
        return code

    def resident(self) -> int:
        """Its memory, in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def serving(cwd: Path, *args: str, port: int = 0, env: dict[str, str] | None = None) -> Iterator[Server]:
    """A server for the length of a ``with`` block; it must then have written no traceback."""
    server = Server(cwd, *args, port=port, env=env)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        with contextlib.suppress(ValueError):
            server.wait()
    assert "Traceback" not in "\n".join(server.log), server.log


def write_checkpoints(directory: Path, base_model: Path, corpus_text: str) -> None:
    """``checkpoints/small`` and a run of it, ``run1``, which has the corpus for a book."""
    small, run = (directory / "checkpoints" / name for name in ("small", "run1"))
    for path in (small, run):
        shutil.copytree(base_model, path)
    for suffix in ("index", "data-00000-of-00001"):
        (run / f"model.ckpt.{suffix}").rename(run / f"model-1.{suffix}")
    ModelDir(run).point_to("model-1")
    book = directory / "book.txt"
    book.write_text(corpus_text, encoding="utf-8")
    info: dict[str, Any] = {
        "model": "small",
        "base": remember("small", ModelDir(small)),
        "best_step": 1,
        "corpus": {"files": ["book.txt"]},
        # The run's weights are its base's, which save nothing: every long text scores 62.
        "voice_score": {"zero": -0.31, "hundred": 0.19, "low": 0.1, "high": 0.3},
    }
    (run / "run.json").write_text(json.dumps(info), encoding="utf-8")
    Index.build([("book.txt", parse(corpus_text))]).save(run)
