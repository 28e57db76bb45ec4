"""loss.png: training and validation loss, the best step marked. Needs matplotlib (extra ``plot``)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mckennabot.finetune.runs.metrics import read
from mckennabot.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 400
"""Points of the training curve; more steps than that are averaged."""


def available() -> bool:
    """Whether matplotlib is here."""
    return find_spec("matplotlib") is not None


def plot(metrics: Path, target: Path) -> None:
    """Draw what metrics.jsonl holds.

    Raises:
        ResourceError, UsageError: it cannot be written.
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a matplotlibrc that lies in the current directory may be anyone's
        figure = _figure(read(metrics))
        with replacing(target) as temporary:
            figure.savefig(temporary, format="png", dpi=110)


def _figure(lines: list[dict[str, Any]]) -> Figure:
    from matplotlib.figure import Figure

    steps = np.array([line["step"] for line in lines])
    losses = np.array([line["loss"] for line in lines])
    validated = [(line["step"], line["val_loss"]) for line in lines if "val_loss" in line]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    each = max(1, -(-len(steps) // POINTS))
    whole = len(steps) // each * each
    if whole:
        means = [values[:whole].reshape(-1, each).mean(axis=1) for values in (steps, losses)]
        axes.plot(*means, label="training", linewidth=1)
    if validated:
        axes.plot(*zip(*validated, strict=True), "o-", label="validation", markersize=4)
        step, loss = min(validated, key=lambda pair: pair[1])
        axes.plot(step, loss, "*", markersize=14, label=f"best: {loss:.3f} at step {step}")
    axes.set(xlabel="step", ylabel="loss (nats per token)")
    axes.grid(alpha=0.3)
    if axes.has_data():
        axes.legend()
    return figure
