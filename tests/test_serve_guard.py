"""Who may ask the server, what it refuses, and how it ends; over sockets, byte by byte where it matters."""

from __future__ import annotations

import contextlib
import json
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests  # noqa: TID253 - the tests' own client

pytest.importorskip("uvicorn", reason="needs uvicorn (mckennabot[serve])")

from mckennabot.models import small
from mckennabot.serve import connection
from tests.conftest import Cli
from tests.serving import Server, serving, write_checkpoints

ASKED = {"model": "run1", "prompt": "The sea", "max_tokens": 4}


@pytest.fixture(scope="module")
def server(served: Path) -> Iterator[Server]:
    with serving(served) as started:
        requests.post(f"{started.url}/v1/completions", json=ASKED, timeout=120).raise_for_status()
        yield started


def post(server: Server, path: str = "/v1/completions", **changes: Any) -> requests.Response:
    """Post a completion, unless asked otherwise."""
    return requests.post(server.url + path, **{"json": ASKED, "timeout": 120, **changes})


def raw(server: Server, data: bytes, *, half_close: bool = False, seconds: float = 20) -> bytes:
    """Send bytes; what comes back until the server closes or nothing more comes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connected:
        with contextlib.suppress(OSError):
            connected.sendall(data)
            if half_close:
                connected.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(OSError):
            while piece := connected.recv(65536):
                received += piece
        return received


def refused(reply: requests.Response, status: int) -> str:
    """The message of an error in OpenAI's form."""
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return str(error["message"])


def test_the_host_must_be_ours(server: Server) -> None:
    """A page that points its own name at this address must not get anything, the page of ours neither."""
    for host in (
        "evil.example",
        f"evil.example:{server.port}",
        "localhost.evil.example",
        "",
        "127.0.0.1.evil",
    ):
        for path in ("/", "/v1/models", "/health"):
            refused(requests.get(server.url + path, headers={"Host": host}, timeout=9), 403)
    for host in ("localhost", f"LOCALHOST:{server.port}", "127.0.0.1:1", f"[::1]:{server.port}"):
        assert requests.get(f"{server.url}/v1/models", headers={"Host": host}, timeout=9).ok
    assert b" 400 " in raw(server, b"GET /v1/models HTTP/1.1\r\n\r\n")


def test_pages_from_elsewhere_may_not_post_and_get_no_cors_headers(server: Server) -> None:
    elsewhere = {"Origin": "https://evil.example"}
    refused(post(server, headers=elsewhere), 403)
    reply = requests.get(f"{server.url}/v1/models", headers=elsewhere, timeout=9)
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]
    preflight = {**elsewhere, "Access-Control-Request-Method": "POST"}
    reply = requests.options(f"{server.url}/v1/completions", headers=preflight, timeout=9)
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert post(server, headers={"Origin": server.url}).ok


def test_a_named_origin_may_ask(served: Path) -> None:
    with serving(served, "--origin", "https://friend.example") as server:
        friend = {"Origin": "https://friend.example"}
        reply = post(server, headers=friend)
        assert reply.ok
        assert reply.headers["Access-Control-Allow-Origin"] == friend["Origin"]
        assert "Access-Control-Allow-Credentials" not in reply.headers
        preflight = {**friend, "Access-Control-Request-Method": "POST"}
        reply = requests.options(f"{server.url}/v1/completions", headers=preflight, timeout=9)
        assert reply.headers["Access-Control-Allow-Origin"] == friend["Origin"]
        refused(post(server, headers={"Origin": "https://evil.example"}), 403)


def test_only_json_is_taken(server: Server) -> None:
    """A form or plain text is what a browser sends anywhere without asking first."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"):
        refused(post(server, json=None, data=json.dumps(ASKED), headers={"Content-Type": kind}), 415)
    charset = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert post(server, json=None, data=json.dumps(ASKED), headers=charset).ok


def test_the_key_is_wanted_where_others_can_ask(served: Path, cli: Cli) -> None:
    done = cli("serve", "--host", "0.0.0.0", code=2)
    assert "--api-key" in done.stderr
    key = {"MCKENNABOT_SERVE_API_KEY": "s3cret-ключ"}
    with serving(served, "--host", "0.0.0.0", env=key) as server:
        for given in (None, "Bearer wrong", "Basic s3cret", "Bearer", "s3cret"):
            headers = {} if given is None else {"Authorization": given}
            for path in ("/v1/models", "/v1/nothing", "/v1/models/run1"):
                refused(requests.get(server.url + path, headers=headers, timeout=9), 401)
            refused(post(server, headers=headers), 401)
        right = {"Authorization": "Bearer s3cret-ключ".encode()}
        assert post(server, headers=right).ok
        assert post(server, headers={**right, "Host": "a-name-of-this-machine"}).ok
        refused(requests.get(server.url, headers={"Host": "evil.example"}, timeout=9), 403)
        assert requests.get(server.url, timeout=9).ok
        assert "s3cret" not in "\n".join(server.log)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'"text"', 400),
        (b"\xff\xfe{}", 400),
        (b'{"model": "run1", "prompt": "\xff"}', 400),
        (b'{"model": "run1", "prompt": "\\ud800"}', 400),
        (b'{"model": "run1", "temperature": NaN}', 400),
        (b'{"model": "run1", "temperature": 1e999}', 400),
        (b'{"model": "run1", "max_tokens": 1' + b"0" * 5000 + b"}", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (b'{"model": 1}', 400),
        (b"{}", 400),
        (b'{"model": "../run1"}', 404),
        (b'{"model": "/etc/passwd"}', 404),
        (b'{"model": "run1\\u0000"}', 404),
        (b'{"model": ""}', 404),
        (b'{"model": ".", "prompt": "x"}', 404),
        (b" " * (3 << 20), 413),
    ],
)
def test_no_body_breaks_it(server: Server, body: bytes, status: int) -> None:
    reply = post(server, json=None, data=body, headers={"Content-Type": "application/json"})
    assert len(refused(reply, status)) < 600
    for path in ("/v1/chat/completions", "/v1/originality"):
        reply = post(server, path, json=None, data=body, headers={"Content-Type": "application/json"})
        assert 400 <= reply.status_code < 500


@pytest.mark.parametrize(
    "messages",
    [None, [], {}, "x", [1], [[]], [{"role": "user", "content": 5}], [{"role": "user", "content": [{}]}]],
)
def test_no_conversation_breaks_it(server: Server, messages: Any) -> None:
    refused(post(server, "/v1/chat/completions", json={"model": "run1", "messages": messages}), 400)


def test_other_paths_and_methods_get_an_error_object(server: Server) -> None:
    for path in ("/v1", "/v1/completion", "/v1/models/", "/../../etc/passwd", "/%2e%2e/x", "/static/x"):
        refused(requests.get(server.url + path, timeout=9), 404)
    for method in ("GET", "PUT", "DELETE", "TRACE"):
        reply = requests.request(method, f"{server.url}/v1/completions", timeout=9)
        assert reply.status_code == 405
        assert reply.headers["Allow"] == "POST"
        reply.json()


def test_every_answer_has_an_identity_and_the_browsers_restraints(server: Server) -> None:
    replies = [requests.get(server.url + path, timeout=9) for path in ("/", "/health", "/nothing")]
    assert len({reply.headers["X-Request-Id"] for reply in replies}) == 3
    for reply in replies:
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert "unsafe" not in reply.headers["Content-Security-Policy"]
        assert "Server" not in reply.headers


def test_the_log_has_a_line_a_request_and_none_of_the_text(server: Server) -> None:
    before = len(server.log)
    post(server, json={**ASKED, "prompt": "my secret diary"})
    requests.get(f"{server.url}/v1/models?q=diary", headers={"X-Note": "diary"}, timeout=9)
    raw(server, b"GET /a%0d%0ab\x1b[31m HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    deadline = time.monotonic() + 5
    while len(server.log) < before + 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    lines = server.log[before:]
    assert [line for line in lines if re.fullmatch(r"127\.0\.0\.1 POST /v1/completions 200 [\d.]+ s", line)]
    assert "diary" not in "\n".join(lines)
    assert "\x1b" not in "\n".join(lines)


def test_a_thousand_hostile_requests_leave_it_well(server: Server) -> None:
    """Broken heads, endless headers, lies about length, half-closed sockets, bytes of no sense."""
    rng = random.Random(5)
    body = json.dumps({**ASKED, "stream": True, "max_tokens": 40}).encode()
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    shapes = [
        lambda: rng.randbytes(rng.randint(1, 3000)),
        lambda: whole[: rng.randint(1, len(whole) - 1)],
        lambda: head + b"Content-Length: 9999999999999\r\n\r\n" + body,
        lambda: head + b"Content-Length: -5\r\n\r\n" + body,
        lambda: head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + body,
        lambda: head + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n" + body,
        lambda: head + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        lambda: head + b"X: " + b"a" * (1 << 17) + b"\r\n\r\n",
        lambda: head + b"".join(b"X%d: y\r\n" % i for i in range(9000)) + b"\r\n",
        lambda: b"GET " + b"/a" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        lambda: b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        lambda: b"GET /\x00\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        lambda: b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        lambda: b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20,
        lambda: head + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        lambda: whole,
        lambda: whole + whole,
        lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200),
    ]
    files = Path(f"/proc/{server.process.pid}/fd")
    before = len(list(files.iterdir()))
    for i in range(1000):
        # The server may close first.
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=5) as connected,
            contextlib.suppress(OSError),
        ):
            connected.sendall(shapes[i % len(shapes)]())  # type: ignore[no-untyped-call]
            if rng.random() < 0.5:
                connected.shutdown(socket.SHUT_WR)
            if rng.random() < 0.3:
                connected.settimeout(0.05)
                connected.recv(rng.randint(1, 4096))
    assert requests.get(f"{server.url}/health", timeout=9).json()["status"] == "ok"
    assert post(server).ok
    assert not [line for line in server.log if "bug" in line]
    deadline = time.monotonic() + 2 * connection.HEAD_SECONDS  # some were waited for
    while len(list(files.iterdir())) > before + 5:
        assert time.monotonic() < deadline, "connections stay open"
        time.sleep(0.1)


def test_a_client_that_sends_its_headers_too_slowly_is_cut_off(server: Server) -> None:
    """Also where each byte comes soon after the last."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.settimeout(0.5)
        slow.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
        while time.monotonic() - began < connection.HEAD_SECONDS + 5:
            try:
                slow.sendall(b"a")
                if not slow.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert connection.HEAD_SECONDS - 1 < time.monotonic() - began < connection.HEAD_SECONDS + 2


def test_too_many_connections_are_turned_away_and_the_rest_served(server: Server) -> None:
    idle = []
    try:
        for _ in range(connection.MAX_CONNECTIONS + 50):
            with contextlib.suppress(OSError):
                idle.append(socket.create_connection(("127.0.0.1", server.port), timeout=5))
    finally:
        for connected in idle:
            connected.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            assert requests.get(f"{server.url}/health", timeout=9).ok
            return
    pytest.fail("it does not come back")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_a_stream_end_and_it_exits_well(how: signal.Signals, served: Path) -> None:
    with serving(served) as server:
        asked = {**ASKED, "max_tokens": 3000, "min_tokens": 3000, "temperature": 1, "stream": True}
        with post(server, json=asked, stream=True) as reply:
            lines = reply.iter_lines()
            next(lines)
            server.process.send_signal(how)
            rest = b"\n".join(lines)
        assert b'"finish_reason":"length"' in rest
        assert rest.rstrip().endswith(b"data: [DONE]")
        assert server.wait() == 0


def test_a_second_signal_ends_a_stream_with_an_error(served: Path) -> None:
    with serving(served) as server:
        asked = {**ASKED, "max_tokens": 60_000, "min_tokens": 60_000, "temperature": 1, "stream": True}
        with post(server, json=asked, stream=True) as reply:
            lines = reply.iter_lines()
            next(lines)
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            server.process.send_signal(signal.SIGINT)
            rest = b"\n".join(lines)
        assert b'"error"' in rest
        assert server.wait() == 0


def test_a_port_in_use_and_a_wrong_origin_are_said_in_words(server: Server, cli: Cli) -> None:
    done = cli("serve", "--port", str(server.port), code=2)
    assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr
    assert len(done.stderr.splitlines()) <= 3
    cli("serve", "--port", "0", "--origin", "*", code=2)


def test_an_empty_directory_is_served_too(cli: Cli) -> None:
    with serving(cli.cwd) as server:
        listed = requests.get(f"{server.url}/v1/models", timeout=9).json()["data"]
        assert [model["id"] for model in listed] == (["small"] if small.is_packaged() else [])
        assert "There is no model 'run1'" in refused(post(server), 404)


def test_a_damaged_run_is_not_listed_and_one_that_breaks_is_refused(
    tmp_path: Path, base_model: Path, corpus_text: str
) -> None:
    write_checkpoints(tmp_path, base_model, corpus_text)
    sizes = tmp_path / "checkpoints" / "run1" / "hparams.json"
    hparams = json.loads(sizes.read_text(encoding="utf-8"))
    sizes.write_text(json.dumps({**hparams, "n_vocab": hparams["n_vocab"] - 1}), encoding="utf-8")
    (tmp_path / "checkpoints" / "small" / "encoder.json").unlink()
    with serving(tmp_path) as server:
        listed = requests.get(f"{server.url}/v1/models", timeout=9).json()["data"]
        assert [model["id"] for model in listed] == ["run1"]
        assert "cannot be loaded" in refused(post(server), 503)


@pytest.mark.slow
def test_two_thousand_requests_take_no_more_memory(server: Server) -> None:
    def ask(count: int) -> None:
        with requests.Session() as session:
            for i in range(count):
                asked: dict[str, Any] = {**ASKED, "stream": i % 3 == 0}
                if i % 20 == 0:
                    asked |= {"seed": i, "logprobs": 3}
                session.post(f"{server.url}/v1/completions", json=asked, timeout=120).raise_for_status()

    def crowd(count: int) -> None:
        threads = [threading.Thread(target=ask, args=(count // 4,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    crowd(1000)  # until every buffer has had its largest
    before = server.resident()
    crowd(2000)
    assert server.resident() <= before * 1.05
