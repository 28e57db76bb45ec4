"""The server as its users meet it: OpenAI's client, llm, LangChain and curl over a real socket."""

from __future__ import annotations

import asyncio
import codecs
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai", reason="needs openai (mckennabot[dev])")
pytest.importorskip("uvicorn", reason="needs uvicorn (mckennabot[serve])")

from mckennabot.tokenizer import Tokenizer  # noqa: E402
from tests.serving import Server, serving  # noqa: E402

WINDOW = 64


@pytest.fixture(scope="module")
def server(served: Path) -> Iterator[Server]:
    with serving(served) as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def tokenizer(base_model: Path) -> Tokenizer:
    return Tokenizer.load(base_model)


def complete(client: Any, **changes: Any) -> Any:
    """A completion of the run, greedy unless asked otherwise."""
    asked = {"model": "run1", "prompt": "The sea", "max_tokens": 12, "temperature": 0, **changes}
    known = {
        "top_k",
        "finish_sentence",
        "repetition_penalty",
        "originality",
        "max_copied",
        "min_tokens",
        "voice",
    }
    extra = {name: asked.pop(name) for name in known & asked.keys()}
    return client.completions.create(**asked, extra_body=extra)


def test_the_list_of_models_is_the_checkpoint_directory(client: Any) -> None:
    models = {model.id: model for model in client.models.list()}
    assert set(models) == {"small", "run1"}
    assert models["run1"].kind == "run"
    assert models["run1"].dial
    assert not models["small"].dial
    assert models["run1"].originality
    assert not models["small"].originality
    assert client.models.retrieve("run1").id == "run1"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_a_completion_counts_and_ends_as_it_says(client: Any, tokenizer: Tokenizer) -> None:
    reply = complete(client)
    assert reply.object == "text_completion"
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.prompt_tokens == len(tokenizer.encode("The sea"))
    assert reply.usage.completion_tokens == 12
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 12
    assert reply.choices[0].logprobs is None


def test_a_stream_is_the_same_text_in_pieces(client: Any) -> None:
    whole = complete(client, prompt=["The sea", "A star"], n=2)
    chunks = list(
        complete(
            client, prompt=["The sea", "A star"], n=2, stream=True, stream_options={"include_usage": True}
        )
    )
    texts = [""] * 4
    finished = [None] * 4
    for chunk in chunks[:-1]:
        for choice in chunk.choices:
            assert finished[choice.index] is None
            texts[choice.index] += choice.text
            finished[choice.index] = choice.finish_reason
    assert texts == [choice.text for choice in whole.choices]
    assert finished == ["length"] * 4
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1
    assert len(chunks) > 8


def test_choices_stand_prompt_by_prompt(client: Any) -> None:
    reply = complete(client, prompt=["The sea", "A star", "One"], n=2, echo=True)
    starts = ["The sea", "The sea", "A star", "A star", "One", "One"]
    assert [choice.index for choice in reply.choices] == list(range(6))
    for choice, start in zip(reply.choices, starts, strict=True):
        assert choice.text.startswith(start)


def test_prompts_may_be_tokens_or_nothing(client: Any, tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("The sea")
    texts = [complete(client, prompt=prompt).choices[0].text for prompt in ("The sea", ids, [ids])]
    assert len(set(texts)) == 1
    starts = [complete(client, prompt=prompt) for prompt in ("", None, [tokenizer.eot])]
    assert len({reply.choices[0].text for reply in starts}) == 1
    assert {reply.usage.prompt_tokens for reply in starts} == {1}
    with pytest.raises(openai.BadRequestError, match="token ids from 0"):
        complete(client, prompt=[tokenizer.size])


def test_probabilities_are_those_of_the_tokens_shown(client: Any, tokenizer: Tokenizer) -> None:
    reply = complete(
        client,
        temperature=1,
        logprobs=3,
        echo=True,
        n=3,
        prompt=["The sea dreams", "A"],
        seed=4,
        min_tokens=12,  # an end of text in the middle of a character makes it a replacement character
    )
    for choice in reply.choices:
        told = choice.logprobs
        assert _decoded(told.tokens) == choice.text
        assert told.token_logprobs[0] is None
        assert all(value <= 0 for value in told.token_logprobs[1:])
        for i, offset in enumerate(told.text_offset):
            assert _decoded(told.tokens[:i]) == choice.text[:offset]
        for token, value, top in zip(
            told.tokens[1:], told.token_logprobs[1:], told.top_logprobs[1:], strict=True
        ):
            assert 3 <= len(top) <= 4
            assert top[token] == pytest.approx(value, abs=1e-3)
            assert max(top.values()) >= value


def test_the_probabilities_of_a_prompt_are_those_of_writing_it(client: Any) -> None:
    """What lm-eval does: score a text without a new token."""
    written = complete(client, logprobs=0, max_tokens=20)
    text = "The sea" + written.choices[0].text
    scored = complete(client, prompt=text, logprobs=0, echo=True, max_tokens=0)
    assert scored.choices[0].text == text
    assert scored.usage.completion_tokens == 0
    [told, again] = written.choices[0].logprobs, scored.choices[0].logprobs
    if again.tokens[-len(told.tokens) :] == told.tokens:  # the text may be read in other tokens
        assert again.token_logprobs[-len(told.tokens) :] == pytest.approx(told.token_logprobs, abs=1e-3)
    streamed = complete(client, logprobs=0, max_tokens=20, stream=True)
    pieces = [piece.choices[0].logprobs for piece in streamed]
    assert [token for piece in pieces for token in piece.tokens] == told.tokens
    assert [offset for piece in pieces for offset in piece.text_offset] == told.text_offset


def test_a_stop_text_ends_a_text_and_is_never_shown(client: Any) -> None:
    """Also where it spans tokens, and where its start is all that comes."""
    whole = complete(client, max_tokens=30).choices[0].text
    middle = len(whole) // 2
    stop = whole[middle - 3 : middle + 4]
    wanted = whole[: whole.index(stop)]
    for asked in (stop, ["nowhere", stop]):
        reply = complete(client, max_tokens=30, stop=asked)
        assert reply.choices[0].text == wanted
        assert reply.choices[0].finish_reason == "stop"
    pieces = list(complete(client, max_tokens=30, stop=stop, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == wanted
    begun = complete(client, max_tokens=30, stop=whole[-3:] + "never", stream=True)
    assert "".join(piece.choices[0].text for piece in begun) == whole


def test_a_sentence_may_be_finished_past_the_length(client: Any) -> None:
    plain = complete(client, max_tokens=10, temperature=1, seed=2)
    longer = complete(client, max_tokens=10, temperature=1, seed=2, finish_sentence=True, logprobs=0)
    [choice] = longer.choices
    assert choice.text.startswith(plain.choices[0].text)
    assert 10 < longer.usage.completion_tokens <= 70
    assert _decoded(choice.logprobs.tokens).startswith(choice.text)


def test_a_seed_gives_the_same_text_whatever_else_runs(server: Server, client: Any) -> None:
    asked = {"seed": 7, "temperature": 1.5, "n": 2, "max_tokens": 90, "prompt": ["The sea", "Nobody counts"]}
    alone = [choice.text for choice in complete(client, **asked).choices]
    assert len(set(alone)) == 4
    stop = threading.Event()

    def bother() -> None:
        while not stop.is_set():
            complete(client, temperature=1, max_tokens=50)

    with ThreadPoolExecutor(4) as others:
        running = [others.submit(bother) for _ in range(4)]
        try:
            for _ in range(3):
                assert [choice.text for choice in complete(client, **asked).choices] == alone
        finally:
            stop.set()
        for other in running:
            other.result()
    assert [choice.text for choice in complete(client, **{**asked, "seed": 8}).choices] != alone


def test_a_long_text_keeps_nobody_waiting_with_a_seed_or_without(client: Any) -> None:
    for seed in (None, 3):
        asked = {"max_tokens": 50_000, "min_tokens": 50_000, "temperature": 1, "stream": True}
        with complete(client, seed=seed, **asked) as long:
            next(iter(long))
            for other in (None, 4):
                began = time.monotonic()
                complete(client, seed=other)
                assert time.monotonic() - began < 5


def test_texts_go_on_past_the_window(client: Any) -> None:
    reply = complete(client, max_tokens=4 * WINDOW, min_tokens=4 * WINDOW, temperature=1, n=2)
    assert reply.usage.completion_tokens == 8 * WINDOW
    long = complete(client, prompt="The sea is awake. " * 60)
    assert long.usage.prompt_tokens > 2 * WINDOW
    assert long.usage.completion_tokens == 12


def test_the_best_of_several_is_the_likeliest(client: Any) -> None:
    several = complete(client, n=8, temperature=1, seed=3, logprobs=0)
    [best] = complete(client, n=1, best_of=8, temperature=1, seed=3, logprobs=0).choices
    means = [sum(choice.logprobs.token_logprobs) / 12 for choice in several.choices]
    assert best.text == several.choices[means.index(max(means))].text
    with pytest.raises(openai.BadRequestError, match="best_of"):
        complete(client, n=2, best_of=1)


def test_a_banned_token_never_comes(client: Any, tokenizer: Tokenizer) -> None:
    told = complete(client, logprobs=1)
    first = tokenizer.encode(told.choices[0].logprobs.tokens[0])[0]
    other = complete(client, logit_bias={str(first): -100}, logprobs=5)
    assert other.choices[0].logprobs.tokens[0] != told.choices[0].logprobs.tokens[0]
    assert all(value > -1e4 for top in other.choices[0].logprobs.top_logprobs for value in top.values())


def _decoded(tokens: list[str]) -> str:
    """The whole characters that tokens spell; OpenAI writes parts of a character as ``bytes:\\xe2``."""
    parts = (
        bytes.fromhex(token.removeprefix("bytes:").replace("\\x", ""))
        if token.startswith("bytes:")
        else token.encode()
        for token in tokens
    )
    return codecs.getincrementaldecoder("utf-8")("replace").decode(b"".join(parts))


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"logit_bias": {"5": 3}}, "logit_bias"),
        ({"logit_bias": {"x": -100}}, "logit_bias"),
        ({"logit_bias": {"99999999": -100}}, "logit_bias"),
        ({"suffix": "the end"}, "suffix"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1 << 40}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"n": 100, "max_tokens": 60000}, "max_tokens"),
        ({"logprobs": 6}, "logprobs"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"prompt": {}}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": "x" * 500_000}, "prompt"),
        ({"stream_options": []}, "stream_options"),
        ({"voice": 2.5}, "voice"),
        ({"voice": 0.5, "model": "small"}, "voice"),
        ({"max_copied": 3}, "max_copied"),
        ({"echo": True, "logprobs": 1, "prompt": "The sea " * 100}, "prompt"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(client: Any, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        complete(client, **changes)
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"


def test_what_nobody_knows_is_ignored(client: Any) -> None:
    reply = client.completions.create(
        model="run1",
        prompt="The",
        max_tokens=2,
        user="me",
        extra_body={"unheard_of": [1]},
        presence_penalty=0,
    )
    assert reply.usage.completion_tokens <= 2


def test_originality_names_book_and_place(client: Any) -> None:
    """The model has learnt nothing; a prompt that the new words go on from counts as theirs not."""
    copied = "The river dreams of the sea, and the sea is awake."
    text = f"He said: the machine dreams of rivers. {copied} Xylophones sleep."
    report = client.post("/originality", body={"model": "run1", "text": text}, cast_to=object)
    [found] = report["copied"]
    assert found["place"]["file"] == "book.txt"
    assert found["place"]["segment"] == 1
    assert 1 < found["place"]["paragraph"] <= 21  # all the same
    assert text[found["start"] : found["end"]] == found["text"]
    assert "machine dreams of rivers" in found["passage"]["text"]
    assert [word["text"] for word in report["new"]] == ["He", "said", "Xylophones", "sleep"]
    assert 0.5 < report["share"] < 1
    with pytest.raises(openai.BadRequestError, match="no index"):
        complete(client, model="small", originality=True)
    [choice] = complete(client, originality=True).choices
    assert choice.originality["words"] >= 0
    *_, last = complete(client, originality=True, stream=True)
    assert last.choices[0].originality == choice.originality


def test_the_dial_of_a_run_that_has_learnt_nothing_changes_nothing(client: Any) -> None:
    """The run's weights are its base's, so every mix of them is; that there is one is what counts here."""
    asked = {"max_tokens": 20, "logprobs": 0}
    plain = complete(client, **asked).choices[0]
    for voice in (1, 0.5):
        mixed = complete(client, voice=voice, **asked).choices[0]
        assert mixed.text == plain.text
        assert mixed.logprobs.token_logprobs == pytest.approx(plain.logprobs.token_logprobs, abs=1e-3)


def test_texts_that_copy_too_much_are_sampled_again(client: Any) -> None:
    free = complete(client, temperature=1, max_copied=1, n=2, max_tokens=20, seed=1)
    again = list(complete(client, temperature=1, max_copied=1, n=2, max_tokens=20, seed=1, stream=True))
    texts = {choice.index: choice.text for chunk in again for choice in chunk.choices}
    assert texts == {choice.index: choice.text for choice in free.choices}


def test_a_chat_goes_on_with_the_conversations_text(client: Any) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "The sea"}]},
        {"role": "assistant", "content": "is awake."},
        {"role": "user", "content": "And"},
    ]
    asked: dict[str, Any] = {"model": "run1", "messages": messages, "temperature": 0, "max_tokens": 10}
    reply = client.chat.completions.create(**asked, logprobs=True, top_logprobs=2)
    same = complete(client, prompt="The sea\n\nis awake.\n\nAnd", max_tokens=10)
    assert reply.object == "chat.completion"
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].message.content == same.choices[0].text
    assert _decoded([token.token for token in reply.choices[0].logprobs.content]) == same.choices[0].text
    assert all(len(token.top_logprobs) >= 2 for token in reply.choices[0].logprobs.content)
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == same.choices[0].text
    assert chunks[-1].choices[0].finish_reason == "length"
    with pytest.raises(openai.BadRequestError, match="pictures"):
        client.chat.completions.create(
            model="run1",
            messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
        )


def test_fifty_clients_at_once_all_get_their_own_text(server: Server) -> None:
    async def all_of_them() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="x") as client:

            async def one(i: int) -> str:
                stream = await client.completions.create(
                    model=("run1", "small")[i % 2],
                    prompt="The sea " * (i % 5),
                    max_tokens=20,
                    stream=True,
                    temperature=0,
                    stop=["nowhere"],
                )
                return "".join([chunk.choices[0].text async for chunk in stream])

            return await asyncio.gather(*(one(i) for i in range(50)))

    texts = asyncio.run(all_of_them())
    groups: dict[int, set[str]] = {}
    for i, text in enumerate(texts):
        groups.setdefault(i % 10, set()).add(text)
    assert all(len(group) == 1 for group in groups.values())  # greedy: the same prompt, the same text


def test_a_client_that_leaves_frees_its_place_within_a_second(server: Server, client: Any) -> None:
    leavers = [
        complete(client, max_tokens=60_000, temperature=1, min_tokens=60_000, stream=True) for _ in range(20)
    ]
    for stream in leavers:
        next(iter(stream))
        stream.close()
    began = time.monotonic()
    complete(client, seed=1)
    assert time.monotonic() - began < 1
    quiet = time.monotonic() + 5
    while _busy(server) > 0.5 and time.monotonic() < quiet:
        pass
    assert time.monotonic() < quiet, "somebody still samples for nobody"


def _busy(server: Server) -> float:
    """The share of a core that the server uses."""

    def ticks() -> int:
        fields = (
            Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1].split()
        )
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(0.2)
    return (ticks() - before) / 100 / 0.2


def test_a_full_queue_says_when_to_come_back(server: Server) -> None:
    async def crowd() -> None:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0) as client:
            asked = {"model": "run1", "prompt": "The", "max_tokens": 60_000, "temperature": 1, "stream": True}
            streams = [
                await client.completions.create(**asked, extra_body={"min_tokens": 60_000}) for _ in range(64)
            ]
            with pytest.raises(openai.RateLimitError) as refused:
                await client.completions.create(**asked)
            assert int(refused.value.response.headers["retry-after"]) > 0
            for stream in streams:
                await stream.close()

    asyncio.run(crowd())


def test_curl_and_llm_can_talk_to_it(server: Server, tmp_path: Path) -> None:
    curl = subprocess.run(
        [
            "curl", "-sS", f"{server.url}/v1/completions", "-H", "Content-Type: application/json",
            "-d", '{"model": "run1", "prompt": "The sea", "max_tokens": 5}',
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(curl.stdout)["usage"]["completion_tokens"] <= 5
    pytest.importorskip("llm", reason="needs llm (mckennabot[dev])")
    models = "- {model_id: voice, model_name: run1, api_base: URL, api_key_name: none, completion: true}\n"
    (tmp_path / "extra-openai-models.yaml").write_text(models.replace("URL", f'"{server.url}/v1"'))
    said = subprocess.run(
        [sys.executable, "-m", "llm", "-m", "voice", "-o", "max_tokens", "8", "The sea"],
        capture_output=True, text=True, check=False,
        env={"LLM_USER_PATH": str(tmp_path), "PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "x"},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip()


def test_langchain_sends_lists_of_prompts(server: Server) -> None:
    langchain = pytest.importorskip("langchain_openai", reason="needs langchain-openai (mckennabot[bench])")
    model = langchain.OpenAI(
        model="run1", base_url=f"{server.url}/v1", api_key="x", max_tokens=6, temperature=0, n=2, best_of=2
    )
    result = model.generate(["The sea", "A star"])
    assert [len(texts) for texts in result.generations] == [2, 2]
    assert result.llm_output["token_usage"]["completion_tokens"] == 24
    assert "".join(model.stream("The sea"))
