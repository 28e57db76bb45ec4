"""Which precision the matrix products run in."""

from __future__ import annotations

from pathlib import Path

from mckennabot.backend import import_tensorflow

BFLOAT16_GPU = (8, 0)
BFLOAT16_CPU = {"amx_bf16", "avx512_bf16"}


def choose(asked: str) -> str:
    """`asked`, or for ``auto``: bfloat16 where the device has it in hardware, else float32."""
    if asked != "auto":
        return asked
    gpus = import_tensorflow().config.list_physical_devices("GPU")
    if gpus:
        details = import_tensorflow().config.experimental.get_device_details(gpus[0])
        in_hardware = tuple(details.get("compute_capability", (0, 0))) >= BFLOAT16_GPU
    else:
        in_hardware = bool(BFLOAT16_CPU & _cpu_flags())
    return "bfloat16" if in_hardware else "float32"


def device() -> str:
    """The device that trains, in words."""
    gpus = import_tensorflow().config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    details = import_tensorflow().config.experimental.get_device_details(gpus[0])
    return str(details.get("device_name", "GPU"))


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.split())
