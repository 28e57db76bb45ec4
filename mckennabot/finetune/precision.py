"""Chooses the precision of the matrix products."""

from __future__ import annotations

from mckennabot.backend import import_keras, import_tensorflow
from mckennabot.system import machine

BFLOAT16_GPU = (8, 0)
"""Compute capability from which NVIDIA's GPUs multiply bfloat16: Ampere."""
BFLOAT16_CPU = {"amx_bf16", "avx512_bf16"}
"""Flags of CPUs that do; on others bfloat16 is emulated, and slower than float32."""


def choose(asked: str) -> str:
    """Return `asked`, or for ``auto`` bfloat16 if the device has it in hardware, else float32."""
    if asked != "auto":
        return asked
    gpu = _gpu()
    in_hardware = gpu[1] >= BFLOAT16_GPU if gpu else bool(BFLOAT16_CPU & machine.cpu_flags())
    return "bfloat16" if in_hardware else "float32"


def device() -> str:
    """Name the device that trains."""
    gpu = _gpu()
    return gpu[0] if gpu else "CPU"


def _gpu() -> tuple[str, tuple[int, int]] | None:
    """Return name and compute capability of the GPU that trains; None if there is no GPU."""
    if import_keras().backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        if device.platform != "gpu":
            return None
        return str(device.device_kind), _capability(str(device.compute_capability))
    tf = import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    details = tf.config.experimental.get_device_details(gpus[0])
    return str(details.get("device_name", "GPU")), tuple(details.get("compute_capability", (0, 0)))


def _capability(said: str) -> tuple[int, int]:
    """Parse CUDA's "8.0"; AMD's "gfx90a" has no order, and becomes (0, 0).

    >>> [_capability(said) for said in ("8.6", "9", "gfx90a", "")]
    [(8, 6), (9, 0), (0, 0), (0, 0)]
    """
    major, _, minor = said.partition(".")
    return (int(major), int(minor or 0)) if major.isdigit() and (minor or "0").isdigit() else (0, 0)
