"""Settings check themselves, whoever makes them; the command line's options are made from them."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from importlib import resources
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckennabot.cli.finetune import finetune
from mckennabot.cli.generate import generate
from mckennabot.config import ExtractSettings, FinetuneSettings, GenerateSettings
from mckennabot.errors import MckennabotError, UsageError
from mckennabot.settings import Settings, option_of

CLASSES = (ExtractSettings, FinetuneSettings, GenerateSettings)


@pytest.mark.parametrize(
    ("settings", "wrong", "words"),
    [
        (
            ExtractSettings,
            {"segment": "chapters"},
            "--segment 'chapters': it must be one of chapter, section",
        ),
        (ExtractSettings, {"pages": "9-3"}, "pages count from 1"),
        (ExtractSettings, {"pages": "all"}, "pages such as 10-240"),
        (ExtractSettings, {"pages": (0, 3)}, "pages count from 1"),
        (ExtractSettings, {"keep": [1]}, "names, separated by commas"),
        (ExtractSettings, {"jobs": 0}, "--jobs 0: it must be at least 1"),
        (FinetuneSettings, {"steps": -3}, "--steps -3: it must be at least 1"),
        (FinetuneSettings, {"steps": 2.5}, "--steps 2.5: it must be a whole number"),
        (FinetuneSettings, {"steps": "5"}, "it must be a whole number"),
        (FinetuneSettings, {"steps": True}, "it must be a whole number"),
        (FinetuneSettings, {"steps": None}, "it must be a whole number"),
        (FinetuneSettings, {"precision": "fp16"}, "one of auto, float32, bfloat16, float16"),
        (FinetuneSettings, {"engine": "torch"}, "--engine"),
        (FinetuneSettings, {"fresh": 1}, "true or false"),
        (FinetuneSettings, {"learning_rate": 0}, "more than 0"),
        (FinetuneSettings, {"val_fraction": math.nan}, "finite"),
        (FinetuneSettings, {"learning_rate": math.inf}, "finite"),
        (FinetuneSettings, {"checkpoints": 5}, "it must be a path"),
        (GenerateSettings, {"temperature": math.nan}, "finite"),
        (GenerateSettings, {"repetition_penalty": -math.inf}, "finite"),
        (GenerateSettings, {"top_p": 0}, "more than 0"),
        (GenerateSettings, {"top_p": 1.5}, "at most 1"),
        (GenerateSettings, {"min_length": 9, "length": 5}, "--min-length is greater than --length"),
        (GenerateSettings, {"run": "a", "model": "b"}, "--run and --model exclude each other"),
        (GenerateSettings, {"stop": ""}, "--stop needs a text"),
    ],
)
def test_a_wrong_value_is_refused_by_name(settings: type[Any], wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(**wrong)
    assert words in str(caught.value)


def test_values_are_converted_to_what_the_stages_work_with() -> None:
    extract = ExtractSettings(pages="10-", keep="footnotes, index", jobs=np.int64(3))  # type: ignore[arg-type]
    assert extract.pages is not None
    assert extract.pages[0] == 10
    assert extract.keep == {"footnotes", "index"}
    assert type(extract.jobs) is int
    generate = GenerateSettings(stop="\n", checkpoints="~/models", temperature=1, checkpoint=40)  # type: ignore[arg-type]
    assert generate.stop == ("\n",)
    assert generate.checkpoints == Path.home() / "models"
    assert type(generate.temperature) is float
    assert generate.checkpoint == "40"


@given(st.sampled_from(CLASSES), st.data())
def test_no_value_of_any_type_is_more_than_refused(settings: type[Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([each.name for each in dataclasses.fields(settings)]))
    anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    value = data.draw(
        anything | st.lists(anything, max_size=2) | st.dictionaries(st.text(), anything, max_size=1)
    )
    with contextlib.suppress(MckennabotError):
        settings(**{name: value})


@pytest.mark.parametrize(
    ("command", "settings"), [(finetune, FinetuneSettings), (generate, GenerateSettings)]
)
def test_every_setting_is_an_option_with_its_default_and_help(
    command: click.Command, settings: type[Settings]
) -> None:
    options = {option.name: option for option in command.params}
    for each in dataclasses.fields(settings):  # type: ignore[arg-type]
        option = options[each.name]
        assert isinstance(option, click.Option)
        assert option.default == each.default or not each.default
        assert option.help
        assert option.help.startswith(option_of(each).help)
        assert option_of(each).help[0].isupper()


def test_the_page_to_write_in_begins_with_the_temperature_of_generate() -> None:
    html = resources.files("mckennabot.serve").joinpath("page.html").read_text(encoding="utf-8")
    found = re.search(r'id="temperature"[^>]* value="([^"]+)"', html)
    assert found
    assert float(found[1]) == GenerateSettings().temperature
