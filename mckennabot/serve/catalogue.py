"""The models that can be asked for: every run and base model in the checkpoint directory, and nothing else.

A name from a request is compared with the names that are there; it never becomes a path.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
import weakref
from collections import OrderedDict
from pathlib import Path

from mckennabot.config import GenerateSettings
from mckennabot.errors import MckennabotError
from mckennabot.generate.cache import converted
from mckennabot.generate.convert import Conversion
from mckennabot.generate.ctranslate2_engine import CTranslate2Engine, choose_precision, choose_threads
from mckennabot.generate.source import SEEDS, Source, find_source, while_it_trains
from mckennabot.models.bundle import peek
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.dial import AS_TRAINED
from mckennabot.models.find import find_model
from mckennabot.models.inventory import Entry, inventory
from mckennabot.models.weights import parameters
from mckennabot.originality import FILE as INDEX
from mckennabot.originality import Index, Place
from mckennabot.passages import Passage, find_passage
from mckennabot.reporter import Reporter
from mckennabot.serve.refusal import Refusal
from mckennabot.tokenizer import Tokenizer

LOADED = 3
"""Models in memory at a time."""
FRESH = 2.0
"""Seconds for which the list of models is taken as it was."""


class Loaded:
    """A model that can sample.

    Attributes:
        name: in the list of models.
        tokenizer: its vocabulary.
        n_ctx: its window in tokens.
    """

    def __init__(self, source: Source, reporter: Reporter) -> None:
        """Convert the weights, where that was not done before.

        Raises:
            ModelError: the model is damaged.
            ResourceError: memory or disk space ran out.
        """
        model = source.model
        hparams = model.hparams()
        size = parameters(hparams)
        self.name = model.name
        self.tokenizer = Tokenizer.load(model.path)
        self.n_ctx = hparams.n_ctx
        self._tokens = [self.tokenizer.token(i) for i in range(self.tokenizer.size)]
        self._precision = choose_precision("auto", size)
        self._threads = choose_threads(size)
        self._engine: CTranslate2Engine | None = None
        what = Conversion(model, source.weights, self._precision, source.dial)
        stack = contextlib.ExitStack()
        self._directory = stack.enter_context(converted(what, reporter))
        weakref.finalize(self, stack.close)

    def engine(self, seed: int | None = None) -> CTranslate2Engine:
        """The engine that all share, or one whose random numbers are those of a seed; only for one thread.

        The random numbers are those of the last engine made, up to its first token. So whoever makes one
        samples from it before another is made.
        """
        if seed is not None:
            return self._load(seed)
        if self._engine is None:
            self._engine = self._load(secrets.randbelow(SEEDS))
        return self._engine

    def _load(self, seed: int) -> CTranslate2Engine:
        return CTranslate2Engine(self._directory, self._precision, self._tokens, seed, self._threads)


class Catalogue:
    """The models of a checkpoint directory, a few of them in memory. Its methods may wait for the disk.

    Args:
        checkpoints: where base models and runs lie.
        reporter: takes what there is to say of what takes long.
    """

    def __init__(self, checkpoints: Path, reporter: Reporter) -> None:
        self._checkpoints = checkpoints
        self._reporter = reporter
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._listed = (-FRESH, list[Entry]())
        self._loaded: OrderedDict[Source, Loaded] = OrderedDict()
        self._indexes: OrderedDict[tuple[Path, int], Index] = OrderedDict()

    def entries(self) -> list[Entry]:
        """Return the models that can be loaded, by name."""
        with self._lock:
            when, entries = self._listed
            if time.monotonic() - when > FRESH:
                there = inventory(self._checkpoints)
                entries = [entry for entry in there if entry.kind != "part" and not entry.damage]
                self._listed = time.monotonic(), entries
            return entries

    def entry(self, name: str) -> Entry:
        """Return the model of that name.

        Raises:
            Refusal: there is none.
        """
        entries = self.entries()
        for entry in entries:
            if entry.name == name:
                return entry
        there = ", ".join(entry.name for entry in entries[:20]) or "none yet"
        raise Refusal(
            404,
            f"There is no model {name[:100]!r}; there is: {there}.",
            param="model",
            code="model_not_found",
        )

    def directory(self, name: str) -> ModelDir:
        """Return where the model of that name lies.

        Raises:
            Refusal: there is none.
        """
        try:
            return find_model(self._checkpoints, self.entry(name).name, self._reporter)
        except MckennabotError as error:
            raise Refusal(503, f"The model {name!r} cannot be opened: {error.what}.") from error

    def load(self, name: str, voice: float | None) -> Loaded:
        """Return a model, loaded if it is not in memory; a run's newest weights.

        Args:
            name: from the list of models.
            voice: the place on the dial; None is where the run did best.

        Raises:
            Refusal: there is none of that name, it has no such dial, or it cannot be loaded.
        """
        source = self.source(name, voice)
        if (loaded := self._in_memory(source)) is not None:
            return loaded
        with self._loading:  # one conversion at a time; who asks for what is in memory does not wait
            if (loaded := self._in_memory(source)) is not None:
                return loaded
            try:
                source, loaded = while_it_trains(lambda: self._open(name, voice))
            except MckennabotError as error:
                raise Refusal(503, f"The model {name!r} cannot be loaded: {error.what}.") from error
            with self._lock:
                self._loaded[source] = loaded
                while len(self._loaded) > LOADED:
                    self._loaded.popitem(last=False)
            return loaded

    def _open(self, name: str, voice: float | None) -> tuple[Source, Loaded]:
        source = self.source(name, voice)
        return source, Loaded(source, self._reporter)

    def source(self, name: str, voice: float | None) -> Source:
        """Return the weights that `load` takes.

        Raises:
            Refusal: there is none of that name, or it has no such dial.
        """
        entry = self.entry(name)
        if voice not in (None, AS_TRAINED) and entry.kind == "base":
            raise Refusal(400, f"{name!r} is a base model, which has no dial.", param="voice")
        settings = GenerateSettings(model=entry.name, voice=voice, checkpoints=self._checkpoints)
        try:
            return find_source(settings, self._reporter)
        except MckennabotError as error:
            status = 503 if voice is None else 400
            raise Refusal(status, f"{error.what}.", param=None if voice is None else "voice") from error

    def _in_memory(self, source: Source) -> Loaded | None:
        with self._lock:
            loaded = self._loaded.get(source)
            if loaded is not None:
                self._loaded.move_to_end(source)
            return loaded

    def index(self, name: str) -> Index:
        """Return the run's book, to compare texts with.

        Raises:
            Refusal: the model has none.
        """
        path = self.directory(name).path
        with self._lock:
            try:
                key = path, (path / INDEX).stat().st_mtime_ns
                if key not in self._indexes:
                    self._indexes[key] = Index.load(path)
            except (OSError, MckennabotError):
                raise Refusal(
                    400, f"{name!r} has no index of a book to compare texts with.", param="model"
                ) from None
            self._indexes.move_to_end(key)
            while len(self._indexes) > LOADED:
                self._indexes.popitem(last=False)
            return self._indexes[key]

    def written(self, name: str) -> int:
        """When the model's weights were last chosen, in seconds since 1970."""
        path = self._checkpoints / name
        try:
            return int((path if path.is_file() else path / "checkpoint").stat().st_mtime)
        except OSError:
            return 0

    def newest(self) -> str | None:
        """Return the model to offer first: the run or bundle written last, else a base model."""
        ranked = [(entry.kind != "base", self.written(entry.name), entry.name) for entry in self.entries()]
        return max(ranked)[2] if ranked else None

    def has_index(self, name: str) -> bool:
        """Return whether texts can be compared with the model's book."""
        path = self._checkpoints / name
        return INDEX in peek(path).files if path.is_file() else (path / INDEX).is_file()

    def has_dial(self, name: str) -> bool:
        """Return whether the run remembers a base to be mixed with."""
        return bool(ModelDir(self._checkpoints / name).run_info().get("base"))

    def best_voice(self, name: str) -> float | None:
        """Return where on its dial the run did best on held-out text, if that was measured."""
        best = ModelDir(self._checkpoints / name).run_info().get("voice")
        return float(best) if isinstance(best, int | float) else None

    def passage(self, name: str, copied: str, place: Place) -> Passage | None:
        """Return the part of the book that was copied; None where its corpus file is gone or has changed.

        Args:
            name: the run's.
            copied: the words in the text that copies.
            place: where the index has them.
        """
        return find_passage(ModelDir(self._checkpoints / name), copied, place)
