"""Commands that begin with TensorFlow imported: one process imports it, and forks for each of them.

A command is still a process of its own, with the directory, environment and standard files that a shell
would give it; the runtimes of TensorFlow and JAX, which no fork survives, start in it and not before. It
saves the four seconds of importing, which the tests that start programs would spend in most of their time.
Only other people's modules are loaded beforehand: ours read the machine as they are imported.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib.util
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


class Server:
    """The process that forks."""

    def __init__(self, prelude: str = "", env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", prelude],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A second thread of NumPy's would be there at the fork.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **(env or {})},
        )

    def ask(self, question: dict[str, Any]) -> Any:
        """Send a request; its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def run(
        self, argv: list[str], cwd: Path = ROOT, env: dict[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; see `Command`."""
        command = Command(self, argv, cwd, {**os.environ} if env is None else env, stdin)
        out, err = (text.decode() for text in command.communicate())
        assert command.returncode is not None
        return subprocess.CompletedProcess(argv, command.returncode, out, err)

    def close(self) -> None:
        """End it; it holds nothing to tidy up."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def server(prelude: str = "", env: dict[str, str] | None = None) -> Iterator[Server]:
    """A server for the length of a ``with`` block; the prelude is code that it runs as it starts.

    A variable that is read as modules are imported, such as KERAS_BACKEND, belongs into its environment.
    """
    started = Server(prelude, env)
    try:
        yield started
    finally:
        started.close()


class Command:
    """A command under way: of `subprocess.Popen` what the tests use.

    ``argv`` is ``python -c CODE ...`` or ``python -m mckennabot ...``, as for a process of one's own.
    """

    def __init__(
        self, server: Server, argv: list[str], cwd: Path, env: dict[str, str], stdin: str = ""
    ) -> None:
        self.args = argv
        self.returncode: int | None = None
        self._server = server
        self._folder = tempfile.TemporaryDirectory()
        self._files = [Path(self._folder.name, name) for name in ("in", "out", "err")]
        self._files[0].write_text(stdin, encoding="utf-8")
        for output in self._files[1:]:  # it may be killed before it opens them
            output.touch()
        files = list(map(str, self._files))
        self.pid: int = server.ask({"argv": argv, "cwd": str(cwd), "env": env, "files": files})

    def poll(self) -> int | None:
        """Its exit code, minus a signal's number; None while it runs."""
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid})
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to exactly this process."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 280) -> tuple[bytes, bytes]:
        """Wait for its end; what it wrote to stdout and stderr."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.005)
        out, err = (path.read_bytes() for path in self._files[1:])
        self._folder.cleanup()
        return out, err


def serve() -> None:
    """Answer requests until there are no more; in a forked process, become the command."""
    from mckennabot.backend import import_keras

    import_keras()
    for name in (
        *("ctranslate2", "tokenizers", "matplotlib.figure", "tqdm"),
        *("pdfminer.pdfinterp", "pikepdf", "fontTools.ttLib", "lxml.html", "markdown_it"),
    ):
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    exec(sys.argv[1] if len(sys.argv) > 1 else "", {})
    for line in iter(sys.stdin.readline, ""):
        question = json.loads(line)
        if "poll" in question:
            pid, status = os.waitpid(question["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer:
                become(**question)
        print(json.dumps(answer), flush=True)


def become(argv: list[str], cwd: str, env: dict[str, str], files: list[str]) -> None:
    """Run the command line as a process that has just begun."""
    for descriptor, name in enumerate(files):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND), descriptor)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    os.chdir(cwd)
    _obey_permissions()
    os.environ.clear()
    os.environ.update(env)
    sys.argv = argv[2:]
    code: Any = 0
    try:
        if argv[1] == "-m":
            runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
        else:
            exec(argv[2], {"__name__": "__main__"})
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    _leave(code)


def _leave(code: Any) -> NoReturn:
    """End as an interpreter does, but for giving TensorFlow's objects up one by one: it takes a second."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads that are no daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _obey_permissions() -> None:
    """Root may read and write where nobody may; take that from this process: CI sees what users see."""
    if sys.platform == "linux" and os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this process
        sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then for capabilities 32 and up
        assert libc.capget(header, sets) == 0
        for i in range(2):
            sets[i] &= ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH)
        assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())


if __name__ == "__main__":
    serve()
