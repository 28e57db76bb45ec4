"""Writes a directory for ``ollama create``: the model as GGUF, and a Modelfile that says how to use it."""

from __future__ import annotations

from pathlib import Path

from mckennabot.corpus import SEPARATOR
from mckennabot.export import gguf
from mckennabot.export.snapshot import Snapshot
from mckennabot.system.terminal import quoted

MODEL, MODELFILE = "model.gguf", "Modelfile"
FILES = frozenset({MODEL, MODELFILE})

# Without a template Ollama guesses one for chats, in which a model that only continues texts babbles; its
# own window, of 2048 tokens or more, is larger than GPT-2's; and it never stops by itself.
TEXT = '''\
# {name}: ollama create {name} -f Modelfile && ollama run {name} "The"
FROM ./{model}
TEMPLATE """{{{{ .Prompt }}}}"""
PARAMETER num_ctx {n_ctx}
PARAMETER num_predict {length}
PARAMETER temperature {temperature}
PARAMETER top_k {top_k}
PARAMETER top_p {top_p}
PARAMETER repeat_penalty {penalty}
PARAMETER stop "{stop}"
'''


def write(snapshot: Snapshot, directory: Path, precision: str) -> None:
    """Write a snapshot into an empty directory.

    Args:
        snapshot: the model.
        directory: where `FILES` go.
        precision: as `mckennabot.export.gguf.write` takes it, which raises the same errors.
    """
    gguf.write(snapshot, directory / MODEL, precision)
    sampling = snapshot.sampling
    (directory / MODELFILE).write_text(
        TEXT.format(
            name=quoted(snapshot.name),
            model=MODEL,
            n_ctx=snapshot.hparams.n_ctx,
            length=min(sampling.length, snapshot.hparams.n_ctx),
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            penalty=sampling.repetition_penalty,
            stop=SEPARATOR,
        ),
        encoding="utf-8",
    )
