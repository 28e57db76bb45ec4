"""gpt-2-simple and this program read each other's models, and compute the same with them.

gpt-2-simple runs in processes of its own: it turns eager execution off wherever it is imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import Cli, WarmCli, write_base_model

PREFIX = "The river dreams of"


@pytest.fixture(scope="module")
def run_python(warm_server: warm.Server) -> Callable[..., str]:
    """Runs code in a process of its own; gives its last line of stdout."""

    def run(code: str, *args: object) -> str:
        done = warm_server.run([sys.executable, "-c", code, *map(str, args)])
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    return run


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, warm_server: warm.Server, base_model: Path, corpus_text: str
) -> Cli:
    """A directory with a corpus and a run ``ours`` of a few steps from `base_model`."""
    cli = WarmCli(tmp_path_factory.mktemp("interchange"), warm_server)
    (cli.cwd / "data").mkdir()
    (cli.cwd / "data" / "book.txt").write_text(corpus_text, encoding="utf-8")
    cli("finetune", "-q", "--model", base_model, "--run", "ours", "--steps", 8, "--learning-rate", "3e-3")
    return cli


def test_gpt_2_simple_loads_our_run_and_draws_from_it(workspace: Cli, run_python: Callable[..., str]) -> None:
    code = """
import json, sys
from gpt_2_simple import gpt_2
session = gpt_2.start_tf_sess()
where = dict(run_name="ours", checkpoint_dir=sys.argv[1])
gpt_2.load_gpt2(session, **where)
print(json.dumps(gpt_2.generate(session, **where, length=20, prefix=sys.argv[2], return_as_list=True)))
"""
    (text,) = json.loads(run_python(code, workspace.cwd / "checkpoints", PREFIX))
    assert text.startswith(PREFIX)
    assert len(text) > len(PREFIX)


def test_our_loss_equals_gpt_2_simples(workspace: Cli, run_python: Callable[..., str]) -> None:
    """Mean cross-entropy of 2 windows of 48 tokens, in float32, to 1e-4 nats."""
    run = workspace.cwd / "checkpoints" / "ours"
    theirs = """
import json, sys
import numpy as np, tensorflow as tf
from gpt_2_simple import gpt_2
session = gpt_2.start_tf_sess()
hparams = gpt_2.model.HParams(**json.load(open(sys.argv[1] + "/hparams.json")))
tokens = np.random.default_rng(1).integers(0, hparams.n_vocab, [2, 48])
X = tf.compat.v1.placeholder(tf.int32, [2, None])
logits = gpt_2.model.model(hparams=hparams, X=X)["logits"][:, :-1]
loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=X[:, 1:], logits=logits))
tf.compat.v1.train.Saver().restore(session, tf.train.latest_checkpoint(sys.argv[1]))
print(float(session.run(loss, {X: tokens})))
"""
    ours = """
import sys
import numpy as np
from pathlib import Path
from mckennabot.models.checkpoint import ModelDir
from mckennabot.finetune.engines.model import GPT2
from mckennabot.finetune.engines.tensorflow_engine import TensorFlowEngine
from mckennabot.models.weights import read_weights
run = ModelDir(Path(sys.argv[1]))
hparams = run.hparams()
tokens = np.random.default_rng(1).integers(0, hparams.n_vocab, [2, 48]).astype("int32")
step = TensorFlowEngine(GPT2(hparams, read_weights(run.weights(), hparams)), "float32", 2)
print(step.evaluate(tokens[:, :-1], tokens[:, 1:]) / tokens[:, 1:].size)
"""
    assert float(run_python(ours, run)) == pytest.approx(float(run_python(theirs, run)), abs=1e-4)


def test_greedy_text_is_the_same_by_both_engines(workspace: Cli) -> None:
    options = [
        "generate",
        "-q",
        "--run",
        "ours",
        "--prefix",
        PREFIX,
        "--temperature",
        0,
        "--length",
        50,
        "--ignore-eot",
    ]
    ours = workspace(*options, "--precision", "float32").stdout
    assert ours == workspace(*options, "--engine", "gpt-2-simple").stdout
    assert len(ours) > len(PREFIX) + 40


@pytest.fixture(scope="module")
def their_run(
    tmp_path_factory: pytest.TempPathFactory,
    warm_server: warm.Server,
    run_python: Callable[..., str],
    corpus_text: str,
) -> Cli:
    """A workspace with ``theirs``, a run that gpt-2-simple made all by itself."""
    cli = WarmCli(tmp_path_factory.mktemp("theirs"), warm_server)
    write_base_model(warm_server, cli.cwd / "checkpoints" / "wide", corpus_text, n_ctx=1024)
    (cli.cwd / "data").mkdir()
    (cli.cwd / "data" / "book.txt").write_text(corpus_text * 4, encoding="utf-8")
    code = """
import os, sys
from gpt_2_simple import gpt_2
os.chdir(sys.argv[1])
gpt_2.finetune(
    gpt_2.start_tf_sess(), "data/book.txt", steps=3, model_name="wide", model_dir="checkpoints",
    checkpoint_dir="checkpoints", run_name="theirs", accumulate_gradients=1, sample_every=100,
)
"""
    run_python(code, cli.cwd)
    return cli


def test_we_draw_from_a_run_of_gpt_2_simples(their_run: Cli) -> None:
    done = their_run("generate", "--run", "theirs", "--prefix", PREFIX, "--length", 5)
    assert done.stdout.startswith(PREFIX)


def test_we_continue_a_run_of_gpt_2_simples(their_run: Cli) -> None:
    their_run("finetune", "-q", "--run", "theirs", "--steps", 5, "--block-size", 64)
    assert (their_run.cwd / "checkpoints" / "theirs" / "counter").read_text(encoding="utf-8").strip() == "5"


def test_the_reference_engine_trains_stops_at_the_total_and_continues(
    their_run: Cli, corpus_text: str
) -> None:
    """`--engine gpt-2-simple` keeps our promises: steps are a total, metrics are written, stdout is clean."""
    options = [
        "finetune",
        "--engine",
        "gpt-2-simple",
        "--model",
        "wide",
        "--run",
        "reference",
        "--save-every",
        2,
    ]
    first = their_run(*options, "--steps", 3)
    again = their_run(*options, "--steps", 5)
    over = their_run(*options, "--steps", 5)
    assert first.stdout == again.stdout == over.stdout == ""
    run = their_run.cwd / "checkpoints" / "reference"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert all(line["loss"] > 0 and line["tokens_per_second"] > 0 for line in lines)
    assert their_run("generate", "-q", "--run", "reference", "--length", 3).stdout


def test_the_reference_engine_takes_a_corpus_smaller_than_a_window(warm_cli: Cli, base_model: Path) -> None:
    (warm_cli.cwd / "one.txt").write_text("The sea is awake.", encoding="utf-8")
    warm_cli("finetune", "--engine", "gpt-2-simple", "--model", base_model, "--steps", 2, "one.txt")
    assert warm_cli("generate", "-q", "--engine", "gpt-2-simple", "--length", 5, "--nsamples", 3).stdout


def test_the_reference_engine_learns_the_one_real_boundary(warm_cli: Cli, base_model: Path) -> None:
    """Trained on one-word segments, it draws end-of-text itself; seven ordinary tokens never would be."""
    (warm_cli.cwd / "words.txt").write_text("\n<|endoftext|>\n".join(["river"] * 200), encoding="utf-8")
    warm_cli(
        "finetune", "-q", "--engine", "gpt-2-simple", "--model", base_model, "--steps", 60,
        "--learning-rate", "1e-2", "words.txt",
    )  # fmt: skip
    for engine in ("gpt-2-simple", "ctranslate2"):
        text = warm_cli(
            "generate", "-q", "--engine", engine, "--temperature", 0, "--length", 30, "--min-length", 0,
            "--prefix", "river",
        ).stdout  # fmt: skip
        assert text.strip() == "river"
