"""The command line as a whole: quick to start, quiet on stdout, settings in layers, errors in plain words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from mckennabot.cli import cli as group
from tests.conftest import ROOT, Cli

COMMANDS = sorted(group.commands)


def test_help_loads_click_and_nothing_else_that_is_installed() -> None:
    """Which is what makes it quick; `scripts/bench_start.py` measures how quick."""
    code = (
        "import sys; before = set(sys.modules); sys.argv = ['mckennabot', '--help']\n"
        "from mckennabot.__main__ import main\n"
        "try: main()\n"
        "finally:\n"
        "    new = {n: str(getattr(m, '__file__', '')) for n, m in sys.modules.items() if n not in before}\n"
        "    installed = {n.partition('.')[0] for n, path in new.items() if 'site-packages' in path}\n"
        "    print(sorted(installed), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "['click']"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_stands_in_the_readme(
    command: str, quick_cli: Cli
) -> None:
    text = quick_cli(command, "--help").stdout
    assert f"mckennabot {command}" in text.split("Usage:")[1].split("\n", 1)[1], "an example of the command"
    for option in group.commands[command].params:
        assert not isinstance(option, click.Option) or option.help, f"{option.name} has no help"
    assert f"mckennabot {command}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_unknown_keys_of_the_settings_file_are_refused_with_the_nearest(quick_cli: Cli) -> None:
    (quick_cli.cwd / "mckennabot.toml").write_text("[finetune]\nstep = 5\n", encoding="utf-8")
    done = quick_cli("finetune", code=2)
    assert "did you mean 'steps'" in done.stderr


def test_settings_file_that_is_not_toml_or_not_there(quick_cli: Cli) -> None:
    (quick_cli.cwd / "odd.toml").write_text("steps: 5", encoding="utf-8")
    assert "not TOML" in quick_cli("--config", "odd.toml", "extract", "x.pdf", code=2).stderr
    assert "no.toml" in quick_cli("--config", "no.toml", "extract", "x.pdf", code=2).stderr


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["extract", "no-such-book.pdf"], 3),
        (["generate", "--prefix", "x"], 4),
        (["finetune", "--model", "no-such-model"], 3),
        (["finetune", "--no-such-option"], 2),
        (["no-such-command"], 2),
    ],
)
def test_errors_say_what_happened_and_leave_stdout_empty(args: list[str], code: int, quick_cli: Cli) -> None:
    done = quick_cli(*args, code=code)
    assert done.stdout == ""
    assert 0 < len(done.stderr.strip().splitlines()) <= 4
    assert list(quick_cli.cwd.iterdir()) == []


def test_settings_layer_file_environment_flags(quick_cli: Cli, tmp_path: Path) -> None:
    """A flag wins over the environment, and that over the file."""
    (tmp_path / "mckennabot.toml").write_text('[generate]\nrun = "from-file"\n', encoding="utf-8")
    environment = {"MCKENNABOT_GENERATE_RUN": "from-environment"}
    assert "from-file" in quick_cli("generate", code=4).stderr
    assert "from-environment" in quick_cli("generate", code=4, env=environment).stderr
    assert "from-flag" in quick_cli("generate", "--run", "from-flag", code=4, env=environment).stderr
