"""Files that nobody can trust: each ends in time, in memory, without a trace; what can be saved is saved."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from mckennabot.extract.page import RawPage, Reading
from mckennabot.extract.pdf import reader
from mckennabot.extract.pdf.reader import read_pages
from mckennabot.system import processes as contain
from tests.conftest import SHARED, Cli
from tests.pdfs import book, line, pdf, stream

WORDS = "Nobody there had ever asked him to count anything."
FORM = "/Resources << /Font << /F1 3 0 R >> /XObject << /Fm 1000 0 R >> >>"
TYPE0 = "<< /Type /Font /Subtype /Type0 /BaseFont /Made /Encoding {} /DescendantFonts [1000 0 R] {} >>"
DESCENDANT = (
    "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Made /DW 500 "
    "/CIDSystemInfo << /Registry (Adobe) /Ordering (Own) /Supplement 0 >> /FontDescriptor 1001 0 R {} >>"
)
DESCRIPTOR = (
    "<< /Type /FontDescriptor /FontName /Made /FontBBox [0 -200 1000 900] /Ascent 800 /Descent -200 >>"
)


def text_of(page: RawPage) -> str:
    return "".join(glyph.text for glyph in page.outside or page.glyphs)


def read(path: Path, data: bytes, jobs: int = 2) -> Reading[str]:
    path = path / "book.pdf"
    path.write_bytes(data)
    return read_pages(path, text_of, jobs=jobs)


# What a damaged file still holds


def broken(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


SOUND = book([line(WORDS), line("And so on.")])
LENGTH = b"/Length %d" % len(line(WORDS))


@pytest.mark.parametrize(
    ("case", "data"),
    [
        ("shifted", b"junk\n" * 7 + SOUND),
        ("no xref", SOUND[: SOUND.index(b"xref\n")] + SOUND[SOUND.index(b"trailer") :]),
        ("all free", broken(SOUND, b"00000 n", b"65535 f")),
        ("startxref", broken(SOUND, b"startxref\n", b"startxref\n9")),
        ("cut off", SOUND[: SOUND.index(b"trailer")]),
        ("prev", broken(SOUND, b"/Root", b"/Prev %d /Root" % SOUND.index(b"xref\n"))),
        ("length 0", broken(SOUND, LENGTH, b"/Length 0")),
        ("length", broken(SOUND, LENGTH, b"/Length 19")),
        ("no length", broken(SOUND, b"/Length ", b"/Lungth ")),
        ("length of nobody", broken(SOUND, LENGTH, b"/Length 777 0 R")),
        ("no type", broken(SOUND, b"/Type /Page ", b"")),
        ("count", broken(SOUND, b"/Count 2", b"/Count 2222222222")),
        ("numbers", broken(broken(SOUND, b"3 0 ", b"9993 0 "), b"startxref\n", b"startxref\n9")),
        ("no tree", broken(SOUND, b"/Pages 2 0 R", b"/Pages 77 0 R")),
        ("kids loop", broken(SOUND, b"/Kids [", b"/Kids [2 0 R 2 0 R 77 0 R null 5 ")),
    ],
)
def test_a_damaged_file_gives_the_text_it_holds(tmp_path: Path, case: str, data: bytes) -> None:
    assert read(tmp_path, data).pages == [WORDS, "And so on."]


def test_a_stream_cut_short_gives_its_beginning(tmp_path: Path) -> None:
    packed = zlib.compress(line(WORDS).encode() + os.urandom(9000))
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: "<< /Type /Pages /Kids [10 0 R] /Count 1 /MediaBox [0 0 400 600] >>",
        3: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        10: "<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> /Contents 11 0 R >>",
        11: stream(packed[:4000], "/Filter /FlateDecode"),
    }
    assert WORDS in read(tmp_path, pdf(objects)).pages[0]


def test_an_unknown_filter_loses_its_stream_only(tmp_path: Path) -> None:
    data = book(["x", line(WORDS)])
    data = data.replace(b"/Length 1 ", b"/Length 1 /Filter /Nobody ").replace(b"<<  /Length 1\n", b"<<\n")
    assert read(tmp_path, data).pages[1] == WORDS


# Fonts that pdfminer gives up on


def test_an_encoding_given_as_a_cmap_is_followed(tmp_path: Path) -> None:
    codes = b"1 begincodespacerange <00> <7F> endcodespacerange 1 begincidrange <00> <7F> 5 endcidrange"
    unicode = b"1 beginbfrange <20> <7E> <0020> endbfrange 1 beginbfchar <41> <00660066> endbfchar"
    more = {
        1000: DESCENDANT.format("/W [70 [900]]"),
        1001: DESCRIPTOR,
        1002: stream(codes, "/Type /CMap /CMapName /Own"),
        1003: stream(unicode),
    }
    font = TYPE0.format("1002 0 R", "/ToUnicode 1003 0 R")
    path = tmp_path / "book.pdf"
    path.write_bytes(book([line("oA!")], font=font, more=more))
    (page,) = read_pages(path, lambda raw: raw).pages
    assert [glyph.text for glyph in page.glyphs] == ["o", "ff", "!"]
    widths = [glyph.x1 - glyph.x0 for glyph in page.glyphs]
    assert widths == pytest.approx([6, 0.9 * 12, 6])  # the code 0x41 is the glyph 70


def test_to_unicode_of_a_predefined_cmap_is_looked_up_by_code(tmp_path: Path) -> None:
    unicode = b"1 beginbfchar <82A0> <0041> endbfchar"
    more = {1000: DESCENDANT.format("").replace("(Own)", "(Japan1)"), 1001: DESCRIPTOR, 1003: stream(unicode)}
    font = TYPE0.format("/90ms-RKSJ-H", "/ToUnicode 1003 0 R")
    content = b"BT /F1 12 Tf 50 500 Td <82A082A2> Tj ET"
    assert read(tmp_path, book([content], font=font, more=more)).pages == ["Aい"]


@pytest.mark.parametrize(
    ("font", "more"),
    [
        ("<< /Type /Font /Subtype /Type1 /Widths [1 0 R (x)] /FirstChar 1e9 /FontDescriptor 3 0 R >>", {}),
        (
            "<< /Type /Font /Subtype /TrueType /BaseFont 7 /Encoding << /Differences [/a (b) 65999999] >> >>",
            {},
        ),
        (
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 1000 0 R >>",
            {1000: stream("<41 begin")},
        ),
        ("<< /Type /Font /Subtype /Type3 /FontMatrix [0 0 0 0 0 0] /FontBBox [0 0 (x) 9] /Widths 4 >>", {}),
        ("[ ]", {}),
    ],
)
def test_a_broken_font_still_shows_its_codes(tmp_path: Path, font: str, more: dict[int, bytes]) -> None:
    assert read(tmp_path, book([line(WORDS)], font=font, more=dict(more))).pages == [WORDS]


def test_widths_without_end_do_not_lose_the_text(tmp_path: Path) -> None:
    more = {
        1000: DESCENDANT.format("/W [0 4294967295 500]"),
        1001: DESCRIPTOR,
        1003: stream(b"1 beginbfrange <0000> <FFFF> <0000> endbfrange"),
    }
    font = TYPE0.format("/Identity-H", "/ToUnicode 1003 0 R")
    content = b"BT /F1 12 Tf 50 500 Td <" + WORDS.encode("utf-16-be").hex().encode() + b"> Tj ET"
    assert read(tmp_path, book([content], font=font, more=more)).pages == [WORDS]


def test_no_code_stands_for_a_whole_book(tmp_path: Path) -> None:
    bomb = b"1 beginbfchar <41> <" + b"0042" * 200_000 + b"> endbfchar"
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 1000 0 R >>"
    pages = read(tmp_path, book([line("AB")], font=font, more={1000: stream(bomb)})).pages
    assert pages == ["AB"]


# What would never end, or take all memory


def bomb(size: int) -> bytes:
    """Zeroes, `size` MB of them, compressed."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size)) + packer.flush()


def test_a_bomb_in_one_page_leaves_the_others(tmp_path: Path) -> None:
    data = book([line(WORDS), "", line("last")])
    data = data.replace(stream(""), stream(bomb(300), "/Filter /FlateDecode"))
    started = time.monotonic()
    reading = read(tmp_path, data)
    assert [page for page in reading.pages if page] == [WORDS, "last"]
    assert time.monotonic() - started < 20


def test_forms_that_multiply_are_cut(tmp_path: Path) -> None:
    more: dict[int, str | bytes] = {}
    for i in range(20):
        resources = f"/Resources << /XObject << /Fm {1001 + i} 0 R >> /Font << /F1 3 0 R >> >>"
        more[1000 + i] = stream("/Fm Do " * 10, f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] {resources}")
    more[1020] = stream("", "/Type /XObject /Subtype /Form /BBox [0 0 9 9]")
    reading = read(tmp_path, book([line("first") + "/Fm Do", line(WORDS)], page=FORM, more=more))
    assert reading.pages[-1] == WORDS
    assert list(reading.failed) == [1]


def test_too_much_on_a_page_keeps_what_was_read(tmp_path: Path) -> None:
    reading = read(tmp_path, book(["BT /F1 9 Tf " + "(twenty letters a time) Tj " * 9000 + "ET"]))
    assert 100_000 <= len(reading.pages[0]) < 9000 * 22
    assert "more than a page" in reading.failed[1]


def test_a_page_that_hangs_is_killed_and_told_and_the_book_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PAGE_SECONDS", 0.5)

    def hang_on_2(page: RawPage) -> str:
        if page.number == 2:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
            while True:
                pass
        return text_of(page)

    path = tmp_path / "book.pdf"
    path.write_bytes(book([line(f"{n}") for n in range(1, 5)]))
    reading = read_pages(path, hang_on_2)
    assert reading.pages == ["1", "3", "4"]
    assert reading.failed == {2: "it takes too long"}


def test_a_page_that_sleeps_is_ended_by_the_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PAGE_SECONDS", 0.3)
    monkeypatch.setattr(reader, "TICK", 0.1)

    def stop_at_2(page: RawPage) -> str:
        if page.number == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        return text_of(page)

    path = tmp_path / "book.pdf"
    path.write_bytes(book([line(f"{n}") for n in range(1, 5)]))
    reading = read_pages(path, stop_at_2)
    assert reading.pages == ["1", "3", "4"]
    assert reading.failed == {2: "it takes too long"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_page_that_kills_its_process_is_skipped(tmp_path: Path, jobs: int) -> None:
    def die(page: RawPage) -> str:
        if page.number in (1, 17):
            os.kill(os.getpid(), signal.SIGSEGV)
        return text_of(page)

    path = tmp_path / "book.pdf"
    path.write_bytes(book([line(f"{n}") for n in range(1, 31)]))
    reading = read_pages(path, die, jobs=jobs)
    assert reading.pages == [str(n) for n in range(1, 31) if n not in (1, 17)]
    assert sorted(reading.failed) == [1, 17]


def test_a_page_that_wants_too_much_memory_is_skipped(tmp_path: Path) -> None:
    def eat(page: RawPage) -> str:
        return text_of(page) if page.number != 2 else "x" * (4 * contain.MEMORY)

    path = tmp_path / "book.pdf"
    path.write_bytes(book([line(f"{n}") for n in range(1, 4)]))
    reading = read_pages(path, eat)
    assert reading.pages == ["1", "3"]
    assert reading.failed == {2: "it takes too much memory"}


def test_after_too_many_failures_no_more_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PAGE_SECONDS", 0.2)
    monkeypatch.setattr(reader, "LOST_SECONDS", 0.5)

    def hang(page: RawPage) -> str:
        while True:
            pass

    path = tmp_path / "book.pdf"
    path.write_bytes(book([line("x")] * 40))
    started = time.monotonic()
    reading = read_pages(path, hang, jobs=1)
    assert len(reading.failed) == 40
    assert "not tried" in reading.failed[40]
    assert time.monotonic() - started < 10


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = set(children.read_text().split())
    read(tmp_path, book([line(f"{n}") for n in range(40)]))
    assert set(children.read_text().split()) <= before


def test_a_cmap_named_by_a_path_is_not_loaded(tmp_path: Path, cli: Cli) -> None:
    marker = tmp_path / "marker"
    loader = f"cposix\nsystem\n(Vtouch {marker}\ntR.".encode()
    for name in ("evil.pickle", "evil.pickle.gz", "to-unicode-evil.pickle.gz"):
        (tmp_path / name).write_bytes(loader)
    path = str(tmp_path / "evil").replace("/", "#2F")
    source = tmp_path / "book.pdf"
    source.write_bytes(
        book([line(WORDS)], font=TYPE0.format(f"/{path}", ""), more={1000: DESCENDANT, 1001: DESCRIPTOR})
    )
    subprocess.run(
        cli.argv("extract", source), cwd=tmp_path, env={**cli.env, "CMAP_PATH": str(tmp_path)}, check=False
    )
    assert not marker.exists()


# Locked files


def locked(path: Path, user: str, owner: str, revision: int) -> Path:
    import pikepdf

    source = path / "book.pdf"
    source.write_bytes(book([line(WORDS)]))
    target = path / "locked.pdf"
    with pikepdf.open(source) as opened:
        aes = revision >= 4
        encryption = pikepdf.Encryption(owner=owner, user=user, R=revision, aes=aes, metadata=aes)
        opened.save(target, encryption=encryption)
    return target


@pytest.mark.filterwarnings("ignore:.*R=:UserWarning")
@pytest.mark.parametrize("revision", [2, 3, 4, 6])
def test_a_password_opens_what_it_locks(tmp_path: Path, quick_cli: Cli, revision: int) -> None:
    source = locked(tmp_path, "user-word", "owner-word", revision)
    for password in ("user-word", "owner-word"):
        assert quick_cli("extract", source, "--password", password, "-o", "-").stdout == WORDS + "\n"
    assert "needs a password" in quick_cli("extract", source, code=3).stderr
    assert "password is wrong" in quick_cli("extract", source, "--password", "nope", code=3).stderr
    assert not (quick_cli.cwd / "data").exists()


def test_an_owners_password_hinders_nobody_from_reading(tmp_path: Path, quick_cli: Cli) -> None:
    assert quick_cli("extract", locked(tmp_path, "", "owner-word", 6), "-o", "-").stdout == WORDS + "\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
def test_on_a_terminal_the_password_is_asked_for(tmp_path: Path, cli: Cli) -> None:
    import pty

    source = locked(tmp_path, "user-word", "owner-word", 6)
    outside, inside = pty.openpty()
    process = subprocess.Popen(
        cli.argv("extract", source, "-o", "-"),
        cwd=cli.cwd,
        env=cli.env,
        stdin=inside,
        stderr=inside,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(inside)
    said = b""
    while b"Password" not in said:
        said += os.read(outside, 1000)
    os.write(outside, b"user-word\n")
    text, _ = process.communicate(timeout=60)
    os.close(outside)
    assert (process.returncode, text.decode("utf-8")) == (0, WORDS + "\n")


# The shared collection


def collection() -> list[str]:
    path = SHARED / "hostile" / "manifest.json"
    if not path.exists():
        return []
    return [f"{case['class']}/{case['id']}" for case in json.loads(path.read_text(encoding="utf-8"))["cases"]]


def run_collection(cases: str) -> None:
    if not collection():
        pytest.skip("needs ../shared/hostile, the collection of hostile files")
    done = subprocess.run(
        [
            sys.executable,
            SHARED / "hostile" / "run_hostile.py",
            "--tool",
            f"{sys.executable} -m mckennabot extract {{pdf}} -o {{out}}",
            "--manifest",
            SHARED / "hostile" / "manifest.json",
            "--jobs",
            "2",
            "--only",
            cases,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def spread() -> str:
    return "(" + "|".join(map(re.escape, collection()[::8])) + ")$"


def test_a_spread_of_the_collection() -> None:
    run_collection(f"^{spread()}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_rest_of_the_collection() -> None:
    run_collection(f"^(?!{spread()})")
