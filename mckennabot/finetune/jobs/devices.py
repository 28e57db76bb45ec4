"""Lays a model out over several devices: those of one machine, or of a whole job.

Windows are shared out over all devices. So is each matrix with its moments and its gradient (as in ZeRO-3,
arXiv 1910.02054): a device keeps a slice along axis 1, of [1, in, out] as of [tokens, width], and gathers
the whole only to compute with it. Vectors are whole everywhere. Keras keeps the mesh and the variables'
layouts; JAX does the rest.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mckennabot.backend import JAX_HINT, import_keras
from mckennabot.errors import UsageError
from mckennabot.models.checkpoint import Hparams
from mckennabot.models.weights import shapes

AXES = ("replica", "shard")
"""The mesh: the slices of one copy of the model lie along `shard`, the copies along `replica`."""

CUT = 1
"""The axis along which matrices are cut; in all of them its length is a multiple of n_embd."""


def count(asked: int | None) -> int:
    """Return how many devices each process trains with: all of them, or as many as are asked for.

    Raises:
        UsageError: there are fewer, or Keras's backend trains on one only.
    """
    if import_keras().backend.backend() != "jax":
        if (asked or 1) > 1:
            raise UsageError("to train on several devices takes Keras's JAX backend", hint=JAX_HINT)
        return 1
    there = min(map(len, _by_process()))
    if (asked or 1) > there:
        number = f"there {'is' if there == 1 else 'are'} {there}"
        raise UsageError(f"--devices {asked}, but {number}", hint="Leave it out to use all that are there.")
    return asked or there


def distribute(hparams: Hparams, each: int, values: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    """Have Keras lay out a model of these sizes over `each` devices of every process.

    A matrix is cut into as many slices as its width allows, which is one a device in all but odd cases.

    Args:
        hparams: the sizes.
        each: devices of every process, as `count` returns them.
        values: the model's variables by name.

    Returns:
        The variables, each put on its devices as it is read.
    """
    keras = import_keras()
    if keras.backend.backend() != "jax":
        return values
    devices = [device for mine in _by_process() for device in mine[:each]]
    slices = math.gcd(len(devices), hparams.n_embd)
    mesh = keras.distribution.DeviceMesh((len(devices) // slices, slices), AXES, devices)
    layouts = keras.distribution.LayoutMap(mesh)
    for name, shape in shapes(hparams).items():
        layouts[name.replace("/", ".")] = _layout(len(shape))
    keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layouts))
    cut = Mesh().cut
    return ((name, cut(value)) for name, value in values)


def _by_process() -> list[list[Any]]:
    import jax

    key = lambda device: device.process_index  # noqa: E731
    return [list(mine) for _, mine in itertools.groupby(sorted(jax.devices(), key=key), key)]


def _layout(rank: int) -> tuple[str | None, ...]:
    """Return the mesh's axis for each axis of a tensor; None for one that is not cut."""
    return tuple("shard" if axis == CUT else None for axis in range(rank))


class Mesh:
    """The mesh that Keras was given, or one device.

    Attributes:
        mine: how many of its devices are this process's.
    """

    def __init__(self) -> None:
        import jax

        distribution = import_keras().distribution.distribution()
        if distribution is None:
            self._mesh = jax.sharding.Mesh(np.array(jax.local_devices()[:1]).reshape(1, 1), AXES)
        else:
            self._mesh = distribution.device_mesh.backend_mesh
        self.mine: int = self._mesh.local_mesh.size
        self._replicate = jax.jit(lambda value: value, out_shardings=self.sharding(()))

    def sharding(self, layout: Sequence[Any]) -> Any:
        """Return JAX's sharding for a layout: an axis of the mesh, both or None for each of a tensor's."""
        import jax

        return jax.sharding.NamedSharding(self._mesh, jax.sharding.PartitionSpec(*layout))

    def cut(self, value: Any) -> Any:
        """Put a weight or moment that every process has on the devices, in slices."""
        import jax

        sharding = self.sharding(_layout(np.ndim(value)))
        if isinstance(value, jax.Array):
            return jax.device_put(value, sharding)
        value = np.asarray(value)
        return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

    def whole(self, value: Any) -> Any:
        """Return what `cut` has cut as one array in each process's memory; every process has to call it."""
        if not value.is_fully_addressable:
            value = self._replicate(value).addressable_data(0)
        return np.asarray(value)

    def share(self, rows: Any, axis: int) -> Any:
        """Share rows along `axis` out over all devices; each process gives its own."""
        import jax

        sharding = self.sharding((*[None] * axis, AXES))
        return jax.make_array_from_process_local_data(sharding, rows)

    def compile(self, function: Callable[..., Any], inputs: Any, outputs: Any) -> Callable[..., Any]:
        """Compile `function` to run on every device with that device's own slices and rows.

        Args:
            function: may use `gather`, `mean` and `total` below.
            inputs: the sharding of each argument, from `sharding`; for a dictionary, one for each entry.
            outputs: the sharding of what is returned.
        """
        import jax

        specs = functools.partial(jax.tree.map, lambda sharding: sharding.spec)
        mapped: Any = jax.shard_map(
            function, mesh=self._mesh, in_specs=specs(inputs), out_specs=specs(outputs), check_vma=False
        )
        compiled: Callable[..., Any] = jax.jit(mapped)
        return compiled


def gather(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Gather matrices from all devices' slices; only inside `Mesh.compile`.

    The gradient of a matrix is summed over these devices, and cut into slices again.
    """
    import jax

    if jax.lax.axis_size("shard") == 1:
        return dict(weights)
    return {name: _gather()(value) if value.ndim > 1 else value for name, value in weights.items()}


@functools.cache
def _gather() -> Any:
    import jax
    from jax import numpy as jnp

    def whole(part: Any) -> Any:
        return jax.lax.all_gather(part, "shard", axis=CUT, tiled=True)

    def backward(_: None, gradient: Any) -> tuple[Any]:
        # In float32 whatever the precision: there may be hundreds of devices to sum over.
        terms = gradient.astype(jnp.float32)
        total = jax.lax.psum_scatter(terms, "shard", scatter_dimension=CUT, tiled=True)
        return (total.astype(gradient.dtype),)

    gathering: Any = jax.custom_vjp(whole)
    gathering.defvjp(lambda part: (whole(part), None), backward)
    return gathering


def mean(gradients: Any) -> Any:
    """Average losses, and gradients as `gather` sums them, over all devices; only inside `Mesh.compile`."""
    import jax

    def each(value: Any) -> Any:
        if value.ndim > 1:
            return jax.lax.pmean(value, "replica") / jax.lax.axis_size("shard")
        return jax.lax.pmean(value, AXES)

    return jax.tree.map(each, gradients)


def total(value: Any) -> Any:
    """Sum over all devices; only inside `Mesh.compile`."""
    import jax

    return jax.lax.psum(value, AXES)
