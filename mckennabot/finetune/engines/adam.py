"""Holds the constants of a step, which both engines take: Adam, clipping, loss scaling, averaged weights."""

from __future__ import annotations

import math

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Those of Adam's paper (arXiv 1412.6980), at which gpt-2-simple leaves them too."""

MAX_NORM = 1.0
"""Norm to which longer gradients are clipped, all variables together; GPT-3's (arXiv 2005.14165)."""

LOSS_SCALE = 2.0**15
"""First factor that keeps float16 gradients from vanishing (arXiv 1710.03740); halved after an overflow."""

GROW_AFTER = 2000
"""Steps without an overflow after which the loss scale doubles."""


AVERAGE = 0.97
"""Share of the weights' running average that a step keeps, once there is one: some thirty steps count.

With a window or two a step, weights go to and fro about the way that the loss falls; their average does
not. As trained, it predicted unseen chapters of no book tried worse than the last weights, and of most
better (docs/voice.md).
"""


def kept_share(step: int) -> np.float32:
    """Return the share of the average that a step, counted from 1, keeps; the first have little to keep."""
    return np.float32(min(AVERAGE, step / (step + 2)))


def corrected_rate(learning_rate: float, step: int) -> np.float32:
    """Return the rate of a step, counted from 1, with Adam's correction for moments that begin at zero."""
    return np.float32(learning_rate * math.sqrt(1 - BETA2**step) / (1 - BETA1**step))
