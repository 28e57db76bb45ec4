"""Which precision the matrix products run in."""

from __future__ import annotations

from pathlib import Path

from mckennabot.backend import import_keras, import_tensorflow

BFLOAT16_GPU = (8, 0)
BFLOAT16_CPU = {"amx_bf16", "avx512_bf16"}


def choose(asked: str) -> str:
    """`asked`, or for ``auto``: bfloat16 where the device has it in hardware, else float32."""
    if asked != "auto":
        return asked
    gpu = _gpu()
    in_hardware = gpu[1] >= BFLOAT16_GPU if gpu else bool(BFLOAT16_CPU & _cpu_flags())
    return "bfloat16" if in_hardware else "float32"


def device() -> str:
    """The device that trains, in words."""
    gpu = _gpu()
    return gpu[0] if gpu else "CPU"


def _gpu() -> tuple[str, tuple[int, int]] | None:
    """Name and compute capability of the GPU that trains; None where there is none."""
    if import_keras().backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        if device.platform != "gpu":
            return None
        major, _, minor = str(device.compute_capability).partition(".")
        return str(device.device_kind), (int(major), int(minor or 0))
    tf = import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    details = tf.config.experimental.get_device_details(gpus[0])
    return str(details.get("device_name", "GPU")), tuple(details.get("compute_capability", (0, 0)))


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.split())
