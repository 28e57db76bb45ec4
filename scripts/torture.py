"""Kill, damage and mislead mckennabot at random, and count what it did not stand.

    python -m scripts.torture --kills 1000 --damages 2000 --inputs 2000 --soak 60 --work /tmp/torture

Each trial has a number and follows from the seed and that number alone. Results go to WORK/results.jsonl,
a line each; the same command again does the trials that have none yet. The exit code is 1 if any has
failed, and each failure names its trial: ``--only damage:17`` repeats it.

A trial fails where there is a traceback, "this is a bug", no end within the limit, an exit code that is not
in the contract, or a text or weights that differ in silence.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from scripts.damage import damage
from scripts.fuzz import hostile
from tests import warm

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 20.0
"""Seconds of processor time that a command on a tiny model may take; a busy machine is no hang."""
STEPS, MORE = 8, 10
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
FLAGS = ["--batch-size", "2", "--block-size", "24", "--save-every", "3", "--eval-every", "4",
         "--sample-every", "0", "--patience", "0", "--precision", "float32"]  # fmt: skip
GENERATE = ["generate", "-q", "--length", "12", "--seed", "7", "--prefix", "The sea", "--format", "jsonl"]


class Failure(Exception):  # noqa: N818 - it is what a trial found, not what went wrong here
    """What a trial found."""


class Bench:
    """A directory with a small model and a run, and a warm server that runs commands on copies of them."""

    def __init__(self, work: Path, server: warm.Server) -> None:
        self.work = work
        self.server = server
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MCKENNABOT_")},
            "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(work / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3",
        }  # fmt: skip
        self.whole = work / "whole"
        if not (self.whole / "ready").exists():
            self._prepare()
        self.text = self.run(self._copy("reference"), *GENERATE, "--run", "run1").stdout
        self._finetune_copy = self._copy("longer")
        self.run(self._finetune_copy, "finetune", "-q", "--steps", str(MORE), *FLAGS, "book.txt")
        self.weights = self.latest(self._finetune_copy)

    def _prepare(self) -> None:
        shutil.rmtree(self.whole, ignore_errors=True)
        self.whole.mkdir(parents=True)
        prose = "The machine dreams of rivers. The river dreams of the sea, and the sea is awake.\n\n"
        (self.whole / "book.txt").write_text(prose * 60, encoding="utf-8")
        made = self.server.run([sys.executable, "-c", _BASE, str(self.whole)], self.whole, self.env)
        assert made.returncode == 0, made.stderr
        model = ["--model", "checkpoints/base", "--run", "run1"]
        self.run(self.whole, "finetune", "-q", *model, "--steps", str(STEPS), *FLAGS, "book.txt")
        self.run(self.whole, *GENERATE, "--run", "run1")
        (self.whole / "ready").touch()

    def _copy(self, name: str) -> Path:
        folder = self.work / name
        unlock(folder)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.whole, folder)
        return folder

    def run(
        self, folder: Path, *args: str, codes: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and hold it to its manners."""
        command = self.start(folder, *args)
        return self.finish(command, codes)

    def start(self, folder: Path, *args: str) -> warm.Command:
        """Begin a command."""
        return warm.Command(self.server, [sys.executable, "-m", "mckennabot", *args], folder, self.env)

    def finish(self, command: warm.Command, codes: tuple[int, ...]) -> subprocess.CompletedProcess[str]:
        """Wait for a command, and hold it to its manners."""
        import psutil

        began, spent = time.monotonic(), 0.0
        while command.poll() is None:
            with suppress(psutil.Error):  # it may have ended just now
                spent = sum(psutil.Process(command.pid).cpu_times()[:4])
            since = time.monotonic() - began
            if spent > LIMIT or (since > 6 * LIMIT and spent < 1) or since > 30 * LIMIT:
                command.kill()
                command.communicate()
                raise Failure(f"a hang: {spent:.0f} s of work in {since:.0f} s")
            time.sleep(0.02)
        out, err = (text.decode("utf-8", "replace") for text in command.communicate())
        for sign in ("Traceback", "this is a bug"):
            if sign in out + err:
                raise Failure(f"{sign}: {err[-600:]}")
        if command.returncode not in codes:
            raise Failure(f"exit {command.returncode}, not one of {codes}: {err[-400:]}")
        return subprocess.CompletedProcess(command.args, command.returncode or 0, out, err)

    def latest(self, folder: Path, run: str = "run1") -> dict[str, list[Any]]:
        """A run's latest weights, read in a process of their own."""
        target = folder / "weights.npz"
        done = self.server.run([sys.executable, "-c", _WEIGHTS, run, str(target)], folder, self.env)
        if done.returncode:
            raise Failure(f"the run does not load: {done.stderr[-400:]}")
        with np.load(target) as stored:
            return {name: stored[name] for name in stored.files}


def unlock(folder: Path) -> None:
    """Make what a trial has closed removable again."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            with suppress(OSError):
                path.chmod(0o700)


def damaged(bench: Bench, rng: random.Random) -> str:
    """Damage one file of a run; then generate, check and train."""
    folder = bench._copy("damaged")
    run = folder / "checkpoints" / "run1"
    files = sorted(path for path in run.rglob("*") if path.is_file())
    victim = rng.choice(files)
    said = f"{victim.relative_to(run)}: {damage(victim, rng)}"
    try:
        done = bench.run(folder, *GENERATE, "--run", "run1", codes=(0, 4))
        if done.returncode == 0 and done.stdout != bench.text and not done.stderr.strip():
            raise Failure("another text, in silence")
        if done.returncode == 4 and len(done.stderr.strip().splitlines()) > 3:
            raise Failure(f"more than three lines: {done.stderr}")
        bench.run(folder, "models", "--check", codes=(0, 4))
        done = bench.run(folder, "finetune", "-q", "--steps", str(MORE), *FLAGS, "book.txt", codes=(0, 2, 4))
        if done.returncode == 0:
            different = [
                name for name, value in bench.latest(folder).items()
                if not np.allclose(value, bench.weights[name], atol=1e-4)
            ]  # fmt: skip
            if different and not done.stderr.strip() and victim.name != "run.json":
                raise Failure(f"other weights, in silence: {different[:3]}")
    except Failure as failure:
        raise Failure(f"{said}: {failure}") from failure
    return said


def killed(bench: Bench, rng: random.Random) -> str:
    """End a command at a random moment; what is there loads, and the same command goes on."""
    what = rng.choice(["finetune", "finetune", "generate", "library", "cache"])
    folder = bench._copy("killed")
    number = rng.choice(SIGNALS)
    commands = {
        "finetune": ["finetune", "-q", "--run", "run1", "--steps", "60", *FLAGS, "book.txt"],
        "generate": [*GENERATE, "--run", "run1", "--nsamples", "200", "-o", "texts.jsonl"],
        "library": ["extract", "-q", "library", "-o", "corpus/"],
        "cache": [*GENERATE, "--run", "run1", "--checkpoint", "latest"],
    }
    if what == "library":
        for i in range(6):
            (folder / "library").mkdir(exist_ok=True)
            shutil.copyfile(ROOT / "data" / "sample.pdf", folder / "library" / f"{i}.pdf")
    if what == "cache":
        for cache in (folder / "checkpoints" / "run1").glob("ct2-*"):
            shutil.rmtree(cache)
    command = bench.start(folder, *commands[what])
    time.sleep(rng.random() * rng.choice([0.3, 2.0, 6.0]))
    command.send_signal(number)
    codes = (0, 130, -number, 5) if number != signal.SIGKILL else (0, -9)
    said = f"{what}, {number.name}"
    try:
        bench.finish(command, codes)
        if what == "generate":
            for text in folder.glob("texts.jsonl"):
                if any(not isinstance(json.loads(line), dict) for line in text.read_text().splitlines()):
                    raise Failure("half a line in the output")
        bench.run(folder, "models", "--check")
        again = commands[what]
        bench.run(folder, *again, *(["--force"] if what in ("generate", "library") else []))
        if what == "finetune":
            reference = bench.work / "sixty.npz"
            if not reference.exists():
                calm = bench._copy("calm")
                bench.run(calm, *again)
                np.savez(reference, **bench.latest(calm))
            with np.load(reference) as expected:
                for name, value in bench.latest(folder).items():
                    if not np.allclose(value, expected[name], atol=1e-4):
                        raise Failure(f"{name} differs from the run that was never killed")
        if what == "cache" and bench.run(folder, *again).stdout != bench.run(folder, *again).stdout:
            raise Failure("texts differ")
        if what == "library" and len(list((folder / "corpus").glob("*.txt"))) != 6:
            raise Failure("books are missing")
        left = [path for path in folder.rglob("*.part*") if path.is_file()]
        if left and what == "finetune":
            raise Failure(f"left behind: {left}")
    except Failure as failure:
        raise Failure(f"{said}: {failure}") from failure
    return said


def misled(bench: Bench, rng: random.Random) -> str:
    """Give an input that nobody would want."""
    folder = bench.work / "misled"
    unlock(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    suffix, content = hostile(rng)
    name = "mckennabot.toml" if suffix == ".toml" else f"book{suffix}"
    (folder / name).write_bytes(content)
    if suffix == ".toml":
        shutil.copyfile(bench.whole / "book.txt", folder / "book.txt")
    fine = (0, 2, 3, 4)
    if suffix not in (".npz", ".toml"):
        bench.run(folder, "extract", "-q", name, "-o", "out.txt", codes=fine)
    else:
        bench.run(folder, "finetune", "-q", "--dry-run", "--model", str(bench.whole / "checkpoints" / "base"),
                  "book.txt" if suffix == ".toml" else name, codes=fine)  # fmt: skip
    return f"{suffix}, {len(content)} bytes"


def soak(bench: Bench, minutes: float) -> Iterator[dict[str, Any]]:
    """Sample without an end; memory and time of each text stay as they are."""
    code = f"from scripts.torture import soaking; soaking({minutes})"
    folder = bench._copy("soak")
    done = bench.server.run([sys.executable, "-c", code], folder, bench.env)
    if done.returncode:
        raise Failure(done.stderr[-800:])
    yield from map(json.loads, done.stdout.splitlines())


def soaking(minutes: float) -> None:
    """What `soak` runs: a line with bytes and milliseconds a text for each twentieth of the time."""
    import psutil

    from mckennabot.config import GenerateSettings
    from mckennabot.generate.sampler import open_sampler
    from mckennabot.generate.source import find_source
    from mckennabot.reporter import Silent

    settings = GenerateSettings(seed=1, length=40, run="run1")
    with open_sampler(find_source(settings), settings, Silent()) as sampler:
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            part, texts, cpu = time.monotonic() + 60 * minutes / 20, 0, time.process_time()
            while time.monotonic() < part:
                texts += sum(1 for _ in sampler.sample(["The sea", "A river"], Silent()))
            spent = 1000 * (time.process_time() - cpu) / max(1, texts)
            print(
                json.dumps({"bytes": psutil.Process().memory_info().rss, "ms": round(spent, 3)}), flush=True
            )


TRIALS: dict[str, Callable[[Bench, random.Random], str]] = {
    "kill": killed,
    "damage": damaged,
    "input": misled,
}


def main() -> int:
    """Do the trials that are asked for and have no result yet; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("kills", "damages", "inputs"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("torture"))
    parser.add_argument("--only", metavar="KIND:NUMBER", help="repeat one trial")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    log = options.work.resolve() / "results.jsonl"
    results = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {(r["kind"], r["number"]) for r in results if r["seed"] == options.seed}
    wanted = [
        (kind, number)
        for kind, count in (("kill", options.kills), ("damage", options.damages), ("input", options.inputs))
        for number in range(count)
        if (kind, number) not in done
    ]
    if options.only:
        kind, _, digits = options.only.partition(":")
        wanted = [(kind, int(digits))]
    with serving() as server:
        bench = Bench(options.work.resolve(), server)
        for kind, number in wanted:
            result: dict[str, Any] = {"kind": kind, "number": number, "seed": options.seed, "failed": None}
            try:
                result["what"] = TRIALS[kind](bench, random.Random(f"{options.seed} {kind} {number}"))
            except Failure as failure:
                result["failed"] = str(failure)
                print(f"{kind}:{number}: {failure}", file=sys.stderr, flush=True)
            results.append(result)
            with log.open("a") as file:
                file.write(json.dumps(result) + "\n")
        if options.soak:
            parts = list(soak(bench, options.soak))
            print("soak", json.dumps(parts[1]), "->", json.dumps(parts[-1]))
    counts = Counter((r["kind"], r["failed"] is not None) for r in results)
    for kind in TRIALS:
        print(f"{kind}: {counts[kind, False] + counts[kind, True]} trials, {counts[kind, True]} failed")
    return 1 if any(failed for _, failed in counts) else 0


def serving() -> Any:
    """The warm server, whose commands convert weights in a fork too: the third of a second that it takes."""
    return warm.server(prelude=_PRELUDE)


_PRELUDE = """
import mckennabot.generate.cache as cache
class Forked(cache.Call):
    def __init__(self, *args, **more):
        super().__init__(*args, **{**more, "fresh": False})
cache.Call = Forked
"""

_BASE = """
import sys
from pathlib import Path
import numpy as np
from mckennabot.models.checkpoint import Hparams, ModelDir
from mckennabot.models.weights import shapes, write_weights
from mckennabot.tokenizer import Tokenizer

model = ModelDir(Path(sys.argv[1]) / "checkpoints" / "base")
model.path.mkdir(parents=True)
tokenizer = Tokenizer.train([(Path(sys.argv[1]) / "book.txt").read_text()], 300)
tokenizer.save(model.path)
hparams = Hparams(n_vocab=tokenizer.size, n_ctx=32, n_embd=16, n_head=2, n_layer=2)
model.write_hparams(hparams)
rng = np.random.default_rng(0)
write_weights(model.path / "model.ckpt", {
    name: (np.ones if name.endswith("/g") else lambda s: rng.normal(0, 0.1, s))(shape).astype("float32")
    for name, shape in shapes(hparams).items()
})
model.point_to("model.ckpt")
"""

_WEIGHTS = """
import sys
from pathlib import Path
import numpy as np
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.weights import read_weights
run = ModelDir(Path("checkpoints") / sys.argv[1])
np.savez(sys.argv[2], **dict(read_weights(run.path / f"model-{run.steps()[-1]}", run.hparams())))
"""

if __name__ == "__main__":
    sys.exit(main())
