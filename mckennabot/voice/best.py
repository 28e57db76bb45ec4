"""Chooses, of several drafts, the one most like the author."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from mckennabot.generate.sampler import Sample


def best_of(events: Iterable[Any], count: int, rank: Callable[[Sample], float]) -> Iterator[Sample]:
    """Yield the highest-ranking of each `count` consecutive texts, once all of them are complete.

    Args:
        events: texts, in any order, among others that are left out.
        count: drafts for each text.
        rank: higher for a better draft.
    """
    drafts: dict[int, list[tuple[float, int, Sample]]] = {}
    for event in events:
        if not isinstance(event, Sample):
            continue
        text, number = divmod(event.index, count)
        drafts.setdefault(text, []).append((rank(event), -number, event))
        if len(drafts[text]) == count:
            yield replace(max(drafts.pop(text), key=lambda draft: draft[:2])[2], index=text)
