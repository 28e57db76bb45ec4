"""A report as one page of HTML: nothing is fetched, nothing runs, and every word in it is escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from mckennabot.report.account import Copy, Course, Numbers, Part, Report, Sample, Source
from mckennabot.report.charts import Curve, chart

MOST_REPEATED = 12
"""Chapters named that two sources share."""


def render(report: Report) -> str:
    """Return the page."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"The voice of {report.run}"
    body = "\n".join(
        [
            *_head(report, title),
            *_samples(report.samples),
            *_sources(report),
            *_training(report),
            *_next(report),
            *_foot(report),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="generator" content="mckennabot report">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


@functools.cache
def _style() -> str:
    return files("mckennabot.report").joinpath("style.css").read_text(encoding="utf-8")


def _head(report: Report, title: str) -> Iterator[str]:
    names = ", ".join(source.name for source in report.sources[:3])
    if len(report.sources) > 3:
        names += f" and {len(report.sources) - 3} more"
    yield f"<header><h1>{escape(title)}</h1>"
    yield (
        f'<p class="soft">learnt from {escape(names)}, {report.words:,} words, by a model of '
        f"{report.parameters / 1e6:,.0f} million parameters ({escape(report.model)})</p>"
    )
    yield f'<p class="lead">{escape(verdict(report))}</p>'
    for note in report.notes:
        yield f'<p class="notice">{escape(note)}</p>'
    yield '<dl class="numbers">' + "".join(_numbers(report.numbers)) + "</dl></header>"


def verdict(report: Report) -> str:
    """Return what the numbers come to, in a sentence or two."""
    numbers, said = report.numbers, []
    before, after = numbers.bits_before, numbers.bits_after
    if before and after:
        change = 1 - after / before
        if change > 0.001:
            said.append(
                f"It predicts pages of the author’s that it never saw {change:.1%} better than the model it "
                "began with."
            )
        else:
            said.append("It predicts pages of the author’s that it never saw no better than its base did.")
    if numbers.longest_copied is not None:
        if numbers.longest_copied:
            said.append(
                f"Of what it wrote below, {numbers.copied_share or 0:.0%} is copied from the book in runs of "
                f"eight words or more, the longest {numbers.longest_copied} words."
            )
        else:
            said.append("Nothing of what it wrote below has eight words in a row from the book.")
    return " ".join(said) or "It was trained, and nothing about it could be measured."


def _numbers(numbers: Numbers) -> Iterator[str]:
    if numbers.bits_after is None:
        yield _number("Bits per byte on unseen pages", None, "the lower, the better predicted")
    else:
        before = f"{numbers.bits_before:.3f} → " if numbers.bits_before is not None else ""
        about = f"before → after, on {numbers.held_out_words:,} words" if before else "after training"
        yield _number("Bits per byte on unseen pages", f"{before}{numbers.bits_after:.3f}", about)
    score = numbers.score
    yield _number(
        "Voice score",
        None if score is None else f"{score.samples:.0f}",
        "0 is the base model, 100 the author"
        if score is None
        else f"0 is the base model, 100 the author, whose pages have {score.low:.0f} to {score.high:.0f}; "
        "the run is its own judge",
    )
    yield _number(
        "Of the book, it would reproduce",
        None
        if numbers.reproduced is None
        else f"{numbers.reproduced:.0%}"
        if numbers.reproduced
        else "nothing",
        "passages of fifty tokens that it would go on with word for word, once in a thousand tries",
    )
    longest = numbers.longest_copied
    yield _number(
        "Longest copied run",
        None if longest is None else f"{longest} words" if longest else "under 8 words",
        f"in {numbers.sampled_words:,} words that it wrote",
    )


def _number(name: str, value: str | None, about: str) -> str:
    shown = f"<dd>{escape(value)}</dd>" if value is not None else '<dd class="none">not measured</dd>'
    return f"<div><dt>{escape(name)}</dt>{shown}<dd>{escape(about)}</dd></div>"


def _samples(samples: list[Sample]) -> Iterator[str]:
    if not samples:
        return
    yield '<section><h2 id="writes">What it writes</h2>'
    yield (
        '<ul class="key"><li><span class="given">words that it was given</span></li>'
        '<li><a class="copied" href="#writes">copied from the book</a>, eight words or more in a row</li>'
        '<li><span class="new">a word that is not in the book</span></li></ul>'
    )
    for number, sample in enumerate(samples, 1):
        yield _sample(sample, f"s{number}")
    yield "</section>"


_MOODS = ((0.8, "careful"), (0.9, "calm"))


def _sample(sample: Sample, name: str) -> str:
    mood = next((word for limit, word in _MOODS if sample.temperature <= limit), "as usual")
    copied = f"{sample.copied_share:.0%} copied" if sample.copied_share else "nothing copied"
    text = "".join(_part(part, name) for part in sample.parts)
    copies = "".join(_copy(copy, f"{name}-{n}") for n, copy in enumerate(sample.copies))
    return (
        f"<article><header><span>temperature {sample.temperature:g}, {mood}</span>"
        f'<span>{sample.words:,} words, {copied}</span></header><div class="text">{text}</div>'
        + (f'<ol class="copies">{copies}</ol>' if copies else "")
        + "</article>"
    )


def _part(part: Part, name: str) -> str:
    text = escape(part.text)
    if part.kind == "copied" and part.copy is not None:
        return f'<a class="copied" href="#{name}-{part.copy}" id="{name}-{part.copy}-from">{text}</a>'
    return text if part.kind == "own" else f'<span class="{escape(part.kind)}">{text}</span>'


def _copy(copy: Copy, name: str) -> str:
    place = [copy.file]
    if copy.page:
        place.append(f"p. {copy.page}")
    place.append(f"“{copy.chapter}”" if copy.chapter else f"part {copy.segment}")
    place.append(f"paragraph {copy.paragraph}")
    where = f"{copy.words} words: {', '.join(place)}"
    passage = (
        f"<blockquote>{escape(copy.before)}<mark>{escape(copy.text)}</mark>{escape(copy.after)}</blockquote>"
        if copy.text
        else "<blockquote>(the book's text is gone or has changed since)</blockquote>"
    )
    return f'<li id="{name}">{escape(where)} <a href="#{name}-from" aria-label="back">↩</a>{passage}</li>'


def _sources(report: Report) -> Iterator[str]:
    yield "<section><h2>What was read</h2>"
    heads = "".join(f'<th class="n">{name}</th>' for name in ("words", "pages", "chapters"))
    yield f'<div class="wide"><table><thead><tr><th>source</th>{heads}</tr></thead><tbody>'
    for source in report.sources:
        yield (
            f'<tr><th>{escape(source.name)}</th><td class="n">{source.words:,}</td>'
            f'<td class="n">{_or_dash(source.pages)}</td><td class="n">{_or_dash(source.chapters)}</td></tr>'
        )
    yield "</tbody></table></div>"
    for source in report.sources:
        yield from _details(source, named=len(report.sources) > 1)
    yield "</section>"


def _or_dash(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _details(source: Source, named: bool) -> Iterator[str]:
    of = f" of {escape(source.name)}" if named else ""
    for warning in source.warnings:
        yield f'<p class="notice">{escape(warning)}</p>'
    if source.left_out:
        yield f'<h3>Left out{of}</h3><div class="wide"><table><tbody>'
        for kind in source.left_out:
            pages = f"on {kind.pages:,} page{'s' if kind.pages != 1 else ''}" if kind.pages else ""
            yield (
                f'<tr><th>{escape(kind.kind)}</th><td class="n">{kind.words:,} words</td>'
                f'<td class="n">{pages}</td><td class="why">{escape(_short(kind.example))}</td></tr>'
            )
        yield "</tbody></table></div>"
    for name in source.contains:
        yield f"<p>{escape(name)} is the same text as {escape(source.name)}, and was used once.</p>"
    if source.repeated:
        yield f"<h3>Used once{of}</h3><ul>"
        for title, other in source.repeated[:MOST_REPEATED]:
            yield f"<li>{escape(_short(title) or '(no title)')} <small>is in {escape(other)} too</small></li>"
        if len(source.repeated) > MOST_REPEATED:
            yield f"<li>and {len(source.repeated) - MOST_REPEATED} more</li>"
        yield "</ul>"


def _short(text: str, longest: int = 70) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _training(report: Report) -> Iterator[str]:
    yield "<section><h2>How it learnt</h2>"
    if report.settings:
        yield '<table class="settings"><tbody>'
        for setting in report.settings:
            yield (
                f"<tr><th>{escape(setting.name)}</th><td>{escape(setting.value)}</td>"
                f'<td class="why">{escape(setting.why)}</td></tr>'
            )
        yield "</tbody></table>"
    yield from _charts(report.course)
    yield "</section>"


def _charts(course: Course) -> Iterator[str]:
    best = None if course.best_step is None else (float(course.best_step), f"best: step {course.best_step:,}")
    losses = chart(
        [
            Curve("training", "pale", course.loss),
            Curve("held out", "strong", course.held_out, dots=len(course.held_out) <= 40),
        ],
        label="Loss of the text that is learnt and of the text held out, by step",
        x_name="step",
        y_name="nats per token",
        mark=best,
    )
    if losses:
        yield f"<figure>{losses}<figcaption>"
        yield '<span class="stroke pale"></span>text that it learns from &ensp; '
        yield '<span class="stroke"></span>held-out text. Where that turns upward, it begins to learn by '
        yield "heart; the weights of the best step are the ones in use.</figcaption></figure>"
    mark = None if course.voice is None else (course.voice, f"in use: {course.voice:g}")
    dial = chart(
        [Curve("held out", "strong", course.dial, dots=True)],
        label="Loss of held-out text along the dial from the base model to the run and beyond",
        x_name="voice: 0 is the base model, 1 the run as trained",
        y_name="nats per token",
        mark=mark,
    )
    if dial:
        yield f"<figure>{dial}<figcaption>The dial: weights mixed from the base’s and the run’s. "
        yield "<code>generate</code> uses the place that predicts held-out text best.</figcaption></figure>"


def _next(report: Report) -> Iterator[str]:
    yield '<section><h2>What to try next</h2><ul class="commands">'
    for command in report.commands:
        yield f"<li><code>{escape(command.line)}</code><small>{escape(command.why)}</small></li>"
    yield "</ul></section>"


def _foot(report: Report) -> Iterator[str]:
    yield (
        "<footer><p>Bits per byte say how well unseen pages of the author’s are predicted, whatever the "
        "model's vocabulary. Copied words are found by comparing with every word of the book, case and "
        "punctuation aside. What could not be measured is called so.</p>"
        f"<p>mckennabot {escape(report.version)}, {escape(report.made)}. "
        "The same figures, for programs, are in report.json beside this page.</p></footer>"
    )
