"""Finds out what this machine has: cores, free memory, instructions, and the user's cache directory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any


def cores() -> int:
    """Count the cores that this process may use: by its affinity, and by the limit of a container."""
    import psutil

    process: Any = psutil.Process()
    try:
        allowed = len(process.cpu_affinity() or ())
    except (AttributeError, OSError, psutil.Error):  # macOS has none
        allowed = 0
    allowed = allowed or psutil.cpu_count() or 1
    return max(1, min(allowed, _container_cores() or allowed))


def free_memory() -> int | None:
    """Return the bytes that this process may still take: the machine's, or what a container has left."""
    import psutil

    try:
        machine: int | None = int(psutil.virtual_memory().available)
    except (OSError, psutil.Error):
        machine = None
    return min((room for room in (machine, _container_memory()) if room is not None), default=None)


def free_gpu_memory() -> int | None:
    """Return the bytes free on the first GPU that CUDA shows to this process; None if nobody knows."""
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return _first_visible(said, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _first_visible(table: str, visible: str | None) -> int | None:
    r"""Bytes free on the GPU that `visible` (CUDA_VISIBLE_DEVICES) names first, by index or by UUID.

    >>> table = "0, GPU-aa, 100\n1, GPU-bb, 200\n"
    >>> [_first_visible(table, names) for names in (None, "1,0", "GPU-b", "", "-1", "MIG-c")]
    [104857600, 209715200, 209715200, None, None, None]
    """
    rows = [[cell.strip() for cell in line.split(",")] for line in table.splitlines()]
    first = None if visible is None else visible.split(",")[0].strip()
    for row in rows:
        if len(row) != 3 or not row[2].isdigit():
            continue
        if first is None or row[0] == first or (first.startswith("GPU-") and row[1].startswith(first)):
            return int(row[2]) << 20
    return None


def cpu_flags() -> set[str]:
    """Return the processor's extensions, such as ``avx512_bf16``; none on systems other than Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.split())


def cache_directory() -> Path:
    """Return the directory in which the user's system keeps files that can be made again."""
    import platformdirs

    return platformdirs.user_cache_path("mckennabot", appauthor=False)


def memory_disk() -> Path | None:
    """Return a directory whose files lie in memory; None if there is none that this user may write to."""
    disk = Path("/dev/shm")
    return disk if disk.is_dir() and os.access(disk, os.W_OK) else None


def _container_cores(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Cores by the quota of the control group at the top of what is seen, rounded up; None without one."""
    try:
        quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # no version 2, or "max"
        pass
    try:
        quota, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return -(-int(quota) // int(period)) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _container_memory(
    own: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """What the limits of this process's control groups leave it, of version 1 and 2; None without any."""
    rooms = []
    try:
        groups = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    for _, controllers, path in groups:
        if controllers == "":
            top, limit, usage, cache = root, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, limit, usage = root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        group = top / path.lstrip("/")
        # In a container the path may be the host's, and the limits are at the top of what is seen.
        for directory in {group, *group.parents, top}:
            try:
                room = int((directory / limit).read_text()) - int((directory / usage).read_text())
                stat = dict(line.split() for line in (directory / "memory.stat").read_text().splitlines())
                rooms.append(max(0, room + int(stat.get(cache, 0))))
            except (OSError, ValueError):  # no such group, or no limit ("max")
                continue
    return min(rooms, default=None)
