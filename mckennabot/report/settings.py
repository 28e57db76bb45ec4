"""How a run was trained, and why so, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mckennabot.models import small
from mckennabot.report.account import Course, Setting
from mckennabot.system.terminal import in_words


def explain(info: dict[str, Any], course: Course) -> Iterator[Setting]:
    """Yield the settings of a run that shaped it, each with its reason.

    Args:
        info: what run.json says.
        course: how training went.
    """
    settings = info.get("settings") or {}
    if not settings:
        return
    tokens = int((info.get("corpus") or {}).get("tokens", 0))
    yield Setting("model", str(info.get("model")), _why_model(str(info.get("model"))))
    yield from _steps(settings, course, tokens)
    batch, accumulate = settings.get("batch_size") or 1, settings.get("accumulate") or 1
    block = settings.get("block_size")
    each = f"{batch * accumulate} × {block:,} tokens" if block else f"{batch * accumulate} sequences"
    yield Setting("a step", each, "sequences of the model's whole window" if block else "")
    rate = settings.get("learning_rate")
    if rate:
        warmup = settings.get("warmup") or 0
        yield Setting("learning rate", f"{rate:g}", f"reached after {warmup:,} steps, then falling")
    held_out = settings.get("val_fraction")
    if held_out:
        why = "never learnt from: it tells which step is best, and how good the voice is"
        yield Setting("held out", f"{held_out:.0%} of the text", why)
    patience, every = settings.get("patience"), settings.get("eval_every")
    if patience and every:
        why = f"stops after {patience} validations that were no better than the best"
        yield Setting("validation", f"every {every} steps", why)
    yield Setting(
        "seed", str(settings.get("seed", 0)), "the same seed gives the same run on the same machine"
    )


def _why_model(name: str) -> str:
    if name == small.NAME:
        return "the English model that comes with mckennabot"
    if name == "tiny":
        return "random weights and a vocabulary learnt from this text alone"
    if name in ("124M", "355M", "774M", "1558M"):
        return "OpenAI's GPT-2 of that size"
    return "a model of yours"


def _steps(settings: dict[str, Any], course: Course, tokens: int) -> Iterator[Setting]:
    planned, held_out = settings.get("steps"), settings.get("val_fraction") or 0
    why = ""
    if tokens and course.tokens:
        epochs = course.tokens / (tokens * (1 - held_out) or 1)
        why = f"{epochs:.1f} times through the text"
    if planned and course.steps < planned:
        why += f"; {planned:,} were planned"
    if minutes := settings.get("minutes"):
        why += f"; as many as fit into {in_words(60 * minutes)}"
    yield Setting("steps", f"{course.steps:,}", why.removeprefix("; "))
    if course.seconds:
        yield Setting("training time", in_words(course.seconds), f"{course.tokens:,} tokens in all")
