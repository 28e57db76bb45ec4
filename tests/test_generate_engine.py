"""Drawing in this process: what the options do to the tokens, and that nothing grows."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mckennabot.config import GenerateSettings
from mckennabot.generate.cache import converted
from mckennabot.generate.convert import Conversion
from mckennabot.generate.ctranslate2_engine import CTranslate2Engine
from mckennabot.generate.engine import Sampling
from mckennabot.generate.sampler import Sample, Sampler, open_sampler
from mckennabot.generate.source import Source
from mckennabot.models.checkpoint import ModelDir
from mckennabot.reporter import Silent
from mckennabot.tokenizer import Tokenizer
from tests.conftest import Cli

GREEDY = Sampling(temperature=0, top_k=0, top_p=1, repetition_penalty=1, end=None)
FREE = Sampling(temperature=1, top_k=0, top_p=1, repetition_penalty=1, end=None)


@pytest.fixture(scope="module")
def tokenizer(base_model: Path) -> Tokenizer:
    return Tokenizer.load(base_model)


@pytest.fixture(scope="module")
def engine(base_model: Path, tokenizer: Tokenizer) -> Iterator[CTranslate2Engine]:
    tokens = [tokenizer.token(i) for i in range(tokenizer.size)]
    with (
        converted(
            Conversion(ModelDir(base_model), base_model / "model.ckpt", "float32"), Silent()
        ) as directory,
        CTranslate2Engine(directory, "float32", tokens, seed=1) as loaded,
    ):
        yield loaded


def sample(
    engine: CTranslate2Engine, prompts: list[list[int]], sampling: Sampling, most: int, least: int = 0
) -> list[list[tuple[int, float]]]:
    """Each row's new tokens and their log-probabilities."""
    rows: list[list[tuple[int, float]]] = [[] for _ in prompts]
    for row, token, log_probability in engine.stream(
        prompts, sampling, most=most, least=least, on_token=lambda *step: (step, False)
    ):
        rows[row].append((token, log_probability))
    return rows


def test_rows_of_different_length_are_drawn_as_if_alone(engine: CTranslate2Engine) -> None:
    prompts = [[5, 6], [7, 8, 9, 10, 11, 12], [9, 3, 200]]
    together = sample(engine, prompts, GREEDY, 30)
    for prompt, row in zip(prompts, together, strict=True):
        [alone] = sample(engine, [prompt], GREEDY, 30)
        assert [token for token, _ in alone] == [token for token, _ in row]
        assert [p for _, p in row] == pytest.approx([p for _, p in alone], abs=1e-4)


def test_log_probabilities_are_the_models_own(engine: CTranslate2Engine) -> None:
    """Also where temperature and top-k bend what is sampled."""
    bent = replace(FREE, temperature=0.5, top_k=20)
    [row] = sample(engine, [[3]], bent, 40)
    loss = engine.mean_loss([[3, *(token for token, _ in row)]])
    assert -sum(p for _, p in row) / 40 == pytest.approx(loss, abs=1e-4)


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-3}])
def test_each_way_of_narrowing_ends_at_greedy(engine: CTranslate2Engine, narrow: dict[str, float]) -> None:
    sampling = replace(FREE, **narrow)
    assert sample(engine, [[3]], sampling, 20) == sample(engine, [[3]], GREEDY, 20)


def test_a_repetition_penalty_makes_repeats_rarer(engine: CTranslate2Engine) -> None:
    def distinct(penalty: float) -> int:
        [row] = sample(engine, [[3]], replace(GREEDY, repetition_penalty=penalty), 60)
        return len({token for token, _ in row})

    assert distinct(5.0) > distinct(1.0)


def test_a_seed_begins_the_random_numbers_anew(engine: CTranslate2Engine) -> None:
    texts = []
    for seed in (4, 4, 5):
        engine.reseed(seed)
        texts.append(sample(engine, [[3]] * 3, FREE, 20))
    assert texts[0] == texts[1] != texts[2]
    assert len({tuple(row) for row in texts[0]}) == 3


def test_a_caller_that_goes_away_stops_the_work(engine: CTranslate2Engine) -> None:
    steps = engine.stream([[3]], FREE, most=60, least=0, on_token=lambda *step: (step, False))
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert len(sample(engine, [[3]], FREE, 5)[0]) == 5


def test_an_error_in_the_callers_judgement_is_the_callers(engine: CTranslate2Engine) -> None:
    def judge(row: int, token: int, log_probability: float) -> tuple[None, bool]:
        raise ValueError("not this one")

    with pytest.raises(ValueError, match="not this one"):
        list(engine.stream([[3]], FREE, most=5, least=0, on_token=judge))


@pytest.fixture
def sampler(base_model: Path) -> Iterator[Sampler]:
    settings = GenerateSettings(seed=1, length=30, ignore_eot=True, batch_size=1)
    with open_sampler(Source(ModelDir(base_model), base_model / "model.ckpt"), settings, Silent()) as opened:
        yield opened


def texts(sampler: Sampler, prefixes: list[str]) -> list[Sample]:
    return [event for event in sampler.sample(prefixes, Silent()) if isinstance(event, Sample)]


def test_prefixes_of_any_length_and_none_share_a_call(sampler: Sampler) -> None:
    sampler.configure(replace(sampler.settings, temperature=0, batch_size=8))
    prefixes = ["", "x", "The river dreams", "", "The sea. " * 40, "The sea", "y"]
    together = texts(sampler, prefixes)
    alone = [texts(sampler, [prefix])[0] for prefix in prefixes]
    assert [text.text for text in sorted(together, key=lambda t: t.index)] == [t.text for t in alone]


def test_the_least_length_holds_back_the_end_of_text(sampler: Sampler) -> None:
    """Sample from 300 tokens by a model that has learnt nothing, one text in ten would get that far."""
    sampler.configure(
        replace(
            sampler.settings, ignore_eot=False, temperature=5, top_k=0, top_p=1, length=1000, min_length=700
        )
    )
    sample = texts(sampler, ["The"] * 3)
    assert all(text.tokens >= 700 for text in sample)
    assert "end-of-text" in {text.stop for text in sample}


def test_the_way_into_a_new_window_changes_no_token_that_the_context_decides(sampler: Sampler) -> None:
    """Greedy text over several windows is what the same model draws from the same last half window."""
    sampler.configure(replace(sampler.settings, temperature=0, length=64))
    [long] = texts(sampler, ["The sea"])
    sampler.configure(replace(sampler.settings, length=20))
    assert len(long.text) > 0
    [again] = texts(sampler, ["The sea"])
    assert long.text.startswith(again.text)


def test_five_hundred_texts_take_no_more_memory(sampler: Sampler) -> None:
    """What each costs in time is the benchmark's to say: other programs use this machine too."""
    texts(sampler, ["The river"] * 10)
    before = _resident()
    for _ in range(49):
        texts(sampler, ["The river"] * 10)
    assert _resident() <= before * 1.05


@pytest.mark.slow
def test_int8_changes_the_perplexity_of_held_out_text_by_less_than_a_percent(
    warm_cli: Cli, corpus: Path, corpus_text: str
) -> None:
    """Which is why it is the default for large models on a CPU."""
    warm_cli("finetune", "-q", "--model", "tiny", "--run", "learned", "--steps", "40", "--batch-size", "4")
    model = ModelDir(warm_cli.cwd / "checkpoints" / "learned")
    vocabulary = Tokenizer.load(model.path)
    tokens = [vocabulary.token(i) for i in range(vocabulary.size)]
    ids = [vocabulary.eot, *vocabulary.encode(corpus_text[-200:])]  # the end is what finetune holds out
    loss = {}
    for precision in ("float32", "int8"):
        with (
            converted(Conversion(model, model.weights(), precision), Silent()) as directory,
            CTranslate2Engine(directory, precision, tokens, seed=1) as loaded,
        ):
            loss[precision] = loaded.mean_loss([ids])
    assert loss["int8"] != loss["float32"]
    assert loss["float32"] < math.log(vocabulary.size) - 0.3  # it has learnt something
    assert math.expm1(loss["int8"] - loss["float32"]) == pytest.approx(0, abs=0.01)


def _resident() -> int:
    """This process's memory, in bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
