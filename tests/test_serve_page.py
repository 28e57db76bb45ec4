"""The page in a real browser: types, streams, stops, offers takes, cites, lives through a restart."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="needs uvicorn (mckennabot[serve])")
selenium = pytest.importorskip("selenium.webdriver", reason="needs selenium (mckennabot[dev])")

from selenium.common.exceptions import JavascriptException, NoAlertPresentException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from mckennabot.serve.page import page  # noqa: E402
from tests.serving import PATIENCE, Server, serving  # noqa: E402

CHROME = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROME and DRIVER), reason="needs a browser: apt-get install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    options = selenium.ChromeOptions()
    options.binary_location = CHROME
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = selenium.ChromeService(DRIVER)
    started = selenium.Chrome(options=options, service=service)
    yield started
    started.quit()


@pytest.fixture(scope="module")
def server(served: Path) -> Iterator[Server]:
    with serving(served) as started:
        yield started


class Page:
    """The page as its writer uses it."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver = driver
        self.open(url)

    def open(self, url: str, *, fresh: bool = True, wide: int = 1200) -> None:
        """Go there, with nothing kept from before."""
        size = {"width": wide, "height": 800, "deviceScaleFactor": 1, "mobile": wide < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(url)
        if fresh:
            self.driver.execute_script("localStorage.clear(); sessionStorage.clear()")
            self.driver.get(url)
        self.until(lambda: self.get("model").get_attribute("value"))

    def get(self, name: str) -> Any:
        return self.driver.find_element(By.ID, name)

    @property
    def text(self) -> str:
        return str(self.get("text").get_attribute("value"))

    @property
    def status(self) -> str:
        return str(self.get("status").text)

    @property
    def busy(self) -> bool:
        return str(self.get("go").text) == "Stop"

    def type(self, *keys: str) -> None:
        text = self.get("text")
        if max("".join(keys)) <= "\uffff":
            text.send_keys(*keys)
        else:  # which some releases of ChromeDriver refuse to type
            self.driver.execute_script("arguments[0].focus()", text)
            self.driver.execute_cdp_cmd("Input.insertText", {"text": "".join(keys)})

    def go_on(self) -> None:
        self.type(Keys.CONTROL, Keys.ENTER)

    def set(self, name: str, value: float) -> None:
        """Move a slider."""
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
        self.driver.execute_script(script, self.get(name), value)

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Wait for something to be so."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not in time; status {self.status!r}, text {self.text!r}"
            time.sleep(0.02)
        return found

    def marked(self, kind: str) -> list[str]:
        """The words under the caret's layer that are marked so."""
        return [span.text for span in self.driver.find_elements(By.CSS_SELECTOR, f"#ink .{kind}")]


@pytest.fixture
def written(driver: Any, server: Server) -> Iterator[Page]:
    """The page, of which the browser has nothing to complain afterwards."""
    yield Page(driver, server.url)
    complaints = [line["message"] for line in driver.get_log("browser") if line["level"] == "SEVERE"]
    assert not complaints


def test_the_text_goes_on_in_its_place(written: Page) -> None:
    written.type("The sea and the stars", *[Keys.LEFT] * len(" and the stars"))
    written.set("length", 20)
    written.go_on()
    written.until(lambda: not written.busy and len(written.text) > 25)
    assert written.text.startswith("The sea")
    assert written.text.endswith(" and the stars")
    new = written.text[len("The sea") : -len(" and the stars")]
    assert "".join(written.marked("fresh")).split() == new.split()
    assert written.get("live").get_attribute("textContent").split() == new.split()  # for who cannot see it
    caret = written.driver.execute_script("return document.getElementById('text').selectionStart")
    assert caret == len(("The sea" + new).encode("utf-16-le")) // 2  # as browsers count
    once = written.text
    written.go_on()
    written.until(lambda: not written.busy and written.text != once)
    written.type(Keys.CONTROL, "z")
    assert written.text == once
    written.get("undo").click()
    assert written.text == "The sea and the stars"
    written.type(Keys.CONTROL, Keys.SHIFT, "z")
    assert written.text == once


def test_other_takes_stand_side_by_side_and_one_is_chosen(written: Page) -> None:
    written.set("temperature", 1.5)
    written.set("length", 10)
    written.type("The sea")
    written.go_on()
    written.until(lambda: not written.busy and len(written.text) > 8)
    first = written.text
    written.get("again").click()
    written.until(lambda: not written.busy and written.status.startswith("Choose"))
    takes = written.driver.find_elements(By.CSS_SELECTOR, ".take p")
    assert len(takes) == 3
    assert takes[0].text.split() == first.removeprefix("The sea").split()
    assert len({take.rect["y"] for take in takes}) == 1
    third = takes[2].text
    written.driver.switch_to.active_element.send_keys("3")
    written.until(lambda: not written.driver.find_elements(By.CSS_SELECTOR, ".take"))
    assert written.text.removeprefix("The sea").split() == third.split()
    written.type(Keys.CONTROL, Keys.SHIFT, Keys.ENTER)
    written.until(lambda: not written.busy and written.status.startswith("Choose"))
    written.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert written.text.removeprefix("The sea").split() == third.split()


def test_base_and_voice_stand_side_by_side(written: Page) -> None:
    written.set("length", 10)
    written.type("The sea")
    written.get("compare").click()
    written.until(lambda: not written.busy and written.status.startswith("Choose"))
    titles = [title.text for title in written.driver.find_elements(By.CSS_SELECTOR, ".take h2")]
    assert titles == ["Base model", "Voice 1"]


def test_what_is_copied_opens_in_its_place_in_the_book(written: Page) -> None:
    written.type("He said: the river dreams of the sea, and the sea is awake. Xylophones! 😀 ")
    written.type("Nobody counts the stars twice. The second count is always another sky.")
    written.until(lambda: len(written.marked("copied")) >= 2)
    assert written.marked("copied")[0].startswith("the river dreams of the sea")
    assert written.marked("copied")[1].startswith(
        "Nobody counts the stars"
    )  # behind a character of two halves
    assert "Xylophones" in written.marked("new")
    assert "2 passages" in written.get("copies").text
    written.type(*[Keys.LEFT] * 20, Keys.ALT, Keys.ENTER)
    written.until(lambda: written.get("passage").is_displayed())
    assert written.get("passage-title").text == "book"
    assert "segment 2" in written.get("passage-where").text
    assert "another sky" in written.driver.find_element(By.CSS_SELECTOR, "#passage-text mark").text
    written.get("previous").click()
    assert "segment 1" in written.get("passage-where").text
    written.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not written.get("passage").is_displayed()
    place = written.driver.find_element(By.CSS_SELECTOR, "#ink .copied").rect
    click = selenium.ActionChains(written.driver)
    click.move_by_offset(place["x"] + 60, place["y"] + 8).click().perform()
    written.until(lambda: written.get("passage").is_displayed())
    assert "segment 1" in written.get("passage-where").text


def test_the_voice_score_stands_beside_what_is_copied(written: Page) -> None:
    score = written.get("score")
    written.type("The river dreams of the sea, and the sea is awake.")
    written.until(score.is_displayed)
    assert score.text == "voice –"
    score.send_keys(Keys.ENTER)
    assert "too short to say" in written.status
    assert "copied" in written.get("copies").text
    written.type(" The sea counts a machine, another river is awake." * 30)
    written.until(lambda: score.text == "voice 62")
    assert score.accessible_name.startswith("voice 62. Voice score: 0 is what the base model writes, 100 the")
    assert "The run judges itself" in score.get_attribute("title")
    written.type(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    written.until(lambda: not score.is_displayed())


def test_what_is_written_survives_a_restart_of_browser_and_server(
    written: Page, driver: Any, served: Path
) -> None:
    with serving(served) as server:
        written.open(server.url)
        written.type("The sea")
        written.set("length", 10)
        written.until(lambda: driver.execute_script("return localStorage.getItem('text')") == "The sea")
        assert server.stop() == 0
        written.go_on()
        written.until(lambda: "does not answer" in written.status)
        assert "does not answer" in written.get("alert").get_attribute("textContent")
        assert written.text == "The sea"
        driver.get_log("browser")  # the browser says so as well
    with serving(served, port=server.port):
        written.until(lambda: written.status == "The server is back.")
        driver.get_log("browser")
        written.go_on()
        written.until(lambda: not written.busy and len(written.text) > 8)
        now = written.text
        written.open(server.url, fresh=False)
        assert written.text == now
    driver.get_log("browser")


def test_a_key_is_asked_for_and_kept_for_the_session(driver: Any, served: Path) -> None:
    with serving(served, "--api-key", "open sesame") as server:
        driver.get(server.url)
        deadline = time.monotonic() + 10
        while not driver.find_element(By.ID, "ask").is_displayed():
            assert time.monotonic() < deadline
        driver.find_element(By.ID, "key").send_keys("open sesame", Keys.ENTER)
        while not driver.find_element(By.ID, "model").get_attribute("value"):
            assert time.monotonic() < deadline
    driver.get_log("browser")


class Hostile(BaseHTTPRequestHandler):
    """Serves the page, and a model that writes HTML and stops in the middle of a word."""

    TEXT = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp; \u202e\u0000𝄞"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        body, policy = page()
        if self.path != "/":
            model = {"id": "<b>run</b>", "kind": "run", "created": 1, "dial": False, "voice": None}
            body = json.dumps({"data": [{**model, "originality": True}]}).encode()
        self._reply(body, "text/html; charset=utf-8" if self.path == "/" else "application/json", policy)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/originality":
            run = {"start": 0, "end": 3, "text": self.TEXT, "words": 9, "passage": None}
            run["place"] = {"file": self.TEXT, "segment": 1, "paragraph": 1, "page": 7}
            report = {"share": 1, "copied": [run], "new": []}
            self._reply(json.dumps(report).encode(), "application/json", "")
        else:
            assert asked["stream"]
            piece = {"choices": [{"index": 0, "text": self.TEXT, "finish_reason": None}]}
            self._reply(f"data: {json.dumps(piece)}\n\n".encode(), "text/event-stream", "")

    def _reply(self, body: bytes, kind: str, policy: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if policy:
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(body)


class Endless(Hostile):
    """Serves a model that writes until nobody listens."""

    left: Event

    def do_POST(self) -> None:
        piece = {"choices": [{"index": 0, "text": " word", "finish_reason": None}]}
        self._reply(b"", "text/event-stream", "")
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
                time.sleep(0.01)
        self.left.set()


@contextlib.contextmanager
def faking(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server that only seems one; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as fake:
        thread = Thread(target=fake.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{fake.server_address[1]}/"
        finally:
            fake.shutdown()
            thread.join()


def test_html_from_a_model_stays_text_and_a_broken_stream_is_said(driver: Any) -> None:
    with faking(Hostile) as url:
        shown = Page(driver, url)
        shown.go_on()
        shown.until(lambda: "broke off" in shown.status)
        assert shown.text == Hostile.TEXT
        shown.until(lambda: shown.get("copies").is_displayed())
        shown.get("copies").click()
        assert "p. 7" in shown.get("passage-where").text
        assert not driver.find_elements(By.CSS_SELECTOR, "img, #ink script, b > b, option b")
        with pytest.raises(NoAlertPresentException):
            _ = driver.switch_to.alert.text
    driver.get_log("browser")


def test_escape_stops_the_text_and_the_server_hears_of_it(driver: Any) -> None:
    Endless.left = Event()
    with faking(Endless) as url:
        shown = Page(driver, url)
        shown.type("The")
        shown.go_on()
        shown.until(lambda: shown.busy and len(shown.text) > 30)
        shown.type(Keys.ESCAPE)
        shown.until(lambda: not shown.busy)
        kept = shown.text
        assert shown.status == "Stopped."
        assert Endless.left.wait(5)
        assert shown.text == kept
        shown.type(Keys.CONTROL, "z")
        assert shown.text == "The"
    driver.get_log("browser")


@pytest.mark.parametrize("wide", [1200, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(written: Page, driver: Any, server: Server, wide: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_core_python.selenium", reason="needs axe-core-python (mckennabot[dev])")
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    written.open(server.url, wide=wide)
    written.set("length", 10)
    written.type("The river dreams of the sea, and the sea is awake. Xylophones!")
    written.until(lambda: written.marked("copied"))

    def serious() -> list[str]:
        found = axe.Axe().run(driver)["violations"]
        return [one["id"] for one in found if one["impact"] in ("serious", "critical")]

    assert serious() == []
    written.get("again").click()
    written.until(lambda: not written.busy and written.status.startswith("Choose"))
    assert serious() == []
    beyond = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert driver.execute_script(beyond) <= 0
    driver.execute_script("arguments[0].click()", written.get("copies"))
    assert serious() == []


def test_every_control_is_reached_by_the_keyboard(written: Page, driver: Any) -> None:
    written.type("The sea")
    reached = []
    for _ in range(12):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(driver.switch_to.active_element.get_attribute("id"))
    assert {"go", "again", "compare", "temperature", "length", "voice", "model"} <= set(reached)


def test_nothing_moves_while_the_text_streams(written: Page, driver: Any) -> None:
    watch = """
    window.moved = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.moved += entry.value;
    }).observe({ type: "layout-shift", buffered: false });
    """
    written.type("The sea")
    driver.execute_script(watch)
    before = {name: written.get(name).rect for name in ("go", "model", "temperature", "text")}
    written.set("length", 60)
    written.go_on()
    written.until(lambda: not written.busy and len(written.text) > 20)
    assert driver.execute_script("return window.moved") < 0.02
    for name in ("go", "model", "temperature"):
        assert written.get(name).rect == before[name]


def test_the_page_asks_for_nothing_from_elsewhere(driver: Any, server: Server) -> None:
    html, policy = page()
    assert b"http://" not in html
    assert b"https://" not in html
    assert "unsafe" not in policy
    with contextlib.suppress(JavascriptException):
        driver.get(server.url)
        driver.execute_script(
            "const s = document.createElement('script'); s.textContent = 'window.broken = 1';"
            "document.body.append(s)"
        )
    assert driver.execute_script("return window.broken") is None
    driver.get_log("browser")
