"""Base models over HTTP: fetched once, checked, continued after a break, from a server that misbehaves."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from mckennabot.errors import MckennabotError, ModelError, ResourceError, UsageError
from mckennabot.models.checkpoint import BASE_FILES, ModelDir
from mckennabot.models.download import fetch
from tests import server as faults
from tests.conftest import ROOT, Cli
from tests.server import Fault, Server

DATA, INDEX = "model.ckpt.data-00000-of-00001", "model.ckpt.index"
DATE = "Tue, 01 Jan 2019 00:00:00 GMT"

Fetch = Callable[..., ModelDir]


@pytest.fixture
def served(base_model: Path, tmp_path: Path) -> Iterator[Server]:
    """The small model on a server; the test may change its files."""
    copy = tmp_path / "served"
    shutil.copytree(base_model, copy / "small")
    with Server(copy) as server:
        yield server


@pytest.fixture(scope="module")
def aside() -> Iterator[Fetch]:
    """`fetch` in another process, so that pytest's own does not import TensorFlow."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield lambda *args, **kwargs: pool.submit(fetch, *args, **kwargs).result()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between tries take no time, and are listed."""
    pauses: list[float] = []
    monkeypatch.setattr("mckennabot.models.download.transfer.time.sleep", pauses.append)
    return pauses


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def start(checkpoints: Path, url: str) -> subprocess.Popen[str]:
    code = "from mckennabot.models.download import fetch; from mckennabot.reporter import Console; "
    code += f"fetch('small', {checkpoints!r}, {url!r}, Console())"
    return subprocess.Popen(
        [sys.executable, "-c", code.replace("PosixPath", "__import__('pathlib').Path")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_a_model_is_fetched_once_and_nothing_else_is_left(
    served: Server, base_model: Path, tmp_path: Path, aside: Fetch
) -> None:
    checkpoints = tmp_path / "new" / "checkpoints"
    assert aside("small", checkpoints, served.url).path == checkpoints / "small"
    assert contents(checkpoints / "small") == contents(base_model)
    assert [path.name for path in checkpoints.iterdir()] == ["small"]
    assert sorted(name for name, _, _ in served.log) == sorted(BASE_FILES)
    aside("small", checkpoints, served.url + "/")
    assert len(served.log) == len(BASE_FILES)


@pytest.mark.parametrize(
    ("file", "misbehaviour", "continued"),
    [
        (DATA, [faults.cut(30_000)], True),
        (DATA, [faults.cut(30_000), faults.cut(20_000), faults.cut(0)], True),
        (DATA, [faults.both(faults.say(ETag='W/"x"', Last_Modified=DATE), faults.cut(9_000))], True),
        (DATA, [faults.both(faults.say(ETag=None), faults.cut(9_000))], False),
        (DATA, [faults.both(faults.chunked, faults.cut(9_000))], True),
        (DATA, [faults.cut(30_000), faults.say(Content_Range="bytes 7-9/10")], True),
        (DATA, [faults.cut(30_000), faults.say(Content_Range=None)], True),
        (DATA, [faults.cut(30_000), faults.say(ETag='"another"')], True),
        (DATA, [faults.cut(30_000), faults.status(416)], True),
        (INDEX, [faults.chunked], False),
        ("hparams.json", [faults.status(503), faults.status(500)], False),
        ("vocab.bpe", [faults.say(Content_MD5="not an MD5")], False),
    ],
    ids=[
        "cut", "cut three times", "weak ETag, date", "no ETag", "cut, no length", "other range",
        "no range said", "other ETag", "416", "no length", "503 and 500", "no MD5",
    ],
)  # fmt: skip
def test_trouble_on_the_way_leaves_no_trace(
    file: str, misbehaviour: list[Fault], continued: bool,
    served: Server, base_model: Path, tmp_path: Path, aside: Fetch,
) -> None:  # fmt: skip
    served.will(file, *misbehaviour)
    model = aside("small", tmp_path, served.url)
    assert contents(model.path) == contents(base_model)
    assert any(served.asked(file)) == continued


def test_a_server_that_knows_no_ranges_sends_it_all_again(
    served: Server, base_model: Path, tmp_path: Path, aside: Fetch
) -> None:
    served.ranges = False
    served.will(DATA, faults.cut(30_000))
    model = aside("small", tmp_path, served.url)
    assert served.asked(DATA) == ["", "bytes=30000-"]
    assert contents(model.path) == contents(base_model)


def test_a_killed_fetch_is_continued(served: Server, base_model: Path, tmp_path: Path, aside: Fetch) -> None:
    half = (base_model / DATA).stat().st_size // 2
    served.will(DATA, faults.stall(half, threading.Event()))
    process = start(tmp_path, served.url)
    part = tmp_path / ".small.part" / f"{DATA}.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 0)
    here = part.stat().st_size
    process.kill()
    process.communicate()
    before = len(served.log)
    model = aside("small", tmp_path, served.url)
    assert [name for name, _, _ in served.log[before:]] == [DATA]
    assert int(served.asked(DATA)[-1].removeprefix("bytes=").rstrip("-")) >= here
    assert contents(model.path) == contents(base_model)


@pytest.mark.parametrize(
    ("file", "misbehaviour", "says"),
    [
        ("hparams.json", faults.status(404), "404 Not Found"),
        ("hparams.json", faults.status(403, b"<?xml version='1.0'?>"), "403 Forbidden"),
        (DATA, faults.status(200, b"<html>", Content_Type="text/html; charset=utf-8"), "web page"),
        ("encoder.json", faults.status(200, b"<Error/>", Content_Type="application/xml"), "web page"),
        ("vocab.bpe", faults.status(200, b"<!doctype html>"), "web page"),
        ("hparams.json", faults.status(200, b"\n<HTML>"), "web page"),
        ("hparams.json", faults.status(200, b'{"n_vocab": 10}'), "hparams.json"),
        ("checkpoint", faults.status(200, b"nothing"), "checkpoint"),
        (DATA, faults.status(200, b"short"), "5 bytes"),
        (DATA, faults.corrupt(1000), "MD5"),
        (DATA, faults.say(Content_Encoding="gzip"), "compressed"),
        (DATA, faults.longer(10), "shorter than it says"),
        (DATA, faults.status(503), "503"),
        (DATA, faults.status(429, Retry_After="3600"), "60 minutes"),
        (DATA, faults.redirect("http://example.com/login"), "example.com"),
        (DATA, faults.redirect("ftp://127.0.0.1/"), "ftp"),
        (DATA, faults.redirect("/models/small/" + DATA), "redirected more than"),
    ],
)
def test_what_is_no_model_never_takes_its_name(
    file: str, misbehaviour: Fault, says: str, served: Server, tmp_path: Path, no_waiting: list[float]
) -> None:
    served.always(file, misbehaviour)
    with pytest.raises(ModelError, match=says) as raised:
        fetch("small", tmp_path / "c", served.url)
    assert not (tmp_path / "c" / "small").exists()
    assert_helpful(raised.value, tmp_path / "c" / "small")


def assert_helpful(error: MckennabotError, place: Path) -> None:
    """At most three lines, with what is kept, and the way without a network."""
    lines = "\n".join(error.lines()).split("\n")
    assert len(lines) <= 3
    assert "the same command" in lines[1].lower()
    assert "--model tiny" in lines[2]
    assert str(place) in lines[2]
    assert all(file in lines[2] for file in BASE_FILES)


@pytest.mark.parametrize("file", [DATA, INDEX])
def test_a_flipped_bit_that_no_header_tells_of_is_found_by_its_crc_and_fetched_anew(
    file: str, served: Server, base_model: Path, tmp_path: Path, aside: Fetch
) -> None:
    served.will(file, faults.both(faults.corrupt(100), faults.say(Content_MD5=None)))
    with pytest.raises(ModelError, match="damaged") as raised:
        aside("small", tmp_path / "c", served.url)
    assert_helpful(raised.value, tmp_path / "c" / "small")
    assert not (tmp_path / "c" / "small").exists()
    assert contents(aside("small", tmp_path / "c", served.url).path) == contents(base_model)
    assert len(served.asked("encoder.json")) == 1


def test_a_file_that_changed_on_the_server_is_not_glued_to_its_old_half(
    served: Server, base_model: Path, tmp_path: Path, aside: Fetch, no_waiting: list[float]
) -> None:
    good = (served.directory / "small" / DATA).read_bytes()
    (served.directory / "small" / DATA).write_bytes(random.Random(0).randbytes(len(good)))
    served.will(DATA, faults.cut(30_000), faults.status(404))
    with pytest.raises(ModelError, match="404"):
        fetch("small", tmp_path, served.url)
    (served.directory / "small" / DATA).write_bytes(good)
    assert contents(aside("small", tmp_path, served.url).path) == contents(base_model)


def test_what_another_server_sent_is_not_mixed_in(
    served: Server, base_model: Path, tmp_path: Path, aside: Fetch
) -> None:
    (served.directory / "small" / "vocab.bpe").write_text("#version: 0.2\nt h\n", encoding="utf-8")
    served.always(DATA, faults.status(404))
    with pytest.raises(ModelError, match="404"):
        fetch("small", tmp_path, served.url)
    with Server(base_model.parent) as other:
        assert contents(aside("small", tmp_path, other.url).path) == contents(base_model)


def test_retries_grow_apart_heed_the_server_and_end(
    served: Server, tmp_path: Path, no_waiting: list[float]
) -> None:
    served.always(DATA, faults.status(503))
    with pytest.raises(ModelError, match="503"):
        fetch("small", tmp_path, served.url)
    assert len(no_waiting) + 1 == len(served.asked(DATA))
    assert all(later > earlier for earlier, later in zip(no_waiting, no_waiting[2:], strict=False))
    no_waiting.clear()
    served.always(DATA, faults.status(404))
    served.will(DATA, faults.both(faults.status(429, Retry_After="7")))
    with pytest.raises(ModelError, match="404"):
        fetch("small", tmp_path, served.url)
    assert no_waiting == [7.0]


def test_progress_earns_new_tries(served: Server, tmp_path: Path, no_waiting: list[float]) -> None:
    (served.directory / "small" / DATA).write_bytes(bytes(2_000_000))
    no_md5_of_it = faults.say(Content_MD5="AAAAAAAAAAAAAAAAAAAAAA==")
    served.always(DATA, faults.both(faults.cut(100_000), no_md5_of_it))
    with pytest.raises(ModelError, match="MD5"):
        fetch("small", tmp_path, served.url)
    assert len(served.asked(DATA)) == 20
    assert max(no_waiting) <= 0.5


def test_two_processes_fetch_once(served: Server, base_model: Path, tmp_path: Path) -> None:
    release = threading.Event()
    served.will("hparams.json", faults.stall(5, release))
    first = start(tmp_path, served.url)
    wait_for((tmp_path / ".small.part" / "source").exists)
    second = start(tmp_path, served.url)
    assert second.stderr is not None
    assert "another process" in second.stderr.readline()
    release.set()
    for process in (first, second):
        assert process.wait(60) == 0, process.communicate()
        process.communicate()
    assert contents(tmp_path / "small") == contents(base_model)
    assert sorted(name for name, _, _ in served.log) == sorted(BASE_FILES)


def test_an_interrupted_fetch_says_what_is_kept(served: Server, tmp_path: Path) -> None:
    served.will(DATA, faults.stall(40_000, threading.Event()))
    code = (
        "import signal, sys; from pathlib import Path\n"
        "from mckennabot.models.download import fetch\n"
        "from mckennabot.errors import Interrupted\n"
        # Where the tests run in the background of a script, they inherit that it is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try: fetch('small', Path(sys.argv[1]), sys.argv[2])\n"
        "except Interrupted as error: print(*error.lines())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), served.url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    part = tmp_path / ".small.part" / f"{DATA}.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 0)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert "The same command continues" in out


def test_a_disk_without_room_is_noticed_before_the_weights_are_fetched(
    served: Server, tmp_path: Path
) -> None:
    sizes = '{"n_vocab": 50257, "n_ctx": 1024, "n_embd": 1600, "n_head": 25, "n_layer": 90000000}'
    (served.directory / "small" / "hparams.json").write_text(sizes, encoding="utf-8")
    with pytest.raises(ResourceError, match="no room") as raised:
        fetch("small", tmp_path, served.url)
    assert_helpful(raised.value, tmp_path / "small")
    assert [name for name, _, _ in served.log] == ["hparams.json"]


def test_no_network_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(tmp_path) as gone:
        url = gone.url
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"cannot be reached \(Connection refused\)") as raised:
        fetch("124M", tmp_path, url)
    with Server(tmp_path) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(ModelError, match=r"proxy .*403"):
            fetch("124M", tmp_path)
        assert [asked for _, asked, _ in proxy.log] == ["CONNECT"]
    assert time.monotonic() - began < 3
    assert_helpful(raised.value, tmp_path / "124M")


def test_tls_is_verified_and_a_proxy_is_not_asked_for_loopback(
    served: Server, base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, to make a certificate")
    pem = tmp_path / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    pem.write_bytes(pem.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Server(base_model.parent, certificate=pem) as secure:
        served.always("hparams.json", faults.redirect(secure.url + "/models/small/hparams.json"))
        for url in (secure.url, served.url):
            with pytest.raises(ModelError, match=r"certificate of 127\.0\.0\.1 cannot be trusted"):
                fetch("small", tmp_path / "c", url)
        assert secure.log == []
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        secure.will("checkpoint", faults.redirect(served.url + "/models/small/checkpoint"))
        with pytest.raises(ModelError, match="which is not https"):
            fetch("small", tmp_path / "c", secure.url)


@pytest.mark.parametrize(
    "url", ["http://example.com", "ftp://127.0.0.1", "file:///tmp", "127.0.0.1:80", "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com", "https://example.com/?key=1", "https://"],
)  # fmt: skip
def test_an_address_that_is_not_safe_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no address to fetch from"):
        fetch("small", tmp_path, url)


@pytest.mark.parametrize("name", ["../small", "a/b", "", ".hidden", "small\n", "small"])
def test_a_name_that_nobody_serves_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="124M, 355M, 774M, 1558M can be fetched"):
        fetch(name, tmp_path)


def test_the_vocabulary_of_openais_models_is_known(
    served: Server, real_vocabulary: Path, tmp_path: Path, no_waiting: list[float]
) -> None:
    (served.directory / "small").rename(served.directory / "355M")
    with pytest.raises(ModelError, match=r"encoder\.json is not GPT-2's"):
        fetch("355M", tmp_path, served.url)
    for file in ("encoder.json", "vocab.bpe"):
        shutil.copyfile(real_vocabulary / file, served.directory / "355M" / file)
    with pytest.raises(ModelError, match="more tokens than the model"):
        fetch("355M", tmp_path, served.url)


def test_a_pointer_out_of_the_directory_does_not_come_in(
    served: Server, base_model: Path, tmp_path: Path, aside: Fetch
) -> None:
    (served.directory / "small" / "checkpoint").write_text(
        'model_checkpoint_path: "/somewhere/else/model.ckpt"\n', encoding="utf-8"
    )
    model = aside("small", tmp_path, served.url)
    assert contents(model.path) == contents(base_model)


def test_a_directory_filled_by_hand_is_used_and_half_filled_is_named(
    base_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(base_model, tmp_path / "124M")
    (tmp_path / "124M" / "checkpoint").unlink()
    assert fetch("124M", tmp_path, "http://127.0.0.1:9").path == tmp_path / "124M"
    (tmp_path / "124M" / INDEX).unlink()
    with pytest.raises(ModelError, match=r"lacks model\.ckpt\.index"):
        fetch("124M", tmp_path, "http://127.0.0.1:9")


def test_the_whole_path_from_an_empty_directory(warm_cli: Cli, corpus: Path, served: Server) -> None:
    (served.directory / "small").rename(served.directory / "fetched")  # small comes with the package
    served.will(DATA, faults.cut(30_000))
    warm_cli("finetune", "--model", "fetched", "--steps", "2", "--base-url", served.url)
    assert "fetched" in warm_cli("models").stdout
    text = warm_cli("generate", "--prefix", "The river", "--length", "10", "--seed", "1").stdout
    assert text.startswith("The river")
    assert served.asked(DATA) == ["", "bytes=30000-"]
