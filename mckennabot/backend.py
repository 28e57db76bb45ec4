"""Imports TensorFlow and Keras, without what TensorFlow's C++ side prints as it starts; nothing else does."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from mckennabot.errors import MckennabotError, UsageError
from mckennabot.system.processes import TOO_LARGE, Call, Died

JAX_HINT = "Install it: pip install 'mckennabot[jax]', and set KERAS_BACKEND=jax."
"""What an error suggests if only JAX will do."""


def import_tensorflow() -> Any:
    """Import `tensorflow`; the first call takes seconds."""
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_stderr(), _keras_by_itself():
        import tensorflow
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow


def import_keras() -> Any:
    """Import `keras`, on the backend that KERAS_BACKEND names; TensorFlow by default.

    On JAX this works without TensorFlow too, as on a machine that only trains and writes no checkpoint.

    Raises:
        UsageError: the backend is JAX, which is not installed.
    """
    tensorflow = None
    if os.environ.get("KERAS_BACKEND") != "jax" or importlib.util.find_spec("tensorflow"):
        tensorflow = import_tensorflow()
    try:
        with _keras_by_itself():
            import keras
    except ModuleNotFoundError as error:
        if error.name != "jax":
            raise
        raise UsageError(
            "Keras is set to JAX, which is not installed", hint="Install it: pip install 'mckennabot[jax]'"
        ) from error
    if tensorflow and keras.backend.backend() != "tensorflow":
        tensorflow.config.set_visible_devices([], "GPU")  # the other backend's alone
    return keras


class _Lazy:
    """A module that is imported when one of its names is first used."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)


keras: Any = _Lazy(import_keras)
ops: Any = _Lazy(lambda: import_keras().ops)
"""Keras and its ops, for modules that use them throughout: importing those modules imports nothing heavy."""


def with_tensorflow(
    function: Callable[[], None], passing: tuple[type[Exception], ...] = (MckennabotError,)
) -> None:
    """Call a function that uses TensorFlow in a child process, whose end frees TensorFlow's memory.

    If TensorFlow is loaded already, as after training, call it here: a child would take seconds to load it.

    Args:
        function: a `functools.partial` of a module's function, which can be pickled.
        passing: kinds of errors that are the caller's, as in `Call`.

    Raises:
        Died: the child ended early, or memory ran out.
    """
    if "tensorflow" not in sys.modules:
        Call(function, None, memory=None, fresh=True, passing=passing).result()
        return
    try:
        function()
    except MemoryError:
        raise Died(TOO_LARGE) from None


@contextlib.contextmanager
def _keras_by_itself() -> Iterator[None]:
    """Import Keras without what it does beside that: settings in the home directory, and matplotlib.

    It would write ~/.keras/keras.json, or take its numbers' type from there; in a home that is closed, from
    /tmp/.keras, which is anybody's. For figures that we never draw it would load matplotlib, which takes
    half a second, lists all fonts, and reads a matplotlibrc from the current directory.
    """
    os.environ.setdefault("KERAS_HOME", os.devnull)  # in which there is nothing, and nothing can be written
    absent = "matplotlib" not in sys.modules
    if absent:
        sys.modules["matplotlib"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            del sys.modules["matplotlib"]


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    # TF_CPP_MIN_LOG_LEVEL does not reach what is logged before TensorFlow has read it, so the
    # descriptor itself goes nowhere for as long as the import takes. An import that fails raises.
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
