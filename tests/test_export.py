"""`mckennabot export`: other programs' own readers find in each format what the run has."""

from __future__ import annotations

import importlib.util
import json
import re
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.config import ExportSettings
from mckennabot.errors import ModelError, ResourceError, UsageError
from mckennabot.export import export
from mckennabot.models.checkpoint import Hparams, ModelDir
from mckennabot.models.weights import read_weights
from mckennabot.tokenizer import Tokenizer
from tests.conftest import Cli
from tests.numpy_gpt2 import logits

TEXT = "The machine dreams of rivers – été, the second count.<|endoftext|>The sea"


@pytest.fixture
def checkpoints(tmp_path: Path, base_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of seven steps, as `finetune` leaves it, with weights that are the base model's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = tmp_path / "checkpoints" / "run1"
    run.mkdir(parents=True)
    for path in base_model.iterdir():
        if path.is_file():
            shutil.copy(path, run / path.name.replace("model.ckpt", "model-7"))
    ModelDir(run).point_to("model-7")
    (run / "run.json").write_text(
        json.dumps(
            {
                "format": 1,
                "model": "/home/reader/checkpoints/124M",
                "settings": {"steps": 9, "checkpoints": "/home/reader/checkpoints"},
                "corpus": {"fingerprint": "f00d", "tokens": 1234, "files": ["/home/reader/data/book|1.txt"]},
                "best_step": 7,
                "best_loss": 2.0,
            }
        )
    )
    (run / "metrics.jsonl").write_text(
        '{"step": 7, "loss": 1.5, "val_loss": 2.0, "copied_longest_run": 6, "copied_share": 0.25}\n{"step'
    )
    return run.parent


@pytest.fixture
def run(checkpoints: Path) -> ModelDir:
    return ModelDir(checkpoints / "run1")


def write(checkpoints: Path, form: str, output: Path, force: bool = False, **more: Any) -> Path:
    return export(ExportSettings(format=form, checkpoints=checkpoints, **more), output, force=force).path


def hf_tensors(directory: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(directory / "model.safetensors")


def gguf_tensors(path: Path) -> tuple[Any, dict[str, Any]]:
    """A GGUF file's reader, and its tensors dequantised, under Hugging Face's names and in its layout."""
    import gguf

    reader = gguf.GGUFReader(path)
    names = {
        "token_embd": "wte",
        "position_embd": "wpe",
        "output_norm": "ln_f",
        "attn_norm": "ln_1",
        "ffn_norm": "ln_2",
        "attn_qkv": "attn.c_attn",
        "attn_output": "attn.c_proj",
        "ffn_up": "mlp.c_fc",
        "ffn_down": "mlp.c_proj",
    }
    found = {}
    for tensor in reader.tensors:
        match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)", tensor.name)
        assert match
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        linear = names[match[2]][-2:] in ("tn", "oj", "fc") and match[3] == "weight"
        block = f"h.{match[1]}." if match[1] else ""
        found[f"transformer.{block}{names[match[2]]}.{match[3]}"] = values.T if linear else values
    return reader, found


def test_the_huggingface_directory_holds_the_weights_and_their_logits(
    checkpoints: Path, run: ModelDir
) -> None:
    import ctranslate2

    from mckennabot.generate.cache import converted
    from mckennabot.generate.convert import Conversion
    from mckennabot.reporter import Silent

    directory = write(checkpoints, "hf", checkpoints.parent / "out")
    tensors, hparams = hf_tensors(directory), run.hparams()
    for name, values in read_weights(run.path / "model-7", hparams):
        kind = {"g": "weight", "w": "weight", "b": "bias"}
        parts = name.removeprefix("model/").replace("/", ".").split(".")
        if re.fullmatch(r"h\d+", parts[0]):
            parts[0] = f"h.{parts[0][1:]}"
        theirs = ".".join([*parts[:-1], kind[parts[-1]]] if parts[-1] in kind else [*parts, "weight"])
        np.testing.assert_array_equal(tensors.pop(f"transformer.{theirs}"), values.reshape(values.shape[-2:]))
    assert not tensors
    tokenizer = Tokenizer.load(run.path)
    ids = tokenizer.encode(TEXT)[: hparams.n_ctx]
    with converted(Conversion(run, run.path / "model-7", "float32"), Silent()) as place:
        generator = ctranslate2.Generator(str(place), compute_type="float32")
        engines = np.array(generator.forward_batch([[tokenizer.token(i) for i in ids]]))[0]
        del generator
    np.testing.assert_allclose(logits(hf_tensors(directory), hparams.n_head, ids), engines, atol=1e-4)


def test_the_huggingface_directory_is_complete(checkpoints: Path, run: ModelDir) -> None:
    import tokenizers

    directory = write(checkpoints, "hf", checkpoints.parent / "out")
    hparams, ours = run.hparams(), Tokenizer.load(run.path)
    theirs = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    assert theirs.encode(TEXT).ids == ours.encode(TEXT)
    assert theirs.decode(ours.encode(TEXT), skip_special_tokens=False) == TEXT
    older = tokenizers.models.BPE.from_file(str(directory / "vocab.json"), str(directory / "merges.txt"))
    assert older.token_to_id("<|endoftext|>") == ours.eot
    assert (directory / "merges.txt").read_text(encoding="utf-8").startswith("#version: 0.2\n")
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    assert (config["vocab_size"], config["n_positions"], config["n_ctx"]) == (hparams.n_vocab, 64, 64)
    assert config["eos_token_id"] == ours.eot
    generation = json.loads((directory / "generation_config.json").read_text(encoding="utf-8"))
    assert (generation["temperature"], generation["top_p"]) == (1.0, 0.95)
    card = (directory / "README.md").read_text(encoding="utf-8")
    assert "base_model: openai-community/gpt2\n" in card
    for fact in ("124M", "book\\|1.txt: 1,234 tokens", "f00d", "2.000 nats", "7.4", "6 words, 25%"):
        assert fact in card
    assert "/home" not in card
    modes = {path.stat().st_mode for path in directory.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize(("precision", "close"), [("float32", 0), ("float16", 1e-3), ("int8", 5e-3)])
def test_gguf_holds_the_weights_the_vocabulary_and_the_logits(
    checkpoints: Path, run: ModelDir, precision: str, close: float
) -> None:
    import gguf

    path = write(checkpoints, "gguf", checkpoints.parent / "out.gguf", precision=precision)
    reader, tensors = gguf_tensors(path)
    expected = hf_tensors(write(checkpoints, "hf", checkpoints.parent / "out"))
    assert tensors.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(tensors[name], values, atol=close)
    field = {name: value.contents() for name, value in reader.fields.items()}
    hparams, tokenizer = run.hparams(), Tokenizer.load(run.path)
    assert field["general.architecture"] == "gpt2"
    assert field["gpt2.context_length"] == hparams.n_ctx
    assert field["gpt2.feed_forward_length"] == 4 * hparams.n_embd
    assert field["tokenizer.ggml.pre"] == "gpt-2"
    assert field["tokenizer.ggml.tokens"] == [tokenizer.token(i) for i in range(hparams.n_vocab)]
    assert field["tokenizer.ggml.token_type"][tokenizer.eot] == gguf.TokenType.CONTROL
    assert field["tokenizer.ggml.eos_token_id"] == tokenizer.eot
    assert "tokenizer.chat_template" not in field
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    matrices = {"float32": "F32", "float16": "F16", "int8": "Q8_0"}[precision]
    assert kinds["blk.0.ffn_up.weight"] == kinds["token_embd.weight"] == matrices
    assert kinds["position_embd.weight"] == kinds["blk.0.ffn_up.bias"] == "F32"
    ids = tokenizer.encode(TEXT)[: hparams.n_ctx]
    ours, theirs = (logits(t, hparams.n_head, ids) for t in (expected, tensors))
    np.testing.assert_allclose(theirs, ours, atol=100 * close + 1e-9)


def test_gguf_pads_a_vocabulary_and_keeps_rows_that_q8_0_cannot_hold(tmp_path: Path) -> None:
    from mckennabot.models.weights import random_weights, write_weights

    model = ModelDir(tmp_path / "checkpoints" / "odd")
    model.path.mkdir(parents=True)
    tokenizer = Tokenizer.train(["a river"], 258)
    tokenizer.save(model.path)
    hparams = Hparams(n_vocab=tokenizer.size + 3, n_ctx=8, n_embd=24, n_head=2, n_layer=1)
    model.write_hparams(hparams)
    write_weights(model.path / "model.ckpt", random_weights(hparams, 0))
    path = write(model.path.parent, "gguf", tmp_path / "odd.gguf", run="odd", precision="int8")
    reader, tensors = gguf_tensors(path)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    assert tokens[-3:] == [f"[PAD{n}]" for n in range(tokenizer.size, hparams.n_vocab)]
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert (kinds["blk.0.ffn_up.weight"], kinds["blk.0.ffn_down.weight"]) == ("F16", "Q8_0")
    assert tensors["transformer.wte.weight"].shape == (hparams.n_vocab, 24)


def test_ollama_gets_the_model_and_what_it_would_guess_wrong(checkpoints: Path) -> None:
    directory = write(checkpoints, "ollama", checkpoints.parent / "holmes")
    modelfile = (directory / "Modelfile").read_text(encoding="utf-8")
    source = re.search(r"^FROM (\S+)$", modelfile, re.MULTILINE)
    assert source
    reader, _ = gguf_tensors(directory / source[1])
    assert reader.fields["general.name"].contents() == "run1"
    for line in ('TEMPLATE """{{ .Prompt }}"""', "PARAMETER num_ctx 64", 'PARAMETER stop "<|endoftext|>"'):
        assert line in modelfile.splitlines()


def test_half_precision_keeps_what_it_cannot_hold(checkpoints: Path, run: ModelDir) -> None:
    from mckennabot.models.weights import write_weights

    values = dict(read_weights(run.path / "model-7", run.hparams()))
    values["model/wpe"][0, 0] = 1e6
    write_weights(run.path / "model-7", values)
    tensors = hf_tensors(write(checkpoints, "hf", checkpoints.parent / "out", precision="float16"))
    assert tensors["transformer.wpe.weight"][0, 0] == 1e6
    assert tensors["transformer.wte.weight"].dtype == np.float16


def test_a_place_on_the_dial_is_exported_as_it_is_sampled_from(checkpoints: Path, run: ModelDir) -> None:
    from mckennabot.models import dial
    from mckennabot.models.bundle import open_bundle
    from mckennabot.models.weights import write_weights

    base = ModelDir(checkpoints / "base")
    shutil.copytree(run.path, base.path)
    tuned = {name: 3 * values for name, values in read_weights(run.weights(), run.hparams())}
    write_weights(run.path / "model-7", tuned)
    curve = [[0.5, 1.9], [1.0, 2.0]]
    info = run.run_info() | {"base": dial.remember("base", base), "voice": 0.5, "voice_curve": curve}
    (run.path / "run.json").write_text(json.dumps(info))
    wte = tuned["model/wte"]
    for voice, share in ((None, 2 / 3), (0.0, 1 / 3), (1.0, 1.0), (2.0, 5 / 3)):
        out = write(checkpoints, "hf", checkpoints.parent / "out", run="run1", voice=voice, force=True)
        np.testing.assert_allclose(hf_tensors(out)["transformer.wte.weight"], share * wte, rtol=1e-5)
        known = "at voice 0.5 | 1.900" if voice is None else "at voice 1 | 2.000"
        assert known in (out / "README.md").read_text(encoding="utf-8")
    shutil.rmtree(base.path)
    with pytest.raises(ModelError, match="gone"):
        write(checkpoints, "bundle", checkpoints.parent / "out.voice", voice=0.5)
    # Where the base is not to be had, the run as trained is what there is; a bundle says so to nobody again.
    opened = open_bundle(write(checkpoints, "bundle", checkpoints.parent / "out.voice"))
    assert not opened.run_info().keys() & {"base", "voice"}


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "transformers"))), reason="needs torch and transformers"
)
def test_transformers_computes_the_same(checkpoints: Path, run: ModelDir) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    directory = write(checkpoints, "hf", checkpoints.parent / "out")
    ids = AutoTokenizer.from_pretrained(directory)(TEXT)["input_ids"]
    assert ids == Tokenizer.load(run.path).encode(TEXT)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = model(torch.tensor([ids])).logits[0].numpy()
    np.testing.assert_allclose(theirs, logits(hf_tensors(directory), run.hparams().n_head, ids), atol=1e-4)


def test_the_command_names_what_it_wrote_and_where(warm_cli: Cli, checkpoints: Path) -> None:
    done = warm_cli("export", "run1", "--format", "gguf", "--precision", "q8_0", "-o", "out/")
    assert re.search(r"run1, step 7 -> out/run1\.gguf \(\d\.\d MB\)", done.stderr)
    assert done.stdout == ""
    assert (warm_cli.cwd / "out" / "run1.gguf").is_file()
    assert not list(warm_cli.cwd.glob("**/.*.part"))


@pytest.mark.parametrize("form", ["hf", "gguf", "ollama", "bundle"])
def test_nothing_is_overwritten_unless_asked_for(checkpoints: Path, form: str) -> None:
    output = checkpoints.parent / "out"
    write(checkpoints, form, output)
    with pytest.raises(UsageError, match="the output exists"):
        write(checkpoints, form, output)
    write(checkpoints, form, output, force=True)
    assert sorted(p.name for p in output.parent.iterdir()) == ["checkpoints", "out"]


def test_force_replaces_an_export_and_never_a_directory_of_somebodys(checkpoints: Path) -> None:
    home = checkpoints.parent / "home"
    home.mkdir()
    (home / "letters.txt").write_text("mine")
    for form in ("hf", "ollama"):
        with pytest.raises(UsageError, match="no export"):
            write(checkpoints, form, home, force=True)
    assert (home / "letters.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="no export"):
        write(checkpoints, "hf", home / "letters.txt", force=True)
    assert write(checkpoints, "bundle", home) == home / "run1.voice"


@pytest.mark.parametrize("form", ["hf", "gguf", "ollama", "bundle"])
def test_a_full_disk_leaves_nothing_behind(checkpoints: Path, form: str) -> None:
    output, limits = checkpoints.parent / "out", resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(ResourceError, match="no room"):
            write(checkpoints, form, output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert [p.name for p in output.parent.iterdir()] == ["checkpoints"]


def test_what_cannot_be_exported_is_one_clear_error(cli: Cli, checkpoints: Path, run: ModelDir) -> None:
    assert "no model 'nobody'" in cli("export", "nobody", code=4).stderr
    assert "there are no such" not in cli("export", "--checkpoint", "3", code=4).stderr
    assert "hf has no int8" in cli("export", "--format", "hf", "--precision", "int8", code=2).stderr
    cli("export", "--format", "onnx", code=2)
    (run.path / "model-7.data-00000-of-00001").write_bytes(bytes(80_000))
    error = cli("export", "--format", "hf", code=4).stderr
    assert "damaged" in error
    assert len(error.splitlines()) <= 3
    assert not (cli.cwd / "run1-hf").exists()


def test_a_run_json_that_someone_has_spoilt_is_named(checkpoints: Path, run: ModelDir) -> None:
    spoilt = {"corpus": {"files": 3, "tokens": "many"}, "best_step": 7, "best_loss": "low", "voice_curve": 1}
    (run.path / "run.json").write_text(json.dumps(spoilt))
    for form in ("hf", "bundle"):
        with pytest.raises(ModelError, match=r"run\.json is damaged"):
            write(checkpoints, form, checkpoints.parent / "out")
    assert not (checkpoints.parent / "out").exists()


def test_a_base_model_and_a_path_can_be_exported_too(base_model: Path, tmp_path: Path) -> None:
    done = export(ExportSettings(format="hf", run=str(base_model)), tmp_path / "out")
    assert (done.name, done.step) == ("small", None)
    assert "base model | small" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_vocabulary_larger_than_the_model_is_refused(checkpoints: Path, run: ModelDir) -> None:
    sizes = json.loads((run.path / "hparams.json").read_text())
    (run.path / "hparams.json").write_text(json.dumps(sizes | {"n_vocab": 9}))
    with pytest.raises(ModelError, match="vocabulary"):
        write(checkpoints, "bundle", checkpoints.parent / "out.voice")
