"""Adam's constants, and what else both engines' optimizer steps have in common."""

from __future__ import annotations

import math

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Adam's."""

MAX_NORM = 1.0
"""Longer gradients are shortened to this."""

LOSS_SCALE = 2.0**15
"""float16 gradients are kept from vanishing by this factor: at first; halved when one overflows."""

GROW_AFTER = 2000
"""Steps without an overflow after which the loss scale doubles."""


def corrected_rate(learning_rate: float, step: int) -> np.float32:
    """The rate of a step counted from 1, with Adam's correction of moments that begin at zero."""
    return np.float32(learning_rate * math.sqrt(1 - BETA2**step) / (1 - BETA1**step))
