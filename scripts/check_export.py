"""Whether other programs read what `mckennabot export` writes as what it is.

    python scripts/check_export.py [RUN] [--checkpoints DIR] [--peers PYTHON]

Exports a run (the latest, if none is named) as a Hugging Face directory and as GGUF in each precision, and
has them read by those of these that PYTHON's environment has (`pip install torch transformers accelerate gguf
llama-cpp-python`, the last of which compiles llama.cpp):

    transformers    the directory: token ids, and logits at every position, equal to 1e-4
    transformers    the GGUF file: the same
    llama.cpp       each GGUF file: token ids, and 40 tokens taken greedily

The reference is CTranslate2 in float32, which `generate --precision float32` samples with. Where a greedy
text departs from the reference's, the table says after how many tokens, and how much likelier, in nats, the
reference's token was there: where that is next to nothing, rounding decides. Exits with 1 if a reader fails
in float32.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROMPTS = ("The", "There is a lamp in the window, and", "I am told that the river’s name – once – was")
TOKENS = 40
CLOSE = 1e-4
PRECISIONS = ("float32", "float16", "int8")


def export_all(run: str | None, checkpoints: Path, directory: Path) -> None:
    """Write the run in every form, and what the reference makes of the prompts."""
    import numpy as np

    from mckennabot.config import ExportSettings, GenerateSettings
    from mckennabot.export import export
    from mckennabot.generate.cache import converted
    from mckennabot.generate.convert import Conversion
    from mckennabot.generate.source import find_source
    from mckennabot.reporter import Silent
    from mckennabot.tokenizer import Tokenizer

    common = {"run": run, "checkpoints": checkpoints}
    export(ExportSettings(format="hf", **common), directory / "hf")
    for precision in PRECISIONS:
        settings = ExportSettings(format="gguf", precision=precision, **common)
        export(settings, directory / f"{precision}.gguf")

    source = find_source(GenerateSettings(run=run, checkpoints=checkpoints))
    tokenizer = Tokenizer.load(source.model.path)
    cases: list[dict[str, Any]] = []
    os.environ.setdefault("CT2_USE_MKL", "0")
    import ctranslate2

    conversion = Conversion(source.model, source.weights, "float32", source.dial)
    with converted(conversion, Silent()) as place:
        generator = ctranslate2.Generator(str(place), compute_type="float32")
        for prompt in PROMPTS:
            ids = tokenizer.encode(prompt)
            result = generator.generate_batch(
                [[tokenizer.token(i) for i in ids]],
                max_length=TOKENS,
                end_token=[],
                sampling_topk=1,
                include_prompt_in_result=False,
            )
            greedy = list(result[0].sequences_ids[0])
            whole = [tokenizer.token(i) for i in ids + greedy]
            logits = np.array(generator.forward_batch([whole], return_log_probs=False))[0]
            log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            cases.append({"prompt": prompt, "ids": ids, "greedy": greedy, "text": tokenizer.decode(greedy)})
            np.savez(directory / f"{len(cases) - 1}.npz", logits=logits, log_probs=log_probs)
        del generator
    (directory / "cases.json").write_text(json.dumps(cases), encoding="utf-8")


def read_all(directory: Path) -> list[tuple[str, str, str, bool]]:
    """What each reader makes of the exports: its name, the file, the finding, whether it will do."""
    cases = json.loads((directory / "cases.json").read_text(encoding="utf-8"))
    rows = []
    try:
        import accelerate  # noqa: F401 - transformers needs it for GGUF
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        rows.append(("transformers", "", f"not here ({error.name})", True))
    else:
        version = f"transformers {transformers.__version__}"
        rows.append((version, "hf/", *compare_logits(directory, cases, {})))
        rows.append(
            (version, "float32.gguf", *compare_logits(directory, cases, {"gguf_file": "float32.gguf"}))
        )
    try:
        import llama_cpp
    except ImportError:
        rows.append(("llama.cpp", "", "not here (llama-cpp-python)", True))
    else:
        for precision in PRECISIONS:
            finding, good = compare_greedy(directory, cases, f"{precision}.gguf")
            version = f"llama-cpp-python {llama_cpp.__version__}"
            rows.append((version, f"{precision}.gguf", finding, good or precision != "float32"))
    return rows


def compare_logits(directory: Path, cases: list[dict[str, Any]], how: dict[str, str]) -> tuple[str, bool]:
    """Token ids and logits in `transformers`."""
    import numpy as np
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    place = directory if how else directory / "hf"
    tokenizer = AutoTokenizer.from_pretrained(place, **how)
    # It does not take the window from GGUF, and assumes 1024 positions.
    config = AutoConfig.from_pretrained(directory / "hf")
    model = AutoModelForCausalLM.from_pretrained(place, config=config, dtype=torch.float32, **how).eval()
    worst = 0.0
    for number, case in enumerate(cases):
        if tokenizer(case["prompt"])["input_ids"] != case["ids"]:
            return f"other token ids for {case['prompt']!r}", False
        with torch.no_grad():
            logits = model(torch.tensor([case["ids"] + case["greedy"]])).logits[0].numpy()
        reference = np.load(directory / f"{number}.npz")["logits"]
        worst = max(worst, float(np.abs(logits - reference).max()))
    return f"logits differ by {worst:.1e} at most", worst < CLOSE


def compare_greedy(directory: Path, cases: list[dict[str, Any]], name: str) -> tuple[str, bool]:
    """Token ids, and the likeliest continuation, in llama.cpp."""
    import itertools

    import numpy as np
    from llama_cpp import Llama

    llama = Llama(str(directory / name), n_ctx=0, verbose=False)
    departures = []
    for number, case in enumerate(cases):
        ids = llama.tokenize(case["prompt"].encode(), add_bos=False, special=True)
        if ids != case["ids"]:
            return f"other token ids for {case['prompt']!r}: {ids}", False
        tokens = llama.generate(ids, temp=0.0, top_k=1, repeat_penalty=1.0)
        found = list(itertools.islice(tokens, TOKENS))
        pairs = enumerate(zip(found, case["greedy"], strict=True))
        for i, (theirs, ours) in pairs:
            if theirs != ours:
                row = np.load(directory / f"{number}.npz")["log_probs"][len(ids) + i - 1]
                departures.append(f"departs after {i} tokens, by {row[ours] - row[theirs]:.4f} nats")
                break
    equal = len(cases) - len(departures)
    return "; ".join([f"{equal} of {len(cases)} texts of {TOKENS} tokens equal", *departures]), not departures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", nargs="?")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--peers", default=sys.executable, help="a Python with transformers and llama_cpp")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        print(json.dumps(read_all(args.read)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        export_all(args.run, args.checkpoints, directory)
        done = subprocess.run(
            [args.peers, __file__, "--read", temporary], stdout=subprocess.PIPE, text=True, check=True
        )
    rows = json.loads(done.stdout.splitlines()[-1])
    print("| reader | file | finding |\n|---|---|---|")
    for reader, file, finding, _ in rows:
        print(f"| {reader} | {file} | {finding} |")
    sys.exit(not all(good for *_, good in rows))


if __name__ == "__main__":
    main()
