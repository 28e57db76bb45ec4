"""What the tests share: the command line as a process, small models in OpenAI's layout, real vocabularies.

The command line comes in four ways. `quick_cli` calls it in this process, which is enough for most tests.
`warm_cli` and `jax_cli` fork a process that has imported TensorFlow, or JAX, already: for training, signals
and kills. `cli` starts Python anew, for what depends on how a process begins.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from filelock import FileLock

from mckennabot.models.checkpoint import ModelDir
from tests import warm

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SAMPLE_PDF = ROOT / "data" / "sample.pdf"

# How long an example takes says nothing on a machine that others use.
hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")

needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax (mckennabot[jax])")


class Cli:
    """``mckennabot`` as its users run it: a process, in a directory of its own."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MCKENNABOT_")},
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def argv(self, *args: object) -> list[str]:
        return [sys.executable, "-m", "mckennabot", *map(str, args)]

    def __call__(
        self, *args: object, code: int = 0, stdin: str | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, require its exit code, and never a traceback."""
        done = self._run(self.argv(*args), stdin, {**self.env, **(env or {})})
        assert done.returncode == code, f"exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def python(
        self, code: str, *args: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run code in an interpreter of its own."""
        return self._run([sys.executable, "-c", code, *args], None, {**self.env, **(env or {})})

    def _run(
        self, argv: list[str], stdin: str | None, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=self.cwd,
            env=env,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=280,
            check=False,
        )

    def start(self, *args: object) -> Any:
        """A command in the background, for tests that send it signals."""
        return subprocess.Popen(
            self.argv(*args), cwd=self.cwd, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )


class QuickCli(Cli):
    """The same in this process, for tests in which nothing depends on a process of its own."""

    def _run(
        self, argv: list[str], stdin: str | None, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        if argv[1:3] != ["-m", "mckennabot"] or stdin is not None:
            return super()._run(argv, stdin, env)
        from mckennabot.cli import main

        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        before, here = dict(os.environ), Path.cwd()
        try:
            os.environ.clear()
            os.environ.update(env)
            os.chdir(self.cwd)
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                pytest.raises(SystemExit) as left,
            ):
                main(argv[3:])
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        said = []
        for stream in (out, err):
            stream.flush()
            said.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
        return subprocess.CompletedProcess(argv, int(left.value.code or 0), *said)


class WarmCli(Cli):
    """The same, four seconds faster where TensorFlow is needed: see `tests.warm`."""

    def __init__(self, cwd: Path, server: warm.Server) -> None:
        super().__init__(cwd)
        self._server = server

    def _run(
        self, argv: list[str], stdin: str | None, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return self._server.run(argv, self.cwd, env, stdin or "")

    def start(self, *args: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> Any:
        """A command in the background; as one of several, in a directory of its own."""
        return warm.Command(self._server, self.argv(*args), cwd or self.cwd, {**self.env, **(env or {})})


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line, in the test's own temporary directory."""
    return Cli(tmp_path)


@pytest.fixture
def quick_cli(tmp_path: Path) -> QuickCli:
    """`cli`, without a process for each command."""
    return QuickCli(tmp_path)


@pytest.fixture(scope="session")
def warm_server() -> Iterator[warm.Server]:
    """The one process that imports TensorFlow for all commands of `warm_cli`."""
    with warm.server() as server:
        yield server


@pytest.fixture
def warm_cli(tmp_path: Path, warm_server: warm.Server) -> WarmCli:
    """`cli`, forked from a process that has TensorFlow."""
    return WarmCli(tmp_path, warm_server)


@pytest.fixture(scope="session")
def jax_server(made_once: Callable[..., Path]) -> Iterator[warm.Server]:
    """The same with Keras on JAX, for `jax_cli`; what one command has compiled, none compiles again."""
    pytest.importorskip("jax", reason="needs jax (mckennabot[jax])")
    compiled = {
        "JAX_COMPILATION_CACHE_DIR": str(made_once("jax", lambda place: None)),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    with warm.server(env={"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", **compiled}) as server:
        yield server


@pytest.fixture
def jax_cli(tmp_path: Path, jax_server: warm.Server) -> WarmCli:
    """`cli` on JAX, forked from a process that has it."""
    return WarmCli(tmp_path, jax_server)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Gives a directory by its name; the first test process that asks for it fills it, for all to read."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(name: str, fill: Callable[[Path], object]) -> Path:
        place, made = base / "shared" / name, base / "shared" / f"{name}.made"
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not made.exists():
                fill(place)
                made.touch()
        return place

    return once


@pytest.fixture(scope="session")
def real_vocabulary() -> Path:
    """The directory of GPT-2's own encoder.json and vocab.bpe."""
    directory = SHARED / "gpt2"
    if not directory.is_dir():
        pytest.skip("needs ../shared/gpt2, GPT-2's own vocabulary")
    return directory


@pytest.fixture(scope="session")
def corpus_text() -> str:
    """Two small chapters of prose that repeats enough for a tiny model to learn."""
    first = "The machine dreams of rivers. The river dreams of the sea, and the sea is awake."
    second = "Nobody counts the stars twice. The second count is always another sky."
    return "\n\n".join(["One", *[first] * 20, "<|endoftext|>", "Two", *[second] * 20]) + "\n"


@pytest.fixture
def corpus(tmp_path: Path, corpus_text: str) -> Path:
    """`corpus_text` where `finetune` looks by default."""
    path = tmp_path / "data" / "book.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(corpus_text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory, warm_server: warm.Server, corpus_text: str) -> Path:
    """A random GPT-2 of 2 layers in OpenAI's layout, ``checkpoints/small``, as a download leaves it."""
    directory = tmp_path_factory.mktemp("base") / "checkpoints" / "small"
    return write_base_model(warm_server, directory, corpus_text, n_ctx=64)


def write_base_model(server: warm.Server, directory: Path, corpus_text: str, n_ctx: int) -> Path:
    """A random GPT-2 with a vocabulary learnt from `corpus_text` and a window of `n_ctx` tokens."""
    directory.mkdir(parents=True)
    done = server.run(
        [sys.executable, "-c", _WRITE_BASE, str(directory), str(n_ctx)], stdin=json.dumps(corpus_text)
    )
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, base_model: Path, corpus_text: str) -> Path:
    """A directory to start servers in; see `tests.serving.write_checkpoints`."""
    from tests.serving import write_checkpoints

    directory = tmp_path_factory.mktemp("served")
    write_checkpoints(directory, base_model, corpus_text)
    return directory


@pytest.fixture
def train(tmp_path: Path, corpus: Path, base_model: Path) -> Callable[..., ModelDir]:
    """Fine-tune the small base model on the small corpus, in this process."""

    def run(steps: int, paths: list[Path] | None = None, **changes: Any) -> ModelDir:
        settings = {"model": str(base_model), "checkpoints": tmp_path / "checkpoints", **changes}
        return train_small(steps, paths or [corpus], **settings)

    return run


def train_small(steps: int, paths: list[Path], **changes: Any) -> ModelDir:
    """Fine-tune in this process, with settings that suit a small model and a small corpus."""
    from mckennabot.config import FinetuneSettings
    from mckennabot.finetune import finetune
    from mckennabot.reporter import Console

    settings = {
        "batch_size": 2,
        "block_size": 32,
        "sample_every": 0,
        "precision": "float32",
        "eval_every": 5,
        "learning_rate": 1e-2,
        "warmup": 3,
        **changes,
    }
    return ModelDir(finetune(paths, FinetuneSettings(steps=steps, **settings), reporter=Console(quiet=True)))


@pytest.fixture(scope="session")
def learned(made_once: Callable[..., Path], base_model: Path, corpus_text: str) -> Path:
    """A place with a model ``base`` and a run of it, ``run1``, that has learnt the corpus; to be copied."""

    def fill(place: Path) -> None:
        from mckennabot.reporter import Silent
        from mckennabot.voice.scoring import calibrate

        shutil.copytree(base_model, place / "checkpoints" / "base")
        (place / "data").mkdir()
        (place / "data" / "book.txt").write_text(corpus_text, encoding="utf-8")
        run = train_small(
            30, [place / "data" / "book.txt"], model=str(place / "checkpoints" / "base"),
            checkpoints=place / "checkpoints", val_fraction=0.3,
        )  # fmt: skip
        calibrate(run, Silent())

    return made_once("learned", fill)


@pytest.fixture
def learned_run(learned: Path, tmp_path: Path) -> ModelDir:
    """`learned` as if it had been trained in the test's own directory; the run in it."""
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    run = ModelDir(tmp_path / "checkpoints" / "run1")
    record = run.path / "run.json"
    info = json.loads(record.read_text(encoding="utf-8").replace(str(learned), str(tmp_path)))
    del info["sha256"]  # as whoever edits it does
    record.write_text(json.dumps(info), encoding="utf-8")
    return run


# In a process of its own, so that pytest's never imports TensorFlow and gpt-2-simple side by side.
_WRITE_BASE = """
import json, sys
from pathlib import Path
import numpy as np
from mckennabot.models.checkpoint import Hparams, ModelDir
from mckennabot.tokenizer import Tokenizer
from mckennabot.models.weights import shapes, write_weights

model = ModelDir(Path(sys.argv[1]))
tokenizer = Tokenizer.train([json.load(sys.stdin)], 300)
tokenizer.save(model.path)
hparams = Hparams(n_vocab=tokenizer.size, n_ctx=int(sys.argv[2]), n_embd=32, n_head=2, n_layer=2)
model.write_hparams(hparams)
rng = np.random.default_rng(0)
values = {
    name: (np.ones if name.endswith("/g") else lambda s: rng.normal(0, 0.1, s))(shape).astype("float32")
    for name, shape in shapes(hparams).items()
}
write_weights(model.path / "model.ckpt", values)
model.point_to("model.ckpt")
"""
