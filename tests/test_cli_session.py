"""-v, -q, settings files and closed streams: the same for every command, whichever way they are given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mckennabot import cli as package
from mckennabot.cli import cli as group
from mckennabot.cli.options import Session, from_settings, reporting
from mckennabot.config import GenerateSettings
from mckennabot.reporter import Reporter
from tests.conftest import ROOT, Cli


@click.command("probe")
@from_settings(GenerateSettings, "length", "stop", "checkpoints", "run")
@click.option("-o", "--output")
@click.option("--force", is_flag=True)
@reporting
def probe(reporter: Reporter, **options: object) -> None:
    """Say what was understood."""
    reporter.say("said")
    reporter.detail("detail")
    reporter.warn("warned")
    click.echo(options)


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(group.commands, "probe", probe)
    return CliRunner()


def run(runner: CliRunner, *argv: str, env: dict[str, str] | None = None) -> Result:
    return runner.invoke(group, argv, env=env, auto_envvar_prefix="MCKENNABOT", obj=Session())


@pytest.mark.parametrize(
    ("argv", "env", "toml", "heard"),
    [
        (["probe"], {}, "", ["said", "Warning: warned"]),
        (["-v", "probe"], {}, "", ["said", "detail", "Warning: warned"]),
        (["probe", "-v"], {}, "", ["said", "detail", "Warning: warned"]),
        (["-q", "probe"], {}, "", ["Warning: warned"]),
        (["probe", "-qv"], {}, "", ["detail", "Warning: warned"]),
        (["probe"], {"MCKENNABOT_VERBOSE": "1"}, "", ["said", "detail", "Warning: warned"]),
        (["probe"], {"MCKENNABOT_PROBE_QUIET": "1"}, "", ["Warning: warned"]),
        (["probe"], {}, "verbose = true", ["said", "detail", "Warning: warned"]),
        (["-q", "probe"], {}, "[probe]\nverbose = true", ["detail", "Warning: warned"]),
    ],
)
def test_verbosity_counts_wherever_it_is_given(
    runner: CliRunner, argv: list[str], env: dict[str, str], toml: str, heard: list[str]
) -> None:
    if toml:
        Path("mckennabot.toml").write_text(toml, encoding="utf-8")
    said = run(runner, *argv, env=env).stderr.splitlines()
    if "detail" in heard:  # between the versions and the time
        assert said.pop(0).startswith("mckennabot ")
        assert said.pop().startswith("probe took ")
    assert said == heard


def test_a_settings_file_that_is_used_is_named(runner: CliRunner) -> None:
    Path("mckennabot.toml").write_text("[probe]\nlength = 7\n", encoding="utf-8")
    result = run(runner, "probe")
    assert result.stderr.startswith("Settings from mckennabot.toml\n")
    assert "'length': 7" in result.stdout
    assert "Settings" not in run(runner, "models").stderr


@pytest.mark.parametrize(
    ("toml", "understood"),
    [
        ("stop = 'x'", "'stop': ('x',)"),
        ("stop = ['x', 'y']", "'stop': ('x', 'y')"),
        ("run = 'r'", "'run': 'r'"),
    ],
)
def test_a_list_may_be_a_single_text(runner: CliRunner, toml: str, understood: str) -> None:
    Path("mckennabot.toml").write_text(f"[probe]\n{toml}\n", encoding="utf-8")
    assert understood in run(runner, "probe").stdout


def test_home_is_expanded_in_files_and_after_an_equals_sign(runner: CliRunner) -> None:
    Path("mckennabot.toml").write_text("[probe]\ncheckpoints = '~/ck'\n", encoding="utf-8")
    assert str(Path.home() / "ck") in run(runner, "probe").stdout
    assert str(Path.home() / "cl") in run(runner, "probe", "--checkpoints=~/cl").stdout


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("length = [1]", "takes a whole number, not [1]"),
        ("length = true", "takes a whole number, not True"),
        ("[probe.length]", "takes a whole number"),
        ("checkpoints = 5", "takes a text, not 5"),
        ("stop = [1]", "takes texts"),
        ("lenght = 5", "did you mean 'length'"),
    ],
)
def test_a_value_of_the_wrong_type_names_its_key(runner: CliRunner, toml: str, words: str) -> None:
    Path("mckennabot.toml").write_text(f"[probe]\n{toml}\n", encoding="utf-8")
    result = run(runner, "probe")
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_key_outside_a_table_is_said_to_be_that(runner: CliRunner) -> None:
    Path("mckennabot.toml").write_text("steps = 5\n", encoding="utf-8")
    result = run(runner, "probe")
    assert result.exit_code == 2
    assert "'steps' stands outside a table such as [finetune]" in result.stderr


@pytest.mark.parametrize("toml", ["output = 'victim'", "force = true"])
def test_a_file_that_merely_lies_there_may_not_choose_what_is_overwritten(
    runner: CliRunner, toml: str
) -> None:
    Path("mckennabot.toml").write_text(f"[probe]\n{toml}\n", encoding="utf-8")
    result = run(runner, "probe")
    assert result.exit_code == 2
    assert "--config" in result.stderr
    assert run(runner, "--config", "mckennabot.toml", "probe").exit_code == 0


@pytest.mark.parametrize("redirect", ["2>&-", ">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(redirect: str, cli: Cli) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m mckennabot models {redirect}', sys.executable],
        cwd=cli.cwd,
        env={**cli.env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


DYING = """
import signal, time
from mckennabot import cli

class Garbage:
    def __del__(self):
        signal.raise_signal(signal.{name})

@cli.cli.command()
def probe():
    Garbage()
    time.sleep(3600)

cli.main(["probe"])
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_is_not_lost_in_a_finalizer(name: str, cli: Cli) -> None:
    """Python drops what is raised while `__del__` runs, and TensorFlow and JAX have many such objects."""
    done = subprocess.run(
        [sys.executable, "-c", DYING.format(name=name)],
        cwd=cli.cwd,
        env={**cli.env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_a_bug_shows_its_traceback_only_when_asked(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**options: object) -> None:
        raise RuntimeError("oh\x1b[2J")

    monkeypatch.setattr(probe, "callback", reporting(lambda reporter, **options: broken()))
    for argv, shown in ((["probe"], False), (["-v", "probe"], True), (["probe", "-v"], True)):
        with pytest.raises(SystemExit) as left:
            package.main(argv)
        assert left.value.code == 1
        said = capsys.readouterr().err
        assert "this is a bug in mckennabot" in said
        assert ("Traceback" in said) == shown
