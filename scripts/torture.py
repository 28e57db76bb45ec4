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
import itertools
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mckennabot.models.checkpoint import BASE_FILES
from scripts.damage import damage
from scripts.fuzz import hostile
from tests import warm
from tests.pdfs import book, line
from tests.server import Server
from tests.serving import serving

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

    def __init__(self, work: Path, server: warm.Server, url: str) -> None:
        self.work = work
        self.url = url
        self.server = server
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MCKENNABOT_")},
            "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(work / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3",
        }  # fmt: skip
        self.takes: dict[str, float] = {}
        self.drawn: dict[Path, set[str]] = {}
        self.books: dict[str, bytes] = {}
        self.whole = work / "whole"
        if not (self.whole / "ready").exists():
            self._prepare()
        self.text = self.run(self._copy("reference"), *GENERATE, "--run", "run1").stdout
        self._finetune_copy = self._copy("longer")
        shutil.copytree(
            self.whole / "checkpoints" / "base", work / "served" / "tiny-model", dirs_exist_ok=True
        )
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


@dataclass(frozen=True)
class Chain:
    """A command that is ended again and again at random moments in one directory.

    Attributes:
        args: what follows ``mckennabot``; ``{n}`` is the number of the try.
        prepare: makes a directory ready for it.
        sound: raises `Failure` unless what a try has left is sound.
        ended: the same of what the last try, which nobody ends, has left.
    """

    args: list[str]
    prepare: Callable[[Bench, Path], None] = lambda bench, folder: None
    sound: Callable[[Bench, Path], None] = lambda bench, folder: None
    ended: Callable[[Bench, Path], None] = lambda bench, folder: None


def killed(bench: Bench, rng: random.Random) -> str:
    """End a command `KILLS` times at random moments; what is there loads, and the same command goes on."""
    what = rng.choice(sorted(CHAINS))
    chain = CHAINS[what]
    folder = bench.work / "killed"
    said = []
    try:
        if what not in bench.takes:
            _begin(bench, chain, folder)
            _time(bench, what, folder)
        _begin(bench, chain, folder)
        for turn in range(KILLS):
            number = rng.choice(SIGNALS)
            said.append(number.name)
            command = bench.start(folder, *_filled(bench, chain, turn))
            # As often in the first third, where files are opened and checked, as in all of it.
            time.sleep(rng.random() * rng.choice([0.3, 1]) * bench.takes[what])
            command.send_signal(number)
            codes = (0, 130, -number) if number != signal.SIGKILL else (0, -9)
            done = bench.finish(command, codes)
            if what != "download":
                bench.run(folder, "models", "--check")
            chain.sound(bench, folder)
            if done.returncode == 0:
                _begin(bench, chain, folder)
        _time(bench, what, folder)
        chain.sound(bench, folder)
        chain.ended(bench, folder)
    except Failure as failure:
        raise Failure(f"{what}, {' '.join(said)}: {failure}") from failure
    return f"{what}, {' '.join(said)}"


def _begin(bench: Bench, chain: Chain, folder: Path) -> None:
    bench._copy(folder.name)
    chain.prepare(bench, folder)


def _filled(bench: Bench, chain: Chain, turn: int) -> list[str]:
    return [part.format(n=turn, url=bench.url) for part in chain.args]


def _time(bench: Bench, what: str, folder: Path) -> None:
    """Let a command come to its end, and remember how long that took: moments are chosen within it."""
    began = time.monotonic()
    bench.run(folder, *_filled(bench, CHAINS[what], KILLS))
    bench.takes[what] = max(bench.takes.get(what, 0), time.monotonic() - began)


def _as_if_never_killed(bench: Bench, folder: Path) -> None:
    """The weights of the training that came to its end are those of one that nobody disturbed."""
    reference = bench.work / "calm.npz"
    if not reference.exists():
        calm = bench._copy("calm")
        bench.run(calm, *CHAINS["finetune"].args)
        np.savez(reference, **bench.latest(calm))
    with np.load(reference) as expected:
        for name, value in bench.latest(folder).items():
            if not np.allclose(value, expected[name], atol=1e-4):
                raise Failure(f"{name} differs from the run that was never killed")
    _nothing_left(bench, folder)


def _nothing_left(bench: Bench, folder: Path) -> None:
    left = [str(path.relative_to(folder)) for path in folder.rglob("*.part*")]
    if left:
        raise Failure(f"left behind: {left}")


def _drawn_is_kept(bench: Bench, folder: Path) -> None:
    """Every text that was ever whole is in a file that holds whole texts; those of a kill may still wait."""
    seen = set(bench.drawn.get(folder, ()))
    here: set[str] = set()
    for path in [*folder.glob("texts*.jsonl"), *folder.glob(".texts*.part")]:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if path.name.endswith(".part"):  # of a kill: the last line may be a half
            lines = [whole for whole in lines if whole.endswith("\n")]
        for text in lines:
            if not text.endswith("\n") or not isinstance(json.loads(text), dict):
                raise Failure(f"half a line in {path.name}")
        here |= set(lines)
    if seen - here:
        raise Failure(f"{len(seen - here)} texts that were whole are gone")
    bench.drawn = {folder: here}
    with suppress(FileNotFoundError):  # out of the next one's way
        (folder / "texts.jsonl").rename(folder / f"texts-{len(list(folder.glob('texts*')))}.jsonl")


def _forget_drawn(bench: Bench, folder: Path) -> None:
    bench.drawn.clear()


def _books(bench: Bench, folder: Path) -> None:
    (folder / "library").mkdir()
    for number in range(8):
        story = " ".join(
            f"The {number * 7 + i} rivers dream of the sea, and nobody is awake." for i in range(400)
        )
        page = f"<html><body><h1>Chapter {number}</h1><p>{story}</p></body></html>"
        (folder / "library" / f"{number}.html").write_text(page, encoding="utf-8")
    pages = [
        "\n".join(
            line(f"Nobody there had ever counted the {97 * n + i}th star.", y=700 - 14 * i) for i in range(30)
        )
        for n in range(3)
    ]
    (folder / "library" / "8.pdf").write_bytes(book(pages))


def _books_are_whole(bench: Bench, folder: Path) -> None:
    """A text that has its name is the one that a calm extraction writes."""
    if not bench.books:
        calm = bench._copy("calm-books")
        _books(bench, calm)
        bench.run(calm, *CHAINS["library"].args)
        bench.books = {path.name: path.read_bytes() for path in (calm / "corpus").glob("*.txt")}
    for path in (folder / "corpus").glob("*.txt"):
        if path.read_bytes() != bench.books[path.name]:
            raise Failure(f"{path.name} is not what a calm extraction writes")


def _all_books(bench: Bench, folder: Path) -> None:
    there = {path.name for path in (folder / "corpus").glob("*.txt")}
    if there != set(bench.books) or len(there) < 9:
        raise Failure(f"books are missing: {sorted(set(bench.books) - there)}")


def _without_caches(bench: Bench, folder: Path) -> None:
    for cache in (folder / "checkpoints" / "run1").glob("ct2-*"):
        shutil.rmtree(cache)


def _says_the_same(bench: Bench, folder: Path) -> None:
    if bench.run(folder, *GENERATE, "--run", "run1").stdout != bench.text:
        raise Failure("another text")
    _nothing_left(bench, folder)


def _same_bundle(bench: Bench, folder: Path) -> None:
    bundle = folder / "out.voice"
    if bundle.exists() and bench.run(folder, *GENERATE, "--run", "out.voice").stdout != bench.text:
        raise Failure("another text from the bundle")


def _downloaded(bench: Bench, folder: Path) -> None:
    model = folder / "new" / "tiny-model"
    if not model.exists():
        return
    for name in BASE_FILES:
        if (model / name).read_bytes() != (bench.whole / "checkpoints" / "base" / name).read_bytes():
            raise Failure(f"{name} is not what was served")


CHAINS = {
    "finetune": Chain(
        ["finetune", "-q", "--run", "run1", "--steps", "40", "--no-report", *FLAGS, "book.txt"],
        ended=_as_if_never_killed,
    ),
    "generate": Chain(
        ["generate", "-q", "--length", "12", "--prefix", "The sea", "--format", "jsonl", "--seed", "{n}",
         "--run", "run1", "--nsamples", "60", "--batch-size", "4", "-o", "texts.jsonl"],
        prepare=_forget_drawn, sound=_drawn_is_kept, ended=_nothing_left,
    ),
    "library": Chain(
        ["extract", "-q", "library", "-o", "corpus/"],
        prepare=_books, sound=_books_are_whole, ended=_all_books,
    ),
    "download": Chain(
        ["finetune", "-q", "--model", "tiny-model", "--run", "new", "--base-url", "{url}",
         "--checkpoints", "new", "--steps", "1", "--no-report", *FLAGS, "book.txt"],
        sound=_downloaded,
    ),
    "cache": Chain(
        [*GENERATE, "--run", "run1"], prepare=_without_caches, ended=_says_the_same,
    ),
    "export": Chain(
        ["export", "run1", "-q", "--format", "bundle", "-o", "out.voice", "--force"],
        sound=_same_bundle, ended=_nothing_left,
    ),
}  # fmt: skip


def misled(bench: Bench, rng: random.Random) -> str:
    """Give `INPUTS` inputs that nobody would want: books as one library, the others to a command each."""
    folder = bench.work / "misled"
    unlock(folder)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "library").mkdir(parents=True)
    shutil.copyfile(bench.whole / "book.txt", folder / "book.txt")
    fine = (0, 2, 3, 4)
    books = []
    for number in range(INPUTS):
        suffix, content = hostile(rng)
        if suffix not in (".npz", ".toml"):
            books.append(folder / "library" / f"book{number}{suffix}")
            books[-1].write_bytes(content)
            continue
        trained_on = folder / f"book{number}{suffix}"
        trained_on.write_bytes(content)
        base = ["--model", str(bench.whole / "checkpoints" / "base")]
        name = "book.txt" if suffix == ".toml" else trained_on.name
        config = ["--config", trained_on.name] if suffix == ".toml" else []
        try:
            bench.run(folder, *config, "finetune", "-q", "--dry-run", *base, name, codes=fine)
        except Failure as failure:
            raise Failure(f"the {number}th of them, {suffix}: {failure}") from failure
    try:
        bench.run(folder, "extract", "-q", "library", "-o", "out/", codes=fine)
    except Failure as together:
        for source in books:
            try:
                bench.run(folder, "extract", "-q", str(source), "-o", "alone.txt", "--force", codes=fine)
            except Failure as failure:
                raise Failure(f"{source.name}: {failure}") from failure
        raise Failure(f"only together: {together}") from together
    return f"{len(books)} books, {INPUTS - len(books)} arrays and settings"


def soak(bench: Bench, minutes: float) -> Iterator[dict[str, Any]]:
    """Sample without an end; memory and time of each text stay as they are."""
    code = f"from scripts.torture import soaking; soaking({minutes})"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, cwd=bench._copy("soak"), env=bench.env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield from map(json.loads, process.stdout)
    if process.returncode:
        raise Failure(f"the soak of generate ended with {process.returncode}")


def soaking(minutes: float) -> None:
    """What `soak` runs: its lines are those of `twentieths`."""
    import psutil

    from mckennabot.config import GenerateSettings
    from mckennabot.generate.sampler import open_sampler
    from mckennabot.generate.source import find_source
    from mckennabot.reporter import Silent

    settings = GenerateSettings(seed=1, length=40, run="run1")
    with open_sampler(find_source(settings), settings, Silent()) as sampler:

        def sample() -> int:
            return sum(1 for _ in sampler.sample(["The sea", "A river"], Silent()))

        for part in twentieths(minutes, psutil.Process(), sample):
            print(json.dumps(part), flush=True)


def soak_server(bench: Bench, minutes: float) -> Iterator[dict[str, Any]]:
    """Ask a server for texts without an end, whole and in pieces, and leave every tenth in the middle."""
    import psutil
    import requests

    folder = bench._copy("soak-server")
    with serving(folder) as server, requests.Session() as session:
        numbers = itertools.count()

        def ask() -> int:
            number = next(numbers)
            body = {"model": "run1", "prompt": "The sea", "max_tokens": 40, "seed": number}
            with session.post(
                f"{server.url}/v1/completions",
                json=body | {"stream": number % 2 == 0},
                stream=True,
                timeout=60,
            ) as reply:
                reply.raise_for_status()
                for _ in reply.iter_lines():
                    if number % 10 == 0:
                        break
            return 1

        yield from twentieths(minutes, psutil.Process(server.process.pid), ask)


def twentieths(minutes: float, process: Any, write: Callable[[], int]) -> Iterator[dict[str, Any]]:
    """Write texts, and say for each twentieth of the time what a process holds and spends.

    Args:
        minutes: how long.
        process: which, as psutil has it.
        write: writes some texts, and says how many.

    Yields:
        ``bytes`` resident, and ``ms`` of processor time a text.
    """

    def spent() -> float:
        used = process.cpu_times()
        return 1000 * float(used.user + used.system)

    for _ in range(20):
        end, texts, before = time.monotonic() + 60 * minutes / 20, 0, spent()
        while time.monotonic() < end:
            texts += write()
        each = round((spent() - before) / max(1, texts), 3)
        yield {"bytes": process.memory_info().rss, "ms": each, "texts": texts}


KILLS, INPUTS = 8, 20
"""How many kills, and inputs, are one trial: most of what one alone would take is to begin."""
TRIALS: dict[str, tuple[Callable[[Bench, random.Random], str], int]] = {
    "kill": (killed, KILLS),
    "damage": (damaged, 1),
    "input": (misled, INPUTS),
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
        for kind, count in (("input", options.inputs), ("kill", options.kills), ("damage", options.damages))
        for number in range(math.ceil(count / TRIALS[kind][1]))
        if (kind, number) not in done
    ]
    if options.only:
        kind, _, digits = options.only.partition(":")
        wanted = [(kind, int(digits))]
    if wanted or options.soak:
        results += attempt(wanted, options, log)
    for kind in TRIALS:
        sizes = [r["size"] for r in results if r["kind"] == kind]
        failed = sum(r["failed"] is not None for r in results if r["kind"] == kind)
        print(f"{kind}: {sum(sizes)} in {len(sizes)} trials, {failed} failed")
    return 1 if any(r["failed"] is not None for r in results) else 0


def attempt(
    wanted: list[tuple[str, int]], options: argparse.Namespace, log: Path
) -> Iterator[dict[str, Any]]:
    """Do the trials, each a line of the log as it ends; then the soak, if it is asked for."""
    work = options.work.resolve()
    with warm_server() as server, Server(work / "served") as models:
        bench = Bench(work, server, models.url)
        for kind, number in wanted:
            trial, size = TRIALS[kind]
            result: dict[str, Any] = {"kind": kind, "number": number, "seed": options.seed, "size": size}
            result["failed"] = None
            try:
                result["what"] = trial(bench, random.Random(f"{options.seed} {kind} {number}"))
            except Failure as failure:
                result["failed"] = str(failure)
                print(f"{kind}:{number}: {failure}", file=sys.stderr, flush=True)
            with log.open("a") as file:
                file.write(json.dumps(result) + "\n")
            yield result
        if options.soak:
            for name, run in (("generate", soak), ("serve", soak_server)):
                for part in run(bench, options.soak):
                    print(f"soak of {name}:", json.dumps(part), flush=True)


def warm_server() -> Any:
    """The warm server, with all that commands load as they begin."""
    return warm.server(prelude=_PRELUDE)


_PRELUDE = """
import signal, sys
sys.modules["matplotlib"] = None  # figures take longer than the training
import ctranslate2, tokenizers, requests, lxml.html, markdown_it, pdfminer.high_level
import mckennabot.finetune.train, mckennabot.generate.sampler, mckennabot.extract.scheduler
import mckennabot.report, mckennabot.models.download, mckennabot.voice.scoring, mckennabot.generate.formats
import mckennabot.generate.cache
signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command has handlers of its own
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
