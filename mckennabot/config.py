"""The settings of each stage: one frozen dataclass for each, which checks itself.

A field says its type, its default, its limits and its help once; the command line makes its options from
that (`mckennabot.cli.options`), and the Python API takes the same names as keyword arguments.
Defaults < mckennabot.toml < MCKENNABOT_<COMMAND>_<OPTION> < flags; click does the layering.

    >>> GenerateSettings(length=0)
    Traceback (most recent call last):
        ...
    mckennabot.errors.UsageError: --length 0: it must be at least 1
"""

from __future__ import annotations

import math
import operator
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from mckennabot.errors import UsageError

CHECKPOINTS = Path("checkpoints")
CORPUS_DIR = Path("data")
LEDGER = ".extracted.jsonl"
"""Which books of a directory of texts are done, kept beside them."""
PLACES = ".places"
"""Suffix of the file beside a text that says where its paragraphs stood in the book."""
BASE_URL = "https://openaipublic.blob.core.windows.net/gpt-2"
"""Where OpenAI keeps its models, and gpt-2-simple fetches them: ``<BASE_URL>/models/<name>/<file>``."""


LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Addresses that only this machine can reach."""
MOST_VOICE = 2.0
"""The far end of the dial; further on nothing of the language is left."""


@dataclass(frozen=True)
class Option:
    """What is known of a setting besides its type and default.

    Attributes:
        help: one sentence for ``--help``.
        low, high: the least and the greatest value.
        above: a value that it must be greater than.
        metavar: stands for the value in ``--help``.
        unset: what None means, as ``--help`` says it.
    """

    help: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    metavar: str | None = None
    unset: str | None = None


def setting(default: Any, help: str, **details: Any) -> Any:
    """A dataclass field with an `Option`."""
    return field(default=default, metadata={"option": Option(help, **details)})


def _column() -> Any:
    """The field of whoever reads tables of texts."""
    return setting(
        None,
        "Read the texts of a CSV or JSONL file from this column (its name, or its number from 1).",
        metavar="NAME",
        unset="found by name, or the longest",
    )


class Settings:
    """Checks and converts its fields when it is made.

    Whole numbers and texts are taken as they are; paths may be strings, ``~`` is the home directory; a set
    or tuple of texts may be one text. Numbers that are not finite are refused.

    Raises:
        UsageError: a value that its field does not take; the message names the option and the limits.
    """

    def __post_init__(self) -> None:
        """Check every field."""
        kinds = types_of(type(self))
        for each in fields(self):  # type: ignore[arg-type]
            value = _checked(each, kinds[each.name], getattr(self, each.name))
            object.__setattr__(self, each.name, value)


def types_of(settings: type) -> dict[str, Any]:
    """The types of a settings class's fields, resolved."""
    return typing.get_type_hints(settings)


S = TypeVar("S", bound=Settings)


def with_options(settings: S, options: Mapping[str, Any]) -> S:
    """The settings with some of them changed.

    Raises:
        TypeError: there is no such setting; the nearest one is named.
        UsageError: a setting does not take its value.
    """
    known = [each.name for each in fields(settings)]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, 1)
            raise TypeError(f"no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return replace(settings, **options)  # type: ignore[type-var]


def from_text(settings: type[Settings], name: str, text: str) -> Any:
    """What a setting makes of a value that was typed; a set of texts takes one, or none.

    Raises:
        UsageError: it is not such a value.
    """
    kind = without_none(types_of(settings)[name])
    try:
        if kind is bool:
            return {"": True, "on": True, "true": True, "off": False, "false": False}[text.lower()]
        if kind in (int, float):
            return kind(text)
    except (ValueError, KeyError):
        raise UsageError(f"{text!r} is not {'on or off' if kind is bool else _NAMES[kind]}") from None
    if kind == tuple[str, ...]:
        return (text,) if text else ()
    return text


def option_of(each: Field[Any]) -> Option:
    """What a settings class's field says of itself."""
    found = each.metadata["option"]
    assert isinstance(found, Option)
    return found


def flag(name: str) -> str:
    """A setting's name on the command line."""
    return "--" + name.replace("_", "-")


def without_none(kind: Any) -> Any:
    """The type of a setting's value where there is one: ``int`` of ``int | None``."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(inner for inner in typing.get_args(kind) if inner is not type(None))
    return kind


def _checked(each: Field[Any], kind: Any, value: Any) -> Any:
    if value is None and without_none(kind) is not kind:
        return None
    kind, option = without_none(kind), option_of(each)
    try:
        value = _converted(kind, value)
    except (TypeError, ValueError) as error:
        reason = (
            str(error) if isinstance(error, _RefusedError) else f"it must be {_NAMES.get(kind, 'a text')}"
        )
        raise UsageError(f"{flag(each.name)} {value!r}: {reason}") from None
    if typing.get_origin(kind) is Literal and value not in typing.get_args(kind):
        raise UsageError(f"{flag(each.name)} {value!r}: it must be one of {', '.join(typing.get_args(kind))}")
    for limit, wrong, words in (
        (option.low, operator.lt, "at least"),
        (option.above, operator.le, "more than"),
        (option.high, operator.gt, "at most"),
    ):
        if limit is not None and wrong(value, limit):
            raise UsageError(f"{flag(each.name)} {value}: it must be {words} {limit:g}")
    return value


class _RefusedError(ValueError):
    """A value that is refused for a reason of its own."""


_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path",
    tuple[str, ...]: "a text or several",
    frozenset[str]: "names, separated by commas",
}


def _converted(kind: Any, value: Any) -> Any:
    """The value as what its field holds.

    Raises:
        TypeError, ValueError: it cannot be that.
    """
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError
    elif kind in (int, float):
        if isinstance(value, (bool, str)):
            raise TypeError
        value = operator.index(value) if kind is int else float(value)
        if not math.isfinite(value):
            raise _RefusedError("it must be a finite number")
    elif kind is Path:
        value = Path(value).expanduser()
    elif kind == tuple[int, int]:
        value = page_span(value) if isinstance(value, str) else _pair(value)
    elif kind in (tuple[str, ...], frozenset[str]):
        value = _texts(value, split=kind == frozenset[str])
    elif not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: Any, split: bool) -> Any:
    given: Iterable[Any] = [value] if isinstance(value, str) else value
    texts = list(given)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    if not split:
        return tuple(texts)
    return frozenset(part.strip() for text in texts for part in text.split(",") if part.strip())


def page_span(text: str) -> tuple[int, int]:
    """The first and the last page of ``10-240``, ``10-``, ``-240`` or ``10``, from 1.

    Raises:
        ValueError: it is no such span.
    """
    found = re.fullmatch(r"(\d{0,6})(-?)(\d{0,6})", text.replace(" ", ""))
    if not found or not (found[1] or found[3]):
        raise _RefusedError("it must be pages such as 10-240")
    first = int(found[1] or 1)
    return _pair((first, int(found[3] or (sys.maxsize if found[2] else first))))


def _pair(value: Any) -> tuple[int, int]:
    first, last = map(operator.index, value)
    if not 1 <= first <= last:
        raise _RefusedError("pages count from 1, and the first comes first")
    return first, last


@dataclass(frozen=True)
class ExtractSettings(Settings):
    """How a book becomes a corpus."""

    segment: Literal["chapter", "section", "page", "none"] = setting(
        "chapter", "Begin a new text (<|endoftext|>) at every chapter, section or page."
    )
    pages: tuple[int, int] | None = setting(
        None, "Read only these pages, such as 10-240.", metavar="FIRST-LAST", unset="all"
    )
    password: str | None = setting(
        None, "Open encrypted PDFs with this password.", unset="asked for on a terminal, for one book"
    )
    keep: frozenset[str] = setting(
        frozenset(),
        "Keep what is left out otherwise: front-matter, footnotes, index, … (separated by commas)",
        metavar="KINDS",
    )
    jobs: int | None = setting(
        None, "Read pages in this many processes.", low=1, unset="one per core, up to 4"
    )
    ocr: bool = setting(False, "Let ocrmypdf recognise the text of scanned pages first.")
    speaker: str | None = setting(
        None, "Keep the words of one speaker of a talk or interview.", metavar="NAME", unset="all"
    )
    column: str | None = _column()


@dataclass(frozen=True)
class FinetuneSettings(Settings):
    """How a corpus becomes a run."""

    steps: int = setting(1000, "Train until the run has this many steps in all.", low=1)
    minutes: float | None = setting(
        None,
        "Stop when the run has had this many minutes, if that comes first; the best step is kept.",
        above=0,
        unset="no limit",
    )
    model: str | None = setting(
        None,
        "Start from 124M, 355M, 774M, 1558M, small (which comes with the package), a model's directory, or "
        "tiny: random weights and a vocabulary learnt from the corpus.",
        metavar="NAME|PATH",
        unset="what the run began with, else 124M, else small for English, else tiny",
    )
    run: str = setting("run1", "Name the run.", metavar="NAME")
    checkpoints: Path = setting(CHECKPOINTS, "Keep base models and runs in this directory.")
    base_url: str = setting(
        BASE_URL, "Fetch base models from this mirror, as URL/models/NAME/FILE.", metavar="URL"
    )
    fresh: bool = setting(False, "Start the run over.")
    devices: int | None = setting(None, "Use this many GPUs of each machine.", low=1, unset="all")
    batch_size: int | None = setting(
        None,
        "Train on this many sequences at a time, in each process.",
        low=1,
        unset="1, at least one per device; tiny: 4",
    )
    accumulate: int = setting(1, "Add up the gradients of this many batches for each step.", low=1)
    learning_rate: float | None = setting(
        None, "Raise the learning rate to this peak.", above=0, unset="0.00005; tiny: 0.0015"
    )
    warmup: int = setting(
        20, "Raise the learning rate over this many steps; after them it falls with their square root.", low=0
    )
    block_size: int | None = setting(
        None, "Train on sequences of this many tokens.", low=1, unset="the model's window"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "Multiply matrices in this precision; weights stay float32."
    )
    val_fraction: float = setting(0.05, "Hold out this share of the corpus for validation.", low=0, high=0.9)
    eval_every: int | None = setting(
        None,
        "Validate after every so many steps; 0 only at the end.",
        low=0,
        unset="twice an epoch: 5 to 100 steps",
    )
    save_every: int = setting(100, "Save after every so many steps; 0 only at the end.", low=0)
    sample_every: int = setting(200, "Sample a text after every so many steps; 0 never.", low=0)
    patience: int = setting(5, "Stop after this many validations without improvement; 0 never.", low=0)
    seed: int = setting(0, "Seed everything random.", low=0)
    grad_checkpoint: bool = setting(False, "Save memory by computing each layer twice; for 774M and 1558M.")
    tensorboard: bool = setting(False, "Write event files for TensorBoard too.")
    dry_run: bool = setting(False, "Only say what training would take: tokens, epochs, memory and time.")
    engine: Literal["keras", "gpt-2-simple"] = setting("keras", "Train with this engine.")
    column: str | None = _column()


@dataclass(frozen=True)
class GenerateSettings(Settings):
    """How text is sampled."""

    length: int = setting(200, "Sample at most this many tokens; any number will do.", low=1)
    min_length: int = setting(1, "Let nothing end a text before this many tokens.", low=0)
    finish_sentence: bool = setting(
        False, "Go on past --length to the end of the sentence, for at most 60 tokens."
    )
    temperature: float = setting(
        1.0,
        "Sample more boldly (above 1) or more safely; 0 always takes the likeliest token.",
        low=0,
        high=100,
    )
    top_k: int = setting(1000, "Sample from the K likeliest tokens; 0 is all.", low=0)
    top_p: float = setting(
        0.95, "Of these, sample from the likeliest that make up this probability; 1 is all.", above=0, high=1
    )
    repetition_penalty: float = setting(
        1.0, "Make tokens that were sampled before less likely (above 1).", above=0, high=100
    )
    seed: int | None = setting(
        None, "Sample the same texts again with the same seed.", low=0, high=2**32 - 2, unset="a new one"
    )
    nsamples: int = setting(1, "Sample this many texts for each prefix.", low=1)
    batch_size: int = setting(8, "Sample this many texts at a time.", low=1)
    stop: tuple[str, ...] = setting(
        (), "End a text before these words; may be given several times.", metavar="TEXT"
    )
    ignore_eot: bool = setting(False, "Go on past <|endoftext|>.")
    keep_prefix: bool = setting(
        False, "Keep the start of the prefix in sight where a text is longer than the model's window."
    )
    run: str | None = setting(None, "Sample from this run.", metavar="NAME", unset="the latest")
    model: str | None = setting(None, "Sample from this base model instead.", metavar="NAME")
    checkpoints: Path = setting(CHECKPOINTS, "Look for base models and runs in this directory.")
    checkpoint: str | None = setting(
        None,
        "Use the weights of this step; or best, or latest.",
        metavar="STEP",
        unset="the run's own choice",
    )
    voice: float | None = setting(
        None,
        "Turn the dial: 0 is the base model, 1 the run as trained, above 1 more of the author.",
        low=0,
        high=MOST_VOICE,
        unset="where the run did best on held-out text",
    )
    precision: Literal["auto", "int8", "float16", "float32"] = setting(
        "auto", "Hold the weights in this precision."
    )
    engine: Literal["ctranslate2", "gpt-2-simple"] = setting("ctranslate2", "Sample with this engine.")

    def __post_init__(self) -> None:
        """Check every field, and that they fit together."""
        if isinstance(self.checkpoint, int) and not isinstance(self.checkpoint, bool):
            object.__setattr__(self, "checkpoint", str(self.checkpoint))  # a step
        super().__post_init__()
        if self.run and self.model:
            raise UsageError("--run and --model exclude each other")
        if self.min_length > self.length:
            raise UsageError("--min-length is greater than --length")
        if "" in self.stop:
            raise UsageError("--stop needs a text")


@dataclass(frozen=True)
class VoiceSettings(Settings):
    """How books become a voice, all in one."""

    minutes: float = setting(15, "Take about this many minutes, from reading to the report.", above=0)
    model: str | None = setting(
        None,
        "Start from this model, as in finetune.",
        metavar="NAME|PATH",
        unset="124M if it is here or to be had and takes enough steps in the time, else small",
    )
    run: str | None = setting(None, "Name the run.", metavar="NAME", unset="after the first source")
    checkpoints: Path = setting(CHECKPOINTS, "Keep base models and runs in this directory.")
    base_url: str = setting(
        BASE_URL, "Fetch base models from this mirror, as URL/models/NAME/FILE.", metavar="URL"
    )
    per_book: bool = setting(False, "Hold out the end of each source, instead of the end of the last.")
    fresh: bool = setting(False, "Start the run over.")
    dry_run: bool = setting(False, "Read and look, say the plan, and stop there.")


@dataclass(frozen=True)
class ServeSettings(Settings):
    """How the models of a directory are offered over HTTP."""

    host: str = setting("127.0.0.1", "Listen on this address.", metavar="ADDRESS")
    port: int = setting(8000, "Listen on this port; 0 takes a free one.", low=0, high=65535)
    api_key: str | None = setting(
        None,
        "Answer only who sends this key; needed where other machines can ask. It is better kept in "
        "MCKENNABOT_SERVE_API_KEY.",
        metavar="KEY",
        unset="none",
    )
    origin: tuple[str, ...] = setting(
        (),
        "Let web pages from there ask too, and answer to that name; may be given several times.",
        metavar="URL",
    )
    checkpoints: Path = setting(CHECKPOINTS, "Look for base models and runs in this directory.")

    def __post_init__(self) -> None:
        """Check every field, and that the key is there where it is needed."""
        super().__post_init__()
        if self.host not in LOOPBACK and not self.api_key:
            raise UsageError(
                f"--host {self.host} can be reached from other machines, and there is no key",
                hint="Set --api-key or MCKENNABOT_SERVE_API_KEY, or leave --host 127.0.0.1.",
            )
        for origin in self.origin:
            if not re.fullmatch(r"https?://[^/*\s]+/?", origin):
                raise UsageError(f"--origin {origin!r}: one looks like https://example.org:8080")


@dataclass(frozen=True)
class ExportSettings(Settings):
    """How a model is written for other programs, or packed into one file."""

    run: str | None = setting(
        None, "Export this run or base model.", metavar="NAME|PATH", unset="the latest run"
    )
    format: Literal["hf", "gguf", "ollama", "bundle"] = setting(
        "bundle", "Write for transformers, llama.cpp, Ollama, or in one file for another mckennabot."
    )
    precision: Literal["auto", "float32", "float16", "int8", "f32", "f16", "q8_0"] = setting(
        "auto",
        "Hold the weights in this precision: auto is float32 for hf, else float16; the last three are what "
        "GGUF calls the three before.",
    )
    checkpoints: Path = setting(CHECKPOINTS, "Look for base models and runs in this directory.")
    checkpoint: str | None = setting(
        None,
        "Use the weights of this step; or best, or latest.",
        metavar="STEP",
        unset="the run's own choice",
    )
    voice: float | None = setting(
        None,
        "Turn the dial: 0 is the base model, 1 the run as trained, above 1 more of the author.",
        low=0,
        high=MOST_VOICE,
        unset="where the run did best on held-out text",
    )
    no_index: bool = setting(
        False, "Leave out of a bundle what --originality needs, which has every word of the corpus."
    )

    def __post_init__(self) -> None:
        """Check every field, and call precisions by one name."""
        super().__post_init__()
        names = {"f32": "float32", "f16": "float16", "q8_0": "int8"}
        object.__setattr__(self, "precision", names.get(self.precision, self.precision))
