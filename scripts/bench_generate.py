"""How fast text is sampled: gpt-2-simple, Hugging Face's generate and this program, side by side.

    python scripts/bench_generate.py [--rounds N] [--hf-python PYTHON]

All draw from the same random GPT-2 of 124 M parameters with --top-k 40 and temperature 0.8: random
weights cost what trained ones do. Each measurement is a process of its own; the peers take turns in
each round. The table goes into docs/benchmarks.md, with what int8 does to the perplexity of a small
model trained on the sample book.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import benchmarks

ROOT = Path(__file__).resolve().parent.parent

TOKENS = 120
BATCH = 32
BATCH_TOKENS = 60
TOP_K = 40
TEMPERATURE = 0.8
PROMPT = [383, 968, 7129, 318]
PREFIX = "The New Age is"


def write_model(directory: Path) -> None:
    """A random GPT-2 124M as a run in gpt-2-simple's layout, with a made-up vocabulary of GPT-2's size."""
    import numpy as np

    from mckennabot.models.checkpoint import Hparams, ModelDir
    from mckennabot.models.weights import shapes, write_weights
    from mckennabot.tokenizer import Tokenizer

    hparams = Hparams(n_vocab=50257, n_ctx=1024, n_embd=768, n_head=12, n_layer=12)
    directory.mkdir(parents=True)
    model = ModelDir(directory)
    Tokenizer.train([""], 257).save(directory)
    vocabulary = json.loads((directory / "encoder.json").read_text(encoding="utf-8"))
    single = [token for token in vocabulary if len(token) == 1]
    pairs = [(a, b) for a in single for b in single][: hparams.n_vocab - 257]
    tokens = [*single, *(a + b for a, b in pairs), "<|endoftext|>"]
    (directory / "encoder.json").write_text(
        json.dumps({t: i for i, t in enumerate(tokens)}), encoding="utf-8"
    )
    merges = ["#version: 0.2", *(f"{a} {b}" for a, b in pairs), ""]
    (directory / "vocab.bpe").write_text("\n".join(merges), encoding="utf-8")
    model.write_hparams(hparams)
    rng = np.random.default_rng(0)
    values = {
        name: np.ones(shape, "f4") if name.endswith("/g") else rng.normal(0, 0.02, shape).astype("f4")
        for name, shape in shapes(hparams).items()
    }
    write_weights(directory / "model-1", values)
    (directory / "counter").write_text("1\n", encoding="utf-8")
    model.point_to("model-1")


def measure_ours(run: Path, precision: str) -> dict[str, float]:
    """Tokens per second of one text and of a batch, model loaded."""
    from mckennabot.generate.cache import converted
    from mckennabot.generate.convert import Conversion
    from mckennabot.generate.ctranslate2_engine import LARGE, CTranslate2Engine, choose_threads
    from mckennabot.generate.engine import Sampling
    from mckennabot.models.checkpoint import ModelDir
    from mckennabot.reporter import Silent
    from mckennabot.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(run)
    tokens = [tokenizer.token(i) for i in range(tokenizer.size)]
    sampling = Sampling(temperature=TEMPERATURE, top_k=TOP_K, top_p=1, repetition_penalty=1, end=None)

    with (
        converted(Conversion(ModelDir(run), run / "model-1", precision), Silent()) as directory,
        CTranslate2Engine(directory, precision, tokens, 1, choose_threads(LARGE)) as engine,
    ):

        def sample(rows: int, most: int) -> None:
            steps = engine.stream(
                [PROMPT] * rows, sampling, most=most, least=most, on_token=lambda *_: (None, False)
            )
            assert sum(1 for _ in steps) == rows * most

        return timed(sample)


def measure_gpt_2_simple(run: Path) -> dict[str, float]:
    """The same by gpt-2-simple's sampler, built once (its `generate` builds one at each call)."""
    import tensorflow as tf
    from gpt_2_simple import gpt_2

    session = gpt_2.start_tf_sess()
    sizes = gpt_2.model.HParams(**json.loads((run / "hparams.json").read_text(encoding="utf-8")))
    graphs = {}
    for rows, most in ((1, TOKENS), (BATCH, BATCH_TOKENS)):
        context = tf.compat.v1.placeholder(tf.int32, [rows, None])
        graphs[rows] = (
            context,
            gpt_2.sample.sample_sequence(
                hparams=sizes,
                length=most,
                context=context,
                batch_size=rows,
                temperature=TEMPERATURE,
                top_k=TOP_K,
            ),
        )
    tf.compat.v1.train.Saver().restore(session, str(run / "model-1"))

    def sample(rows: int, most: int) -> None:
        context, output = graphs[rows]
        sample = session.run(output, {context: [PROMPT] * rows})
        assert sample.shape == (rows, len(PROMPT) + most)

    return timed(sample)


def measure_hf(run: Path) -> dict[str, float]:
    """The same by transformers; its Python needs nothing of this project."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config()).eval()

    def sample(rows: int, most: int) -> None:
        with torch.inference_mode():
            sample = model.generate(
                torch.tensor([PROMPT] * rows),
                do_sample=True,
                top_k=TOP_K,
                temperature=TEMPERATURE,
                max_new_tokens=most,
                min_new_tokens=most,
                pad_token_id=50256,
            )
        assert sample.shape == (rows, len(PROMPT) + most)

    return timed(sample)


def timed(sample) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Tokens per second, warm, best of two, and this process's peak of memory in MiB."""
    found = {}
    for name, rows, most in (("stream", 1, TOKENS), ("batch", BATCH, BATCH_TOKENS)):
        sample(rows, most)
        best = min(seconds(lambda rows=rows, most=most: sample(rows, most)) for _ in range(2))
        found[name] = rows * most / best
        found[f"{name}_memory"] = peak_memory()
    return found


def peak_memory() -> float:
    """MiB. Linux lets a process inherit the peak of the one that started it, except here."""
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [
            line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM")
        ]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def seconds(work) -> float:  # type: ignore[no-untyped-def]
    """Wall time of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cold(command: list[str], cwd: Path) -> dict[str, float]:
    """Seconds from start to end of a command, and to the first byte it prints."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env())
    assert process.stdout is not None
    process.stdout.read(len(PREFIX) + 1)
    first = time.perf_counter() - began
    process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0, command
    return {"cold": time.perf_counter() - began, "first": first}


def env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def commands(python: str) -> dict[str, list[str]]:
    """Each program's own command line for one text of `TOKENS` tokens."""
    common = ["generate", "--length", str(TOKENS), "--temperature", str(TEMPERATURE), "--prefix", PREFIX]
    theirs = [*common, "--run_name", "run1", "--checkpoint_dir", "checkpoints", "--top_k", str(TOP_K)]
    ours = [
        *common,
        "-q",
        "--run",
        "run1",
        "--top-k",
        str(TOP_K),
        "--top-p",
        "1",
        "--ignore-eot",
        "--seed",
        "1",
    ]
    return {
        "gpt-2-simple": [
            python,
            "-c",
            "from gpt_2_simple.gpt_2 import cmd; cmd()",
            *theirs,
            "--nsamples",
            "1",
        ],
        "mckennabot int8": [python, "-m", "mckennabot", *ours],
        "mckennabot float32": [python, "-m", "mckennabot", *ours, "--precision", "float32"],
    }


def in_process(python: str, name: str, run: Path) -> dict[str, float]:
    """A warm measurement, in a process of its own."""
    done = subprocess.run(
        [python, __file__, "--measure", name, str(run)],
        env=env(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def perplexities(workspace: Path) -> dict[str, float]:
    """Perplexity of held-out text by a small model trained on the sample book, in float32 and int8."""
    import math

    from mckennabot.generate.cache import converted
    from mckennabot.generate.convert import Conversion
    from mckennabot.generate.ctranslate2_engine import CTranslate2Engine
    from mckennabot.models.checkpoint import ModelDir
    from mckennabot.reporter import Silent
    from mckennabot.tokenizer import Tokenizer

    def cli(*args: str) -> None:
        subprocess.run([sys.executable, "-m", "mckennabot", *args], cwd=workspace, env=env(), check=True)

    cli("extract", "-q", str(ROOT / "data" / "sample.pdf"), "-o", "book.txt")
    text = (workspace / "book.txt").read_text(encoding="utf-8")
    cut = text.rindex("\n\n", 0, len(text) * 9 // 10)
    (workspace / "book.txt").write_text(text[:cut], encoding="utf-8")
    cli("finetune", "-q", "--model", "tiny", "--run", "tiny", "--steps", "200", "book.txt")
    run = ModelDir(workspace / "checkpoints" / "tiny")
    tokenizer = Tokenizer.load(run.path)
    ids, width = tokenizer.encode(text[cut:]), run.hparams().n_ctx
    rows = [ids[i : i + width] for i in range(0, len(ids) - 1, width)]
    found = {}
    for precision in ("float32", "int8"):
        with (
            converted(Conversion(run, run.weights(), precision), Silent()) as directory,
            CTranslate2Engine(
                directory, precision, [tokenizer.token(i) for i in range(tokenizer.size)], seed=1
            ) as engine,
        ):
            found[precision] = math.exp(engine.mean_loss([row for row in rows if len(row) > 1]))
    return found


def table(results: dict[str, list[dict[str, float]]], perplexity: dict[str, float], hf_python: str) -> str:
    """The section of docs/benchmarks.md."""

    def middle(name: str, key: str) -> float | None:
        values = [result[key] for result in results[name] if key in result]
        return statistics.median(values) if values else None

    def cell(name: str, key: str, form: str, inverse: bool = False) -> str:
        value, base = middle(name, key), middle("gpt-2-simple", key)
        if value is None or base is None:
            return "–"
        ratio = base / value if inverse else value / base
        return f"{value:{form}}" + ("" if name == "gpt-2-simple" else f" ({ratio:.1f}×)")

    stream = middle("gpt-2-simple", "stream") or 1.0
    lines = [
        "## Drawing text",
        "",
        f"GPT-2 124M, top-k {TOP_K}, on {benchmarks.machine()}; medians of "
        f"{len(results['gpt-2-simple'])} rounds in which all took turns. "
        "In brackets: how many times as good as gpt-2-simple.",
        "",
        f"| | cold: {TOKENS} tokens, s | one text, tokens/s | {BATCH} texts, tokens/s | against one text of "
        "gpt-2-simple's | memory of one text, MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name in results:
        batch = middle(name, "batch")
        lines.append(
            f"| {name} | {cell(name, 'cold', '.2f', inverse=True)} | {cell(name, 'stream', '.1f')} "
            f"| {cell(name, 'batch', '.0f')} | {f'{batch / stream:.1f}×' if batch else '–'} "
            f"| {middle(name, 'stream_memory') or 0:.0f} |"
        )
    peers = benchmarks.versions("torch", "transformers", python=hf_python)
    first = middle("mckennabot int8", "first")
    change = perplexity["int8"] / perplexity["float32"] - 1
    lines += [
        "",
        f"First characters of a cached run {first:.2f} s after the start of the command. "
        f"int8 changes the perplexity of held-out text by {change:+.2%} "
        f"({perplexity['float32']:.3f} to {perplexity['int8']:.3f}; a small model of the sample book).",
        "",
        f"`make bench-generate`: {benchmarks.versions('gpt-2-simple', 'tensorflow', 'ctranslate2')}"
        f"{peers and f', {peers}'}.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hf-python", default=sys.executable, help="a Python with torch and transformers")
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "RUN"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        name, run = args.measure[0], Path(args.measure[1])
        if name == "gpt-2-simple":
            found = measure_gpt_2_simple(run)
        elif name == "transformers":
            found = measure_hf(run)
        else:
            found = measure_ours(run, name.split()[1])
        print(json.dumps(found))
        return
    pythons = dict.fromkeys(commands(sys.executable), sys.executable)
    has_hf = subprocess.run(
        [args.hf_python, "-c", "import torch, transformers"], capture_output=True, check=False
    )
    if has_hf.returncode == 0:
        pythons["transformers"] = args.hf_python
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Path(temporary)
        run = workspace / "checkpoints" / "run1"
        write_model(run)
        for name, command in commands(sys.executable).items():
            if name.startswith("mckennabot"):
                cold(command, workspace)  # converts
        results: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
        for round_ in range(args.rounds):
            for name, python in pythons.items():
                result = in_process(python, name, run)
                if name in commands(python):
                    result |= cold(commands(python)[name], workspace)
                results[name].append(result)
                print(round_ + 1, name, {k: round(v, 2) for k, v in result.items()}, file=sys.stderr)
        section = table(results, perplexities(workspace), args.hf_python)
    benchmarks.write_section("generate", section)
    print(section)


if __name__ == "__main__":
    main()
