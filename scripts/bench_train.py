"""How fast a step of training is: gpt-2-simple, this program on TensorFlow and JAX, Hugging Face on torch.

    python scripts/bench_train.py [--rounds N] [--steps N] [--hf-python PYTHON]

All train a GPT-2 of 124 M parameters, from random weights, on windows of 1024 random tokens: that costs
what real ones do. Each measurement is a process of its own, and the engines take turns in each round,
so that a busy machine is busy for all of them. The tables go into docs/benchmarks.md: one for the CPU,
and one for the GPU where there is one, of the same measurements with larger batches.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

BLOCK, LAYERS, HEADS, WIDTH, VOCABULARY = 1024, 12, 12, 768, 50257
PARAMETERS = 124_439_808
FLOPS_PER_TOKEN = 6 * PARAMETERS + 12 * LAYERS * WIDTH * BLOCK
"""Six for each parameter, and attention over the whole square, as nanoGPT counts."""

LABELS = {
    "gpt-2-simple": "gpt-2-simple",
    "tensorflow-float32": "mckennabot, TensorFlow, float32",
    "tensorflow-bfloat16": "mckennabot, TensorFlow, bfloat16",
    "jax-bfloat16": "mckennabot, JAX, bfloat16",
    "torch-bfloat16": "Hugging Face, torch, bfloat16 autocast",
    "torch-float32": "Hugging Face, torch, float32",
}


def batches(size: int) -> Iterator[Any]:
    """Windows [size, BLOCK + 1] without end."""
    import numpy as np

    rng = np.random.default_rng(0)
    while True:
        yield rng.integers(0, VOCABULARY, (size, BLOCK + 1)).astype(np.int32)


def gpt_2_simple_step(size: int) -> Callable[[], float]:
    """What gpt-2-simple's own `finetune` runs for each step."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from gpt_2_simple.gpt_2 import start_tf_sess
    from gpt_2_simple.src import model

    hparams = model.default_hparams()
    hparams.n_vocab = VOCABULARY
    session = start_tf_sess()
    context = tf.compat.v1.placeholder(tf.int32, [size, None])
    logits = model.model(hparams=hparams, X=context)["logits"]
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=context[:, 1:], logits=logits[:, :-1])
    loss = tf.reduce_mean(each)
    variables = tf.compat.v1.trainable_variables()
    optimizer = tf.compat.v1.train.AdamOptimizer(1e-4)
    update = optimizer.apply_gradients(list(zip(tf.gradients(loss, variables), variables, strict=True)))
    session.run(tf.compat.v1.global_variables_initializer())
    windows = batches(size)
    return lambda: float(session.run((update, loss), {context: next(windows)[:, :BLOCK]})[1])


def our_step(size: int, dtype: str) -> Callable[[], float]:
    """A step of this program's engine, on the backend that KERAS_BACKEND names."""
    from mckennabot.finetune.engines.build import make_engine
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.models.checkpoint import Hparams
    from mckennabot.models.weights import random_weights

    hparams = Hparams(n_vocab=VOCABULARY, n_ctx=BLOCK, n_embd=WIDTH, n_head=HEADS, n_layer=LAYERS)
    engine = make_engine(GPT2(hparams, random_weights(hparams, 0).items()), dtype, size)
    windows = batches(size)
    steps = iter(range(1, 1 << 30))
    return lambda: float(engine.train(next(windows), 1e-4, next(steps)))


def torch_step(size: int, dtype: str) -> Callable[[], float]:
    """The usual loop over Hugging Face's GPT-2, with torch's fused AdamW."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = GPT2LMHeadModel(GPT2Config(resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)).to(device)
    if device == "cuda":
        model = torch.compile(model)  # with flash attention, which Hugging Face has by default: as nanoGPT
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0, fused=True)
    windows = batches(size)

    def step() -> float:
        tokens = torch.from_numpy(next(windows)[:, :BLOCK]).long().to(device)
        with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = model(tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def gpu() -> str | None:
    """The name of the GPU; None where there is none."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def matrix_peak() -> float:
    """FLOP/s of the fastest large matrix product, in float32 or bfloat16: on the GPU, else on the CPU."""
    best = 0.0
    for size, product, a in _products():
        float(product(a)[0, 0])
        for _ in range(8):
            began = time.perf_counter()
            float(product(a)[0, 0])
            best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


def _products() -> Iterator[tuple[int, Callable[[Any], Any], Any]]:
    """Matrix products, and a square matrix for each: XLA's on a GPU, TensorFlow's on a CPU."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") != "":
        import jax
        from jax import numpy as jnp

        a = jax.random.normal(jax.random.key(0), (8192, 8192))
        for dtype in (jnp.float32, jnp.bfloat16):
            yield len(a), jax.jit(lambda a: a @ a), a.astype(dtype)
        return
    from mckennabot.backend import import_tensorflow

    tf = import_tensorflow()
    a = tf.random.normal((2048, 2048))
    for dtype in (tf.float32, tf.bfloat16):
        yield len(a), tf.function(lambda a: tf.matmul(a, a), autograph=False), tf.cast(a, dtype)


def measure(engine: str, size: int, steps: int, began: float) -> None:
    """In a process of its own: print seconds to the first step, of each further one, and peak memory."""
    if engine == "peak":
        print(json.dumps({"peak": matrix_peak()}))
        return
    backend, _, dtype = engine.partition("-")
    if backend == "gpt":
        step = gpt_2_simple_step(size)
    elif backend == "torch":
        step = torch_step(size, dtype)
    else:
        step = our_step(size, dtype)
    step()
    first = time.time() - began
    times, processor = [], []
    for _ in range(steps):
        clock, used = time.perf_counter(), time.process_time()
        step()
        times.append(time.perf_counter() - clock)
        processor.append(time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {"first": first, "times": times, "processor": processor, "memory": peak, "end": time.time()}
        )
    )


def run(engine: str, size: int, steps: int, python: str, on_gpu: bool) -> dict[str, Any] | None:
    """`measure` in a process; None where the engine is not installed."""
    backend = engine.partition("-")[0]
    environment = {**os.environ, "KERAS_BACKEND": "jax" if backend == "jax" else "tensorflow"}
    if not on_gpu:
        environment |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    argv = [python, __file__, "--measure", engine, "--batch-size", str(size), "--steps", str(steps)]
    done = subprocess.run(
        [*argv, "--began", str(time.time())], env=environment, capture_output=True, text=True, check=False
    )
    left = time.time()
    if done.returncode:
        print(f"{engine}: skipped ({done.stderr.strip().splitlines()[-1:]})", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "end" in result:
        result["exit"] = left - result["end"]
    return result


def row(engine: str, runs: list[dict[str, Any]], reference: float | None, peak: float, size: int) -> str:
    """One engine's line of the table."""
    times = [t for r in runs for t in r["times"]]
    fastest, tokens = min(times), size * BLOCK
    cells = [
        LABELS[engine],
        f"{fastest:.2f}",
        f"{statistics.median(times):.2f}",
        f"{min(t for r in runs for t in r['processor']):.2f}",
        f"{tokens / fastest:,.0f}",
        f"{reference / fastest:.2f}" if reference else "–",
        f"{FLOPS_PER_TOKEN * tokens / fastest / peak:.0%}",
        f"{max(r['memory'] for r in runs) / 1e9:.1f} GB",
        f"{min(r['first'] for r in runs):.1f} s",
        f"{min(r['exit'] for r in runs):.1f} s",
    ]
    return f"| {' | '.join(cells)} |"


def report(
    device: str, results: dict[str, list[dict[str, Any]]], peak: float, size: int, hf_python: str
) -> str:
    """The section of docs/benchmarks.md."""
    import benchmarks

    simple = results.get("gpt-2-simple")
    reference = min(t for r in simple for t in r["times"]) if simple else None
    count = sum(len(r["times"]) for r in next(iter(results.values())))
    titles = [
        "engine",
        "s/step",
        "median",
        "processor s/step",
        "tokens/s",
        "times gpt-2-simple",
        "of peak",
        "memory",
        "to step 1",
        "to the prompt",
    ]
    return "\n".join(
        [
            f"## Training on a {device}\n\n{benchmarks.machine()}.",
            f"{benchmarks.versions('tensorflow', 'keras', 'jax', 'gpt-2-simple')}, "
            f"{benchmarks.versions('torch', 'transformers', python=hf_python)}.",
            f"GPT-2 124M, {size} x {BLOCK} tokens a step, {count} steps each, engines in turn",
            "(`make bench-train`); s/step is the fastest step's, since the machine may be shared.",
            f"Peak of the matrix units, measured in the same run: {peak / 1e9:,.0f} GFLOP/s.\n",
            f"| {' | '.join(titles)} |",
            "|---" * len(titles) + "|",
            *(row(engine, runs, reference, peak, size) for engine, runs in results.items()),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="turns of each engine")
    parser.add_argument("--steps", type=int, default=4, help="timed steps in a turn")
    parser.add_argument("--batch-size", type=int, default=1, help="windows a step on the CPU")
    parser.add_argument("--gpu-batch-size", type=int, default=16, help="windows a step on a GPU")
    parser.add_argument(
        "--hf-python", default=sys.executable, help="a Python that has torch and transformers"
    )
    parser.add_argument("--engines", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.batch_size, options.steps, options.began)
        return
    compare("CPU", "train", options.batch_size, options)
    name = gpu()
    if name is None:
        print("No GPU is visible: the part that measures one is skipped.", file=sys.stderr)
    else:
        compare(f"GPU: {name}", "train-gpu", options.gpu_batch_size, options)


def compare(device: str, section: str, size: int, options: argparse.Namespace) -> None:
    """Let the engines take turns on a device; write the section of docs/benchmarks.md."""
    import benchmarks

    on_gpu = device != "CPU"
    results: dict[str, list[dict[str, Any]]] = {}
    peaks = []
    for round_ in range(options.rounds):
        found = run("peak", 1, 1, sys.executable, on_gpu)
        peaks += [found["peak"]] if found else []
        for engine in options.engines:
            if round_ and engine not in results:
                continue
            python = options.hf_python if engine.startswith("torch") else sys.executable
            result = run(engine, size, options.steps, python, on_gpu)
            if result:
                print(engine, [round(t, 2) for t in result["times"]], file=sys.stderr)
                results.setdefault(engine, []).append(result)
    text = report(device, results, max(peaks, default=math.inf), size, options.hf_python)
    benchmarks.write_section(section, text)
    print(text)


if __name__ == "__main__":
    main()
