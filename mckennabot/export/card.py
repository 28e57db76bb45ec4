"""Writes the model card: what a stranger needs to know of a model, from the files of its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mckennabot.errors import ModelError
from mckennabot.export.snapshot import Snapshot, corpus_names, perplexity
from mckennabot.finetune.runs import metrics
from mckennabot.models.dial import AS_TRAINED

HUB_NAMES = {
    "124M": "openai-community/gpt2",
    "355M": "openai-community/gpt2-medium",
    "774M": "openai-community/gpt2-large",
    "1558M": "openai-community/gpt2-xl",
}

CARD = """\
---
{front}
---

# {name}

A GPT-2 of {parameters:,} parameters, trained with mckennabot to go on as one author would.

| | |
|---|---|
{facts}

It continues texts, and neither answers questions nor follows instructions. What it writes is invented, in
the manner of the corpus, and not its author's words: do not pass it off as such. It may repeat passages of
the corpus.

```python
from transformers import pipeline

write = pipeline("text-generation", ".")  # the directory that this file is in
print(write("The", max_new_tokens=100)[0]["generated_text"])
```

## Licence

None is given here. Whoever shares this model chooses one, and has to hold the rights in the corpus for it;
{licence}
"""


def card(snapshot: Snapshot) -> str:
    """Return the model card, in Markdown with the front matter that Hugging Face's hub reads."""
    from mckennabot.models.weights import parameters

    origin = Path(str(snapshot.info.get("model") or snapshot.name)).name
    front = ["library_name: transformers", "pipeline_tag: text-generation", "tags: [gpt2, mckennabot]"]
    licence = "the base model's own licence holds besides."
    if origin in HUB_NAMES:
        front.insert(0, f"base_model: {HUB_NAMES[origin]}")
        licence = "OpenAI's GPT-2 is under a modified MIT licence."
    elif origin == "tiny":
        licence = "the model began at random and learnt from nothing else."
    return CARD.format(
        front="\n".join(front),
        name=snapshot.name,
        parameters=parameters(snapshot.hparams),
        facts="\n".join(f"| {name} | {value} |" for name, value in _facts(snapshot, origin)),
        licence=licence,
    )


def _facts(snapshot: Snapshot, origin: str) -> list[tuple[str, str]]:
    """List what the run's files say; someone may have edited them, so each value is checked."""
    facts = [("base model", _cell("a random start" if origin == "tiny" else origin))]
    corpus = snapshot.info.get("corpus")
    if isinstance(corpus, dict):
        names = corpus_names(corpus)
        tokens = corpus.get("tokens")
        size = [f"{tokens:,} tokens"] if isinstance(tokens, int) else []
        facts.append(("corpus", _cell(": ".join([", ".join(names), *size]))))
        facts.append(("its fingerprint", _cell(str(corpus.get("fingerprint")))))
    if snapshot.source.step is not None:
        facts.append(("step", f"{snapshot.source.step:,}"))
        facts.append(("voice", f"{snapshot.source.voice:g} (0 is the base model, 1 the run as trained)"))
    logged = _metrics(snapshot)
    loss, voice = _held_out(snapshot, logged)
    if isinstance(loss, float | int):
        value = f"{loss:.3f} nats per token (perplexity {perplexity(loss):.1f})"
        facts.append((f"loss on held-out text, at voice {voice:g}", value))
    copied = [line for line in logged.values() if isinstance(line.get("copied_share"), float | int)]
    if copied:
        longest, share = copied[-1].get("copied_longest_run"), copied[-1]["copied_share"]
        value = f"longest run {longest} words, {share:.0%} of its words in runs of eight or more"
        facts.append(("copied, in its last sample while training", value))
    sampling = snapshot.sampling
    value = f"temperature {sampling.temperature}, top-k {sampling.top_k}, top-p {sampling.top_p}"
    return [*facts, ("sampling", value)]


def _held_out(snapshot: Snapshot, logged: dict[int, dict[str, Any]]) -> tuple[Any, float]:
    """Return the held-out loss in nats per token, and its voice: the snapshot's, else the run as trained."""
    info, step, voice = snapshot.info, snapshot.source.step, snapshot.source.voice
    is_best = step is not None and step == info.get("best_step")
    curve = info.get("voice_curve")
    for place in curve if is_best and isinstance(curve, list) else ():
        if isinstance(place, list) and len(place) == 2 and place[0] == voice:
            return place[1], voice
    line = logged.get(step, {}) if step is not None else {}
    return line.get("val_loss", info.get("best_loss") if is_best else None), AS_TRAINED


def _metrics(snapshot: Snapshot) -> dict[int, dict[str, Any]]:
    """The run's metrics by step, up to the snapshot's own; none where there are none."""
    try:
        lines = metrics.read(snapshot.source.model.path / "metrics.jsonl")
    except ModelError:
        return {}
    return {line["step"]: line for line in lines if line["step"] <= (snapshot.source.step or 0)}


def _cell(text: str) -> str:
    """Escape text so that it stays in its cell of a table."""
    return "".join(c if c.isprintable() else " " for c in text).replace("|", "\\|")
