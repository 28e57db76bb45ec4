"""`mckennabot generate`: what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Cli, WarmCli


@pytest.fixture
def cli(warm_cli: WarmCli) -> Cli:
    """Nothing here depends on how a process begins."""
    return warm_cli


@pytest.fixture
def small(quick_cli: Cli, base_model: Path) -> Cli:
    """The command line where the small base model lies in `checkpoints`."""
    (quick_cli.cwd / "checkpoints").symlink_to(base_model.parent)
    return quick_cli


def sample(small: Cli, *args: str, **more: str) -> str:
    return small("generate", "-q", "--model", "small", *args, **more).stdout  # type: ignore[arg-type]


def test_the_text_is_the_prefix_and_what_follows(small: Cli) -> None:
    args = ("--prefix", " The  river 🜏e\u0301 \u05e9", "--seed", "3", "--length", "12")
    whole = sample(small, *args)
    assert whole.startswith(args[1])
    assert whole == args[1] + sample(small, *args, "--no-prefix")
    assert len(whole) > len(args[1]) + 1


def test_a_seed_gives_the_same_texts_in_a_new_process_and_each_sample_differs(small: Cli) -> None:
    args = ("--nsamples", "5", "--batch-size", "2", "--length", "20", "--format", "jsonl", "--ignore-eot")
    first, again, other = (sample(small, *args, "--seed", seed) for seed in ("7", "7", "8"))
    assert first == again != other
    lines = [json.loads(line) for line in first.splitlines()]
    assert len({line["text"] for line in lines}) == 5
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]


def test_json_lines_say_where_a_text_comes_from(small: Cli) -> None:
    [line] = map(
        json.loads, sample(small, "--prefix", "The", "--length", "5", "--format", "jsonl").splitlines()
    )
    assert line["prefix"] == "The"
    assert line["text"].startswith("The")
    assert (line["run"], line["step"]) == ("small", None)
    assert line["tokens"] <= 5
    assert line["stop"] in ("length", "end-of-text")
    assert line["log_probability"] < 0
    assert line["seed"] >= 0


def test_several_texts_are_divided_and_in_order(small: Cli) -> None:
    prefixes = [f"{n}th river" for n in range(64)]
    args = ("--prefix-file", "-", "--length", "3", "--stop", "=", "--batch-size", "10")
    texts = sample(small, *args, stdin="\n".join(prefixes) + "\n").split("\n====================\n")
    assert [text[: len(p)] for text, p in zip(texts, prefixes, strict=True)] == prefixes


def test_a_text_goes_on_past_the_models_window(small: Cli) -> None:
    args = ("--format", "jsonl", "--ignore-eot", "--length", "300", "--seed", "1")
    for more in ((), ("--keep-prefix",)):
        line = json.loads(sample(small, *args, "--prefix", "The sea", *more))
        assert (line["tokens"], line["stop"]) == (300, "length")
    done = small(
        "generate", "-q", "--model", "small", "--prefix", "sky " * 100, "--length", "4", "--nsamples", "2"
    )
    assert done.stderr.count("longer than the model's window of 64 tokens") == 1


def test_a_run_in_gpt_2_simples_layout_is_the_default_and_is_named(cli: Cli, base_model: Path) -> None:
    run = cli.cwd / "checkpoints" / "run1"
    run.mkdir(parents=True)
    for path in base_model.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, run / path.name.replace("model.ckpt", "model-7"))
    (run / "checkpoint").write_text('model_checkpoint_path: "model-7"\n', encoding="utf-8")
    (run / "counter").write_text("7\n", encoding="utf-8")
    done = cli("generate", "--length", "3")
    assert "checkpoints/run1/model-7, seed" in done.stderr
    assert len(list(run.glob("ct2-7-float32"))) == 1
    assert "converting" not in cli("generate", "--length", "3").stderr
    # A cache that was altered is built again, said once; one that was copied is not.
    cache = run / "ct2-7-float32" / "model.bin"
    whole = cache.read_bytes()
    cache.write_bytes(whole[:5000] + b"\x01\x02\x03" + whole[5003:])
    assert cli("generate", "--length", "3").stderr.count("does not fit the weights") == 1
    assert cache.read_bytes() == whole
    os.utime(cache, (0, 0))
    assert "converting" not in cli("generate", "--length", "3").stderr
    (run / "model-7.data-00000-of-00001").write_bytes(b"short")
    assert "damaged" in cli("generate", code=4).stderr
    assert "no checkpoint '8' (steps there: 7)" in cli("generate", "--checkpoint", "8", code=4).stderr


def test_nothing_to_load_says_which_commands_make_it(cli: Cli) -> None:
    assert "mckennabot finetune" in cli("generate", code=4).stderr
    assert "no model 'nowhere'" in cli("generate", "--run", "nowhere", code=4).stderr


@pytest.mark.parametrize(
    "args",
    [
        ("--length", "0"),
        ("--temperature", "-1"),
        ("--temperature", "nan"),
        ("--top-p", "0"),
        ("--top-p", "1.1"),
        ("--top-k", "-1"),
        ("--repetition-penalty", "0"),
        ("--seed", "4294967295"),
        ("--nsamples", "0"),
        ("--batch-size", "0"),
        ("--stop", ""),
        ("--min-length", "9", "--length", "8"),
        ("--run", "a", "--model", "b"),
        ("--prefix", "a", "--prefix-file", "b"),
        ("--precision", "float16"),
    ],
)
def test_options_out_of_range_are_usage_errors(small: Cli, args: tuple[str, ...]) -> None:
    if "--run" not in args:
        args = ("--model", "small", *args)
    assert small("generate", *args, code=2).stdout == ""


def test_an_output_file_is_whole_and_never_overwritten_unasked(small: Cli) -> None:
    args = ("generate", "-q", "--model", "small", "--length", "5", "--seed", "1", "-o", "out/text.txt")
    (small.cwd / "out").mkdir()
    assert small(*args).stdout == ""
    path = small.cwd / "out" / "text.txt"
    first = path.read_text(encoding="utf-8")
    path.write_text("mine", encoding="utf-8")
    assert "--force" in small(*args, code=2).stderr
    assert path.read_text(encoding="utf-8") == "mine"
    small(*args, "--force")
    assert path.read_text(encoding="utf-8") == first
    assert list(path.parent.iterdir()) == [path]
    small(*args[:-1], "/dev/null")
    assert Path("/dev/null").is_char_device()
    assert "cannot write" in small(*args[:-1], "out", code=2).stderr
    assert "cannot write" in small(*args[:-1], "nowhere/text.txt", code=2).stderr


def test_a_closed_pipe_ends_it_quietly(small: Cli) -> None:
    process = small.start("generate", "-q", "--model", "small", "--length", "1000000", "--ignore-eot")
    assert process.stdout is not None
    assert process.stderr is not None
    assert len(process.stdout.read(10)) == 10
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 0


def test_a_full_disk_behind_stdout_is_said(small: Cli) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            small.argv("generate", "-q", "--model", "small", "--length", "3"),
            cwd=small.cwd,
            env=small.env,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 5
    assert "no room to write" in done.stderr


def test_ctrl_c_keeps_what_was_drawn(small: Cli) -> None:
    process = small.start("generate", "-q", "--model", "small", "--length", "1000000", "--ignore-eot")
    assert process.stdout is not None
    head = process.stdout.read(50)
    process.send_signal(signal.SIGINT)
    rest, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert len(head + rest) > 50
    assert rest.endswith(b"\n")
    assert stderr.decode().strip() == "Error: interrupted"


def test_a_terminal_that_is_not_utf8_is_no_reason_to_fail(small: Cli) -> None:
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        small.argv("generate", "-q", "--model", "small", "--prefix", "“rivers” 🜏", "--length", "3"),
        cwd=small.cwd,
        env={
            **small.env,
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONIOENCODING": "latin-1",
        },
        stdout=follower,
        stderr=subprocess.PIPE,
    )
    os.close(follower)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    assert b"?rivers? ?" in os.read(leader, 1000)
    os.close(leader)


def test_a_cached_run_does_not_load_what_training_needs(small: Cli) -> None:
    sample(small, "--length", "1")
    code = (
        "import sys; from mckennabot.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(*{'tensorflow', 'keras', 'torch', 'transformers'} & {*sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "generate", "-q", "--model", "small", "--length", "1"],
        cwd=small.cwd,
        env=small.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "\n"


def test_two_processes_on_a_fresh_model_both_draw(cli: Cli, base_model: Path) -> None:
    fresh = cli.cwd / "checkpoints" / "fresh"
    shutil.copytree(base_model, fresh, ignore=shutil.ignore_patterns("ct2*", ".ct2*"))
    both = [cli.start("generate", "--model", "fresh", "--length", "3", "--seed", "1") for _ in range(2)]
    done = [process.communicate(timeout=100) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert done[0][0] == done[1][0] != b""
    assert sorted(err.count(b"converting") for _, err in done) == [0, 1]
    assert sorted(path.name for path in fresh.glob("*ct2*")) == [".ct2.lock", "ct2-base-float32"]


def test_a_model_directory_that_cannot_hold_the_cache_is_no_reason_to_fail(
    cli: Cli, base_model: Path
) -> None:
    fresh = cli.cwd / "checkpoints" / "fresh"
    shutil.copytree(base_model, fresh, ignore=shutil.ignore_patterns("ct2*", ".ct2*"))
    (fresh / ".ct2.lock").mkdir()  # a name that cannot be opened, to root either
    env = {"XDG_CACHE_HOME": str(cli.cwd / "cache")}
    args = ("generate", "--model", "fresh", "--length", "3")
    assert cli(*args, env=env).stderr.count("Warning: the conversion cannot be kept") == 1
    assert "onver" not in cli(*args, env=env).stderr
    (cli.cwd / "file").touch()
    env = {"XDG_CACHE_HOME": str(cli.cwd / "file")}
    assert cli(*args, env=env).stderr.count("Warning") == 2


def test_a_blank_at_the_end_of_a_prefix_changes_nothing_but_itself(small: Cli) -> None:
    common = ("--temperature", "0", "--length", "6", "--ignore-eot", "--no-prefix")
    plain, blank, blanks = (
        sample(small, "--prefix", prefix, *common) for prefix in ("The river", "The river ", "The river  ")
    )
    assert blank == blanks == plain.removeprefix(" ")


@pytest.mark.parametrize("form", ["jsonl", "text"])
def test_an_interrupted_file_keeps_the_whole_texts_and_says_where(small: Cli, form: str) -> None:
    out = small.cwd / f"many-{form}"
    argv = ("generate", "-q", "--model", "small", "--nsamples", "100000", "--length", "40", "--ignore-eot")
    process = small.start(*argv, "--format", form, "-o", out, "--batch-size", "2")
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 2000 for path in small.cwd.glob(f".{out.name}*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    text = out.read_text(encoding="utf-8")
    assert text.endswith("\n")
    kept = (
        [json.loads(line)["index"] for line in text.splitlines()]
        if form == "jsonl"
        else list(range(len(text.split("\n" + "=" * 20 + "\n"))))
    )
    assert kept == list(range(len(kept)))
    assert f"Warning: {len(kept)} texts are whole and kept: {out}" in stderr.decode()
    assert not list(small.cwd.glob(f".{out.name}*"))


def drawing(small: Cli, out: Path, *more: str) -> subprocess.Popen[bytes]:
    """A command that draws into a file, and has drawn some texts."""
    argv = ("generate", "-q", "--model", "small", "--nsamples", "100000", "--length", "40", "--ignore-eot")
    drafts = f".{glob.escape(out.name)}*.part"
    before = set(small.cwd.glob(drafts))
    process = small.start(*argv, "--format", "jsonl", "-o", out, *more)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 2000 for path in set(small.cwd.glob(drafts)) - before):
        if time.monotonic() > deadline:
            process.kill()
            pytest.fail(process.communicate()[1].decode())
        time.sleep(0.01)
    return process


def test_what_a_killed_command_drew_is_taken_up_by_the_next(small: Cli) -> None:
    """And what a command that is still at work draws is left to it."""
    out = small.cwd / "texts [1].jsonl"
    dead, alive = drawing(small, out, "--seed", "1"), None
    try:
        dead.kill()
        dead.communicate()
        (draft,) = small.cwd.glob(f".{glob.escape(out.name)}*.part")
        with draft.open("ab") as file:
            file.write(b'{"half of a te')
        whole = draft.read_text(encoding="utf-8").splitlines()[:-1]
        alive = drawing(small, out, "--seed", "2")
        kept = small.cwd / "texts [1].unfinished-1.jsonl"
        assert kept.read_text(encoding="utf-8").splitlines() == whole
        done = small("generate", "-q", "--model", "small", "--length", "5", "-o", out)
        assert "kept" not in done.stderr
        assert len(list(small.cwd.glob(".*.part"))) == 1
    finally:
        for process in filter(None, (dead, alive)):
            process.kill()
            process.communicate()
    done = small("generate", "-q", "--model", "small", "--length", "5", "-o", out, "--force")
    assert "texts of a command that was killed are kept: " in done.stderr
    assert (small.cwd / "texts [1].unfinished-2.jsonl").exists()
    assert not list(small.cwd.glob(".*.part"))


def test_a_closed_terminal_keeps_the_whole_texts_too(small: Cli) -> None:
    out = small.cwd / "closed.jsonl"
    process = drawing(small, out)
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "texts are whole and kept" in stderr.decode()
    assert all(json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())


def test_what_is_kept_never_replaces_a_whole_file(small: Cli) -> None:
    out = small.cwd / "whole.jsonl"
    out.write_text("whole\n", encoding="utf-8")
    argv = ("generate", "-q", "--model", "small", "--nsamples", "100000", "--length", "40", "--ignore-eot")
    process = small.start(*argv, "--force", "--format", "jsonl", "-o", out)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 2000 for path in small.cwd.glob(f".{out.name}*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert out.read_text(encoding="utf-8") == "whole\n"
    assert (small.cwd / "whole.unfinished-1.jsonl").exists()


def test_a_full_disk_keeps_the_whole_texts_too(small: Cli) -> None:
    """A limit on the file's size is met as a full disk is."""
    out = small.cwd / "limited.jsonl"
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "from mckennabot.cli import main\n"
        "main(sys.argv[1:])"
    )
    argv = ("generate", "-q", "--model", "small", "--nsamples", "500", "--format", "jsonl", "-o", str(out))
    sample(small, "--length", "1")  # the conversion is there
    done = small.python(code, *argv)
    assert done.returncode == 5, done.stderr
    assert "no room to write" in done.stderr
    assert "are whole and kept" in done.stderr
    assert all(json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("form", ["jsonl", "text"])
def test_a_full_device_is_said(small: Cli, form: str) -> None:
    args = ("generate", "-q", "--model", "small", "--length", "3", "--format", form, "-o", "/dev/full")
    assert "no room to write" in small(*args, code=5).stderr


def test_a_model_file_that_is_missing_is_not_called_an_output(small: Cli, base_model: Path) -> None:
    broken = small.cwd / "checkpoints" / "broken"
    shutil.copytree(base_model, broken, ignore=shutil.ignore_patterns("ct2*", ".ct2*"))
    (broken / "encoder.json").unlink()
    said = small("generate", "--model", "broken", "-o", "texts.txt", code=4).stderr
    assert "texts.txt" not in said
    shutil.rmtree(broken)


def test_a_link_stays_a_link(small: Cli) -> None:
    (small.cwd / "link.txt").symlink_to("linked.txt")
    small("generate", "-q", "--model", "small", "--length", "3", "-o", "link.txt")
    assert (small.cwd / "link.txt").is_symlink()
    assert (small.cwd / "linked.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["itself", "hard", "soft"])
def test_an_output_never_replaces_what_is_read_for_it(name: str, cli: Cli, base_model: Path) -> None:
    """Force or not, under whichever name: the prefixes, the model's files, a bundle."""
    shutil.copytree(base_model, cli.cwd / "checkpoints" / "small")
    prefixes, hparams, bundle = (
        cli.cwd / "starts.txt", cli.cwd / "checkpoints" / "small" / "hparams.json", cli.cwd / "a.voice",
    )  # fmt: skip
    prefixes.write_text("The sea\n", encoding="utf-8")
    cli("export", "small", "--format", "bundle", "-o", bundle)

    def named(path: Path) -> Path:
        if name == "itself":
            return path
        other = cli.cwd / f"{name}-{path.name}"
        (os.link if name == "hard" else os.symlink)(path, other)
        return other

    before = [path.read_bytes() for path in (prefixes, hparams, bundle)]
    draw = ("generate", "--length", "3", "--force")
    commands: list[tuple[object, ...]] = [
        (*draw, "--model", "small", "--prefix-file", prefixes, "-o", named(prefixes)),
        (*draw, "--model", "small", "-o", (hparams_too := named(hparams))),
        ("export", "small", "--force", "--format", "gguf", "-o", hparams_too),
        (*draw, "--model", bundle, "-o", (bundle_too := named(bundle))),
        ("export", bundle, "--force", "--format", "gguf", "-o", bundle_too),
    ]
    for command in commands:
        assert "would replace what is read for it" in cli(*command, code=2).stderr, command
    assert [path.read_bytes() for path in (prefixes, hparams, bundle)] == before
    assert not list(cli.cwd.glob(".*.part"))
