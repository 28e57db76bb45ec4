"""Other systems, as far as one can be had by hiding what only this one has; and the places that differ.

Nothing here runs macOS or Windows. `make lint` checks the types for each of the three; this test takes away
what the others lack, in every process that it starts, and does the whole job without.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from mckennabot.system import machine, processes
from mckennabot.system.processes import Call, Died
from tests.conftest import ROOT, SAMPLE_PDF, Cli
from tests.test_structure import FILES

HIDE = '''
"""Read by every interpreter as it starts: a poorer system than this one."""
import builtins, multiprocessing, os, signal, sys

# Modules are hidden from this program alone: what psutil and filelock do elsewhere is theirs to test.
real_import = builtins.__import__

def import_what_is_there(name, globals=None, *more, **named):
    if name in ("fcntl", "resource") and (globals or {}).get("__name__", "").startswith("mckennabot"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return real_import(name, globals, *more, **named)

builtins.__import__ = import_what_is_there
for name in ("fork", "sched_getaffinity", "setpgid", "register_at_fork"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGPROF", "SIGALRM", "setitimer", "ITIMER_PROF", "alarm"):
    if hasattr(signal, name):
        delattr(signal, name)

real_context, real_methods = multiprocessing.get_context, multiprocessing.get_all_start_methods
multiprocessing.get_all_start_methods = lambda: ["spawn"]

def get_context(method=None):
    if method not in (None, "spawn"):
        raise ValueError(f"cannot find context for {method!r}")
    return real_context("spawn")

multiprocessing.get_context = get_context

real_open = builtins.open

def hidden(path):
    ours = sys._getframe(2).f_globals.get("__name__", "").startswith(("mckennabot", "pathlib"))
    named = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
    return ours and named.startswith(("/proc", "/sys/fs", "/dev/shm"))

def open(path, *args, **more):
    if hidden(path):
        raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
    return real_open(path, *args, **more)

builtins.open = open
import io
io.open = open
'''


@pytest.fixture
def poor(tmp_path: Path, cli: Cli) -> Cli:
    """The command line on such a system."""
    place = tmp_path / "poor"
    place.mkdir()
    (place / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
    cli.env["PYTHONPATH"] = os.pathsep.join([str(place), str(ROOT)])
    return cli


def test_the_whole_job_is_done_without_what_only_linux_has(poor: Cli) -> None:
    told = poor.python(
        "import os, multiprocessing, sys\n"
        "from mckennabot.system import processes\n"
        "print(hasattr(os, 'fork'), processes.resource, processes._FORKS, processes._TIMERS)"
    )
    assert told.stdout.split() == ["False", "None", "False", "False"], told.stderr
    poor("extract", SAMPLE_PDF, "-o", "data/book.txt")
    (poor.cwd / "second.txt").write_text("A second book has its own few words.\n" * 20, encoding="utf-8")
    poor("extract", poor.cwd / "second.txt", SAMPLE_PDF, "-o", "library/")
    assert (poor.cwd / "library" / "sample.txt").read_bytes() == (poor.cwd / "data" / "book.txt").read_bytes()
    training = ["finetune", "--block-size", "32", "--sample-every", "0", "--no-report", "-q"]
    poor(*training, "--model", "tiny", "--steps", "2")
    poor(*training, "--steps", "3")  # the lock, and going on
    assert len(poor("generate", "--length", "5", "--prefix", "The machine", "-q").stdout) > 11
    assert "ok" in poor("models").stdout


def test_what_differs_between_systems_stands_in_one_package() -> None:
    """Names that some system lacks, outside of `mckennabot.system`."""
    modules = {"fcntl", "resource", "pwd", "grp", "termios", "msvcrt", "winreg", "ctypes", "select"}
    names = {
        *(
            "fork",
            "sched_getaffinity",
            "setpgid",
            "getppid",
            "waitpid",
            "WNOHANG",
            "getuid",
            "geteuid",
            "killpg",
        ),
        *("SIGKILL", "SIGHUP", "SIGPROF", "SIGALRM", "SIGUSR1", "setitimer", "pthread_sigmask", "RLIMIT_AS"),
    }
    paths = ("/proc/", "/dev/shm", "/sys/fs")
    found = []
    for name, path in FILES.items():
        if name.startswith("mckennabot.system"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [f"{name}: {alias.name}" for alias in node.names if alias.name in modules]
            elif isinstance(node, ast.ImportFrom) and node.module in modules:
                found.append(f"{name}: {node.module}")
            elif isinstance(node, ast.Attribute):
                spelt = ast.unparse(node)
                if node.attr in names or spelt in ("os.name", "sys.platform"):
                    found.append(f"{name}: {spelt}")
            elif isinstance(node, ast.Constant) and str(node.value).startswith(paths):
                found.append(f"{name}: {node.value!r}")
    assert not found


# Children, forked and fresh


def _doubled(number: int) -> int:
    return 2 * number


def _wrong(error: type[Exception]) -> None:
    raise error("so it is")


def _greedy() -> int:
    return len(bytearray(64 << 30))


def _busy() -> None:
    while True:
        pass


@pytest.mark.parametrize("fresh", [False, True])
def test_a_call_gives_a_result_an_error_or_the_cause_of_its_end(fresh: bool) -> None:
    assert Call(partial(_doubled, 21), 60, fresh=fresh).result() == 42
    with pytest.raises(KeyError, match="so it is"):
        Call(partial(_wrong, KeyError), 60, fresh=fresh, passing=(KeyError,)).result()
    with pytest.raises(Died, match="KeyError: 'so it is'"):
        Call(partial(_wrong, KeyError), 60, fresh=fresh).result()
    with pytest.raises(Died, match="too much memory"):
        Call(_greedy, 60, fresh=fresh).result()
    with pytest.raises(Died, match="takes too long"):
        Call(_busy, 0.2, fresh=fresh).result()
    call = Call(_busy, None, fresh=fresh)
    call.kill()
    with pytest.raises(Died, match="it was killed"):
        call.result()


def test_time_and_memory_are_looked_after_where_the_kernel_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("resource", None), ("_TIMERS", False)):
        monkeypatch.setattr(processes, name, value)  # a fork inherits it
    with pytest.raises(Died, match="takes too long"):
        Call(_busy, 0.3).result()
    with pytest.raises(Died, match="too much memory"):
        Call(_slowly_greedy, 60).result()


def _slowly_greedy() -> None:
    kept = []
    while True:
        kept.append(bytearray(50 << 20))


def test_a_script_without_a_guard_may_start_children(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from operator import mul\nfrom functools import partial\n"
        "from mckennabot.system.processes import Call\n"
        "print(Call(partial(mul, 6, 7), 60, fresh=True).result())\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("42\n", "")


def test_a_fresh_child_ends_with_its_parent(tmp_path: Path) -> None:
    import psutil

    code = (
        "import sys, time\nfrom mckennabot.system.processes import Call\n"
        "from tests.test_platforms import _busy\n"
        "call = Call(_busy, None, fresh=True)\n"
        "print(call._child._process.pid, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert child.wait(timeout=20) is None or not child.is_running()


def test_the_machine_is_known() -> None:
    assert 1 <= machine.cores() <= (os.cpu_count() or 1)
    free = machine.free_memory()
    assert free is not None
    assert free > 1 << 20


@pytest.mark.parametrize(
    ("content", "cores"), [("max 100000\n", None), ("150000 100000\n", 2), ("50000 100000", 1), ("", None)]
)
def test_a_containers_quota_of_cores_counts(content: str, cores: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(content, encoding="ascii")
    assert machine._container_cores(tmp_path) == cores
    old = tmp_path / "old" / "cpu"
    old.mkdir(parents=True)
    (old / "cpu.cfs_quota_us").write_text("250000")
    (old / "cpu.cfs_period_us").write_text("100000")
    assert machine._container_cores(tmp_path / "old") == 3
