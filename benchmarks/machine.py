"""What the measurements were made on: the machine and the versions of everything that matters."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "minicnn", "numpy", "numba", "scipy", "torch", "jax", "tensorflow", "tensorflow-cpu",
    "cupy-cuda12x", "cupy-cuda13x",
)  # fmt: skip
LIBRARY_SETTINGS = ("OPENBLAS_", "OMP_", "MKL_")  # environment variables that change what the libraries compute with


def cpu_name() -> str:
    """Return the processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, object]:
    """Return processor, cores, system, Python, package versions, and what the environment tells the libraries."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": cpu_name(), "cores": cores(), "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(), "versions": versions,
        "environment": {name: os.environ[name] for name in sorted(os.environ) if name.startswith(LIBRARY_SETTINGS)},
    }  # fmt: skip


def short_name() -> str:
    """Return the machine's name for a file: the processor and its cores, in letters, digits and hyphens."""
    words = "".join(c if c.isalnum() else " " for c in cpu_name().lower()).split()
    return "-".join([*words[:4], f"{cores()}cores"])
