"""How fast the server answers: ours, `transformers serve` and llama.cpp's server, from the same weights.

    python scripts/bench_serve.py [--rounds N] [--peer-python PYTHON]

All offer the same random GPT-2 of 124 M parameters over OpenAI's completions, and get the same requests from
the same client: 1, 4 and 16 clients at once, each of which asks again as soon as it has its answer. The
servers take turns in each round, one of them running at a time. Measured are the time to the first piece of
text, and the tokens of all clients together in a second. The table goes into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bench_generate
import benchmarks
import openai

TOKENS = 48
CLIENTS = (1, 4, 16)
PROMPT = "The New Age is a thing of the sea, and whoever"
TOP_K = 50  # what transformers takes if it is not asked; its server takes no question about it
ASKED: dict[str, Any] = {"prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0.8, "stream": True}


def commands(workspace: Path, port: int, peers: str) -> dict[str, tuple[list[str], str]]:
    """The command line of each server, and the model's name there."""
    hf, gguf = workspace / "hf", workspace / "run1.gguf"
    ours = [sys.executable, "-m", "mckennabot", "serve", "--port", str(port)]
    transformers = [str(Path(peers).parent / "transformers"), "serve", str(hf), "--port", str(port)]
    llama = [peers, "-m", "llama_cpp.server", "--model", str(gguf), "--n_ctx", "1024", "--port", str(port)]
    return {
        "mckennabot": (ours, "run1"),
        "transformers": (transformers, str(hf)),
        "transformers, continuous batching": ([*transformers, "--continuous-batching"], str(hf)),
        "llama.cpp (llama-cpp-python), f32": (llama, "run1"),
    }


@contextlib.contextmanager
def running(command: list[str], workspace: Path, port: int) -> Iterator[str]:
    """A server until the block ends; its address."""
    with (workspace / "server.log").open("wb") as log:
        environment = {**bench_generate.env(), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        process = subprocess.Popen(
            command, cwd=workspace, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}/v1"
            wait_for(f"{url}/models", process)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until an address answers.

    Raises:
        TimeoutError: it does not, or the server has ended.
    """
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise TimeoutError(f"no answer at {url}")


async def measure(url: str, model: str, clients: int, requests: int) -> dict[str, float]:
    """Median seconds to the first text, and all clients' tokens a second; `requests` of each client."""
    first: list[float] = []
    tokens = 0
    extra = {"top_k": TOP_K} if model == "run1" else {}
    async with openai.AsyncOpenAI(base_url=url, api_key="none", timeout=300) as client:

        async def one() -> None:
            nonlocal tokens
            for _ in range(requests):
                began, seen = time.perf_counter(), False
                async for chunk in await client.completions.create(model=model, **ASKED, extra_body=extra):
                    if chunk.choices and chunk.choices[0].text and not seen:
                        seen = True
                        first.append(time.perf_counter() - began)
                tokens += TOKENS

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(clients)))
        seconds = time.perf_counter() - began
    return {"first": statistics.median(first), "speed": tokens / seconds}


def table(results: dict[str, dict[int, list[dict[str, float]]]], peers: str, rounds: int) -> str:
    """The section of docs/benchmarks.md."""
    base = "transformers"

    def middle(name: str, clients: int, key: str) -> float | None:
        values = [result[key] for result in results[name][clients]]
        return statistics.median(values) if values else None

    def cell(name: str, clients: int, key: str) -> str:
        value, other = middle(name, clients, key), middle(base, clients, key)
        if value is None:
            return "–"
        shown = f"{value * 1000:.0f} ms" if key == "first" else f"{value:.0f}"
        if name == base or other is None:
            return shown
        return f"{shown} ({other / value if key == 'first' else value / other:.1f}×)"

    heads = [f"{head}, {n} client{'s' * (n > 1)}" for head in ("first text", "tokens/s") for n in CLIENTS]
    lines = [
        "## Serving",
        "",
        f"GPT-2 124M over HTTP, {TOKENS} tokens a request, on {benchmarks.machine()}; medians of "
        f"{rounds} rounds in which the servers took turns. In brackets: how many times as good as "
        f"`{base} serve`.",
        "",
        f"| | {' | '.join(heads)} |",
        "|---" * (len(heads) + 1) + "|",
        *(
            f"| {name} | {' | '.join(cell(name, n, key) for key in ('first', 'speed') for n in CLIENTS)} |"
            for name in results
        ),
        "",
        f"`make bench-serve`: {benchmarks.versions('ctranslate2', 'uvicorn', 'openai')}, "
        f"{benchmarks.versions('torch', 'transformers', 'llama-cpp-python', python=peers)}.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable, help="a Python with transformers[serving]")
    parser.add_argument("--only", help="measure this server alone, and write no table")
    args = parser.parse_args()
    results: dict[str, dict[int, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as directory:
        workspace = Path(directory)
        bench_generate.write_model(workspace / "checkpoints" / "run1")
        for form, output in (("hf", "hf"), ("gguf", "run1.gguf")):
            subprocess.run(
                [sys.executable, "-m", "mckennabot", "export", "run1", "--format", form, "-o", output,
                 *(["--precision", "float32"] if form == "gguf" else [])],
                cwd=workspace, env=bench_generate.env(), check=True,
            )  # fmt: skip
        for number in range(args.rounds):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            for name, (command, model) in commands(workspace, port, args.peer_python).items():
                if args.only and name != args.only:
                    continue
                found = results.setdefault(name, {clients: [] for clients in CLIENTS})
                try:
                    with running(command, workspace, port) as url:
                        asyncio.run(measure(url, model, 1, 2))
                        for clients in CLIENTS:
                            result = asyncio.run(measure(url, model, clients, 3 if clients == 1 else 2))
                            found[clients].append(result)
                            print(
                                f"{number} {name} {clients}: {json.dumps(result)}",
                                file=sys.stderr,
                                flush=True,
                            )
                except (OSError, openai.OpenAIError) as error:
                    log = (workspace / "server.log").read_text(errors="replace")[-600:]
                    print(f"{name}: {error}\n{log}", file=sys.stderr)
    if not args.only:
        benchmarks.write_section("serve", table(results, args.peer_python, args.rounds))


if __name__ == "__main__":
    main()
