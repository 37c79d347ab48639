"""Keeping compiled kernels for the next process: where nobody else can write, in files checked before they are used.

Numba can do so itself, but unpickles whatever lies in its folder: who may write there runs code in every process that
computes, a damaged file ends it, and so do a full disk and the want of any folder. Nor does it notice when a function
changes that a kept one calls from another file. So kernels are kept here instead, by two rules:

- The folder is this user's alone (`make_private`), `kernels-…` for exactly these sources, in the first of these that
  will do: the folder that MINICNN_CACHE_DIR names, or else NUMBA_CACHE_DIR; with neither, __pycache__ beside the
  sources, then ~/.cache/minicnn. Where none will do, nothing is kept, and the user is told why.
- A file holds one kernel for one signature, after a checksum of its content and of all that this depends on. A file
  that does not match is as good as none: the kernel is compiled anew and kept in its place. Files are written under
  another name and moved, so that processes may share the folder. What cannot be written is not kept, and no error.

The checksum tells damage, not malice: against that stands the folder.

Of Numba's internals this uses the attribute `_cache` of its dispatchers, with the methods of `NullCache` overridden
here, and what its own cache does with a compiled function: `_reduce`, `serialize.dumps`, `_rebuild`. They are the same
in Numba 0.61 and 0.68.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from minicnn.kernels.cpu.blas_library import ARCHITECTURES
from minicnn.kernels.cpu.notice import tell_once
from minicnn.kernels.cpu.private import make_private

UNUSED = 30 * 24 * 3600  # seconds after its last use that the folder of other sources is cleared away
SEAL = hashlib.sha256().digest_size  # bytes

HERE = Path(__file__).parent
SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(HERE.glob("*.py")))).hexdigest()


def keep(kernel: Any) -> Any:
    """Let a function that Numba compiles be kept for the next process, and return it."""
    if not numba.config.DISABLE_JIT:  # it is plain Python then
        kernel._cache = Kept(kernel.py_func, *settled_folder())
    return kernel


class Kept(NullCache):
    """What was kept of one kernel, as Numba asks for it: a file for each signature in `folder`.

    With None for the folder nothing is kept; `refusal` says why.
    """

    def __init__(self, function: Callable[..., Any], folder: Path | None, refusal: str = "") -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._folder, self._refusal = folder, refusal

    @property
    def cache_path(self) -> str | None:
        """The folder, as Numba's statistics show it."""
        return None if self._folder is None else str(self._folder)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the kernel that was compiled for `signature`, or None: then Numba compiles it."""
        target.refresh()  # what the kernel will call has to be known first
        if self._folder is None:
            tell_once(
                "compiling kernels, for this process alone: there is no folder of your own to keep them in. "
                f"MINICNN_CACHE_DIR may name one ({self._refusal})"
            )
            return None
        name, identity = self._identified(signature, target)
        kept = b""
        with suppress(OSError):
            kept = (self._folder / name).read_bytes()
        seal, content = kept[:SEAL], kept[SEAL:]
        if seal == _seal(identity, content):
            return CompileResult._rebuild(target, *pickle.loads(content))
        tell_once("compiling kernels, once: they are kept for the next time")
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a kernel that was compiled for `signature`, if that is possible."""
        if self._folder is None or result.library.has_dynamic_globals:  # addresses that hold in this process alone
            return
        name, identity = self._identified(signature, result.target_context)
        content = dumps(result._reduce())
        try:
            _write(self._folder / name, _seal(identity, content) + content)
        except OSError as error:
            tell_once(f"compiled kernels cannot be kept in {self._folder}: {error.strerror}")

    def _identified(self, signature: Any, target: Any) -> tuple[str, bytes]:
        """Return the name of the file for a signature, and a hash of all that its content depends on."""
        types = ", ".join(_described(each) for each in getattr(signature, "args", signature))
        versions = (sys.version, numba.__version__, np.__version__, *ARCHITECTURES, *target.codegen().magic_tuple())
        identity = hashlib.sha256("\n".join([SOURCES, self._name, types, *versions]).encode())
        return f"{self._name}-{identity.hexdigest()[:32]}", identity.digest()


def _described(kind: Any) -> str:
    """Return all that tells one of Numba's types from others; its name says nothing of a tuple's field names."""
    members = [_described(each) for each in getattr(kind, "types", ())]
    return f"{kind} {getattr(kind, 'fields', '')} {members}"


def _seal(identity: bytes, content: bytes) -> bytes:
    return hashlib.sha256(identity + content).digest()


def _write(path: Path, content: bytes) -> None:
    """Write a file beside `path` and move it there; nothing waits for the disk, since a seal tells what did arrive."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@functools.cache
def settled_folder() -> tuple[Path | None, str]:
    """Return the folder in which this process keeps kernels, or None; and what is wrong with each that was refused."""
    refusals = []
    for room in _rooms():
        folder = room / f"kernels-{SOURCES[:16]}"
        try:
            claim(folder)
        except OSError as error:
            refusals.append(str(error))
        else:
            return folder, "; ".join(refusals)
    return None, "; ".join(refusals)


def _rooms() -> Iterator[Path]:
    named = os.environ.get("MINICNN_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    if named:
        yield Path(named).absolute()
        return
    yield HERE / "__pycache__"
    with suppress(RuntimeError):  # a user without a home
        yield Path.home() / ".cache" / "minicnn"


def claim(folder: Path) -> None:
    """Make `folder`, whose time tells when it was last used, and with a new one clear away those long unused.

    A process that still runs with a removed folder compiles anew where it has to, and one that cannot be removed stays.
    Raises OSError where `folder` is not this user's alone, or cannot be made.
    """
    new = not folder.exists()
    make_private(folder)
    with suppress(OSError):
        if not new:
            os.utime(folder)
            return
        for other in folder.parent.glob("kernels-" + "[0-9a-f]" * 16):
            if time.time() - other.stat().st_mtime > UNUSED:
                shutil.rmtree(other, ignore_errors=True)
