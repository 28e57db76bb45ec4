"""Chooses what a model with a limited window sees of a text of any length.

A text that has filled the window continues from its last half, which is read anew. So a token costs the same
however long the text is, and the model always sees at least half a window of it:

    >>> context([0, 1, 2, 3, 4, 5, 6, 7], n_ctx=8, most=9)
    [4, 5, 6, 7]
    >>> context([0, 1, 2, 3, 4, 5, 6, 7], n_ctx=8, most=9, keep=2)
    [0, 1, 6, 7]
"""

from __future__ import annotations

from collections.abc import Sequence


def context(ids: Sequence[int], n_ctx: int, most: int, keep: int = 0) -> list[int]:
    """Return the tokens to continue from.

    Args:
        ids: the whole text so far.
        n_ctx: positions of the model.
        most: tokens still to sample; fewer than half a window leave more of the text in sight.
        keep: tokens from the start that stay in sight; at most a quarter of a window does.
    """
    if len(ids) < n_ctx:
        return list(ids)
    head = list(ids[: min(keep, n_ctx // 4)])
    tail = max(1, n_ctx - min(most, n_ctx // 2) - len(head))
    return head + list(ids[-tail:])


def room(context_length: int, n_ctx: int) -> int:
    """Return how many tokens can be sampled after a context; the last one takes no position."""
    return n_ctx - context_length + 1
