"""Scores texts by a run, and calibrates a run when it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from mckennabot.config import GenerateSettings
from mckennabot.errors import ModelError
from mckennabot.generate.sampler import Sample, open_sampler
from mckennabot.generate.source import Source
from mckennabot.language import is_english
from mckennabot.models.checkpoint import HELD_OUT, ModelDir
from mckennabot.originality import FILE as INDEX
from mckennabot.originality import Index, words
from mckennabot.reporter import Reporter
from mckennabot.system.stored import read_text
from mckennabot.voice.calibration import LEAST as LEAST_HELD_OUT
from mckennabot.voice.calibration import TOKENS, Calibration
from mckennabot.voice.delta import LEAST, cosine_delta
from mckennabot.voice.judge import Judge, open_judge
from mckennabot.voice.score import Measured, measure

SAMPLES, SAMPLE_TOKENS = 8, 256
"""The base's own texts that stand for 0: how many, and their length in tokens."""

NO_BASE = "no base model is known to compare with"
UNCALIBRATED = "the run is not calibrated: too little of its corpus was held out, or learnt"
OPTIMISTIC = "The run judges by itself: what it wrote scores higher than what another wrote as well."


@dataclass(frozen=True)
class Score:
    """All that can be said about a text. A field is None if it cannot be known; `reasons` says why.

    Attributes:
        bits_per_byte: under the run as trained.
        base_bits_per_byte: under the base model that it began with.
        voice_score: 0 is what the base writes by itself, 100 the author's unseen pages.
        delta: Cosine Delta of its function words from the book's; 0 is the same style.
        copied_share: of its words that stand in runs copied from the book.
        longest_copied: the longest run of words that is in the book too, and where: words, file, …
        new_words: words that the book does not have.
        reasons: why a field is None.
        saved: nats per token that the run saves against its base; what drafts are ranked by.
    """

    bits_per_byte: float
    base_bits_per_byte: float | None
    voice_score: float | None
    delta: float | None
    copied_share: float | None
    longest_copied: dict[str, Any] | None
    new_words: list[str] | None
    reasons: dict[str, str]
    saved: float

    def as_json(self) -> dict[str, Any]:
        """Return the fields of a JSON line."""
        entry = asdict(self)
        del entry["saved"]
        rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in entry.items() if k != "reasons"}
        return rounded | ({"reasons": self.reasons} if self.reasons else {})


class Scorer:
    """Scores texts by a run, loaded.

    Args:
        judge: the run and its base.
        index: of the run's corpus; None where there is none.
        calibration: from the run's run.json; None where there is none.
    """

    def __init__(self, judge: Judge, index: Index | None, calibration: Calibration | None) -> None:
        self._judge = judge
        self._index = index
        self._calibration = calibration

    def score(self, text: str) -> Score:
        """Return all that can be said about a text."""
        measured = measure(text, self._judge, self._index)
        report, reasons = measured.report, {}
        if measured.base_bits_per_byte is None:
            reasons["base_bits_per_byte"] = NO_BASE
        voice, why = self._voice(measured)
        if why:
            reasons["voice_score"] = why
        delta, why = self._delta(text)
        if why:
            reasons["delta"] = why
        if report is None:
            reasons |= dict.fromkeys(
                ("copied_share", "longest_copied", "new_words"), "no index of a corpus to compare with"
            )
        elif report.longest is None:
            reasons["longest_copied"] = "no word of it is in the corpus"
        longest = report.longest if report else None
        return Score(
            measured.bits_per_byte,
            measured.base_bits_per_byte,
            voice,
            delta,
            report.share if report else None,
            {"words": longest.words, **asdict(longest.place)} if longest else None,
            list(dict.fromkeys(text[start:end] for start, end in report.new)) if report else None,
            reasons,
            measured.mean,
        )

    def voice(self, text: str) -> tuple[float | None, str]:
        """Return the voice score alone, and the reason if it is None."""
        return self._voice(measure(text, self._judge, self._index))

    def _voice(self, measured: Measured) -> tuple[float | None, str]:
        if measured.saved is None:
            return None, NO_BASE
        if self._calibration is None:
            return None, UNCALIBRATED
        if (tokens := len(measured.saved)) < TOKENS:
            return None, f"too short to say: {tokens} tokens that are not copied, of {TOKENS} that it takes"
        return self._calibration.score(measured.mean), ""

    def _delta(self, text: str) -> tuple[float | None, str]:
        counts = Counter(key for key, _, _ in words(text))
        if (count := sum(counts.values())) < LEAST:
            return None, f"too short to say: {count} words, of {LEAST} that it takes"
        if self._index is None:
            return None, "no index of a corpus to compare with"
        if not is_english(text):
            return None, "not English, whose function words are known"
        return cosine_delta(counts, self._index.counts()), ""

    @property
    def ranks(self) -> bool:
        """Whether there is a base to compare texts by."""
        return self._judge.base is not None

    @property
    def range(self) -> tuple[float, float] | None:
        """The scores between which 90 % of the author's own pages lie."""
        return self._calibration.range if self._calibration else None


def entries(scorer: Scorer, sample: Sample) -> dict[str, Any]:
    """Return what a sample's JSON line says about its score; only the new text is judged."""
    found = scorer.score(sample.text)
    known = {"voice_score": None if found.voice_score is None else round(found.voice_score, 1)}
    return known | ({"voice_score_reason": found.reasons["voice_score"]} if found.voice_score is None else {})


@contextmanager
def open_scorer(source: Source, reporter: Reporter) -> Iterator[Scorer]:
    """Load a run or base model to score texts by.

    Raises:
        ModelError: it is damaged, or the run's base is gone or has changed.
        ResourceError: memory or disk space ran out.
    """
    index = Index.load(source.model.path) if (source.model.path / INDEX).exists() else None
    with open_judge(source, reporter) as judge:
        yield Scorer(judge, index, calibration_of(source))


def calibration_of(source: Source) -> Calibration | None:
    """Return the calibration of these weights; None if it was measured with others, or not at all."""
    info = source.model.run_info()
    return Calibration.read(info) if source.step == info.get("best_step") else None


def calibrate(run: ModelDir, reporter: Reporter) -> None:
    """Calibrate the voice score of a run that has ended, and keep the result in run.json.

    A run without a base, or with too little held out, is left alone.

    Raises:
        ModelError: the run is damaged.
        ResourceError: memory or disk space ran out.
    """
    info = run.run_info()
    if "voice_score" in info or not info.get("base") or info.get("best_step") not in run.steps():
        return
    try:
        hint = "Delete it: the run then gets no voice score."
        text = read_text(run.path / HELD_OUT, hint=hint)
        run.verify(HELD_OUT, hint, info)
    except FileNotFoundError:
        return
    source = Source(run, run.weights("best"))
    try:
        base = source.at(0.0)
    except ModelError as error:
        reporter.detail(f"No voice score: {error}")
        return
    with open_judge(source, reporter) as judge:
        if len(judge.tokenizer.encode(text)) < LEAST_HELD_OUT:
            return
        index = Index.load(run.path) if (run.path / INDEX).exists() else None
        reporter.say("Calibrating the voice score …")
        author = measure(text, judge, None).saved
        own = [measure(sample, judge, index).saved for sample in samples(base, reporter)]
    import numpy as np

    assert author is not None
    found = Calibration.of(np.concatenate([saved for saved in own if saved is not None]), author)
    if found is None:
        reporter.say(
            "Voice score: none, since the run knows the author's unseen pages hardly better than its base."
        )
        return
    with run.lock():
        run.write_run_info({**run.run_info(), "voice_score": found.as_json()})
    low, high = found.range
    reporter.say(
        f"Voice score: the author's unseen pages are 100 (90 % of them between {low:.0f} and {high:.0f}), "
        "the base's own texts 0."
    )


def samples(base: Source, reporter: Reporter, length: int = SAMPLE_TOKENS, seed: int = 0) -> list[str]:
    """Return texts that a base model writes without a prefix, sampled from its whole distribution.

    On such texts a run loses about as much as on any text that is not its author's; samples of likely words
    alone would differ less.
    """
    settings = GenerateSettings(
        length=length,
        seed=seed,
        ignore_eot=True,
        precision="float32",
        temperature=1.0,
        top_k=0,
        top_p=1.0,
    )
    with open_sampler(base, settings, reporter) as sampler:
        events = list(sampler.sample([""] * SAMPLES, reporter))
    return [event.text for event in events if isinstance(event, Sample)]
