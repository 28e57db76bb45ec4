"""Converts a checkpoint's tensors to a CTranslate2 model.

CTranslate2's own converter for OpenAI's layout sets attributes that its specification no longer has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckennabot.corpus import SEPARATOR
from mckennabot.errors import ModelError
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.dial import Dial
from mckennabot.tokenizer import Tokenizer

if TYPE_CHECKING:
    from mckennabot.models.weights import Array

MODEL_FILES = ("config.json", "model.bin", "vocabulary.json")
"""The files of a CTranslate2 model."""


@dataclass(frozen=True)
class Conversion:
    """Weights, and the form to convert them to.

    Attributes:
        model: the directory that gives sizes and vocabulary.
        weights: prefix of the checkpoint to read.
        precision: int8, float16 or float32, of the matrices.
        dial: mixes the weights with their base; None takes them as they are.
    """

    model: ModelDir
    weights: Path
    precision: str
    dial: Dial | None = None

    @property
    def name(self) -> str:
        """Name of the result's directory: ``ct2-<step>-<precision>``, plus ``-voice<X>`` on the dial."""
        step = self.weights.name.removeprefix("model-") if self.weights.name.startswith("model-") else "base"
        return f"ct2-{step}-{self.precision}" + (f"-{self.dial.label}" if self.dial else "")


def convert(what: Conversion, directory: Path) -> None:
    """Write the weights as a CTranslate2 model into an empty directory.

    Args:
        what: the weights, and how to write them.
        directory: where to write `MODEL_FILES`.

    Raises:
        ModelError: the checkpoint is damaged.
        OSError: the disk is full, or cannot be written to.
    """
    from ctranslate2.specs import TransformerDecoderModelSpec
    from ctranslate2.specs.common_spec import Activation

    from mckennabot.models.weights import read_weights

    model, weights = what.model, what.weights
    hparams = model.hparams()
    tokenizer = Tokenizer.load(model.path)
    if tokenizer.size != hparams.n_vocab:
        raise ModelError(
            f"the vocabulary has {tokenizer.size} tokens, and the model {hparams.n_vocab}", path=model.path
        )
    values = dict(what.dial.weights(weights, hparams) if what.dial else read_weights(weights, hparams))
    spec = TransformerDecoderModelSpec.from_config(
        hparams.n_layer, hparams.n_head, pre_norm=True, activation=Activation.GELUTanh
    )
    _fill(spec.decoder, values)
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = SEPARATOR
    spec.register_vocabulary([tokenizer.token(i) for i in range(hparams.n_vocab)])
    spec.validate()
    spec.optimize(quantization=None if what.precision == "float32" else what.precision)
    spec.save(str(directory))


def _fill(decoder: Any, values: Mapping[str, Array]) -> None:
    """Assign each tensor to its place in CTranslate2; matrices there are [out, in], OpenAI's [1, in, out]."""

    def norm(spec: Any, name: str) -> None:
        spec.gamma, spec.beta = values[f"{name}/g"], values[f"{name}/b"]

    def linear(spec: Any, name: str) -> None:
        spec.weight, spec.bias = values[f"{name}/w"][0].T, values[f"{name}/b"]

    decoder.scale_embeddings = False
    decoder.embeddings.weight = decoder.projection.weight = values["model/wte"]
    decoder.position_encodings.encodings = values["model/wpe"]
    norm(decoder.layer_norm, "model/ln_f")
    for i, layer in enumerate(decoder.layer):
        norm(layer.self_attention.layer_norm, f"model/h{i}/ln_1")
        linear(layer.self_attention.linear[0], f"model/h{i}/attn/c_attn")
        linear(layer.self_attention.linear[1], f"model/h{i}/attn/c_proj")
        norm(layer.ffn.layer_norm, f"model/h{i}/ln_2")
        linear(layer.ffn.linear_0, f"model/h{i}/mlp/c_fc")
        linear(layer.ffn.linear_1, f"model/h{i}/mlp/c_proj")
