"""PyTorch's checkpoints (.pth, .pt, .bin), read without PyTorch and without executing what they hold.

Since PyTorch 1.6 a checkpoint is a zip file, uncompressed: a pickle `data.pkl`, whose tensors point by persistent ids
to storages, which are the files `data/0`, `data/1`, …. Before, it was five pickles one after the other (a magic number,
a version, facts about the machine, the object, the storages' keys), and then each storage: a count of 8 bytes and the
numbers, little endian. A tensor is an offset, a size and a stride over a storage, which several may share.
Source: torch/serialization.py, torch/_utils.py.
"""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minicnn.errors import UsageError
from minicnn.exchange.numbers import BFLOAT16, bytes_each, decode
from minicnn.exchange.pickles import Name, Refused, read_pickle, require, shown

ZIP = b"PK\x03\x04"  # what a zip file begins with
PICKLE = b"\x80"  # and a pickle, which says its version next
MAGIC = 0x1950A86A20F9469CFC6C  # PyTorch's, the first thing in a file of before 1.6
STORAGES = {
    "torch.DoubleStorage": "f8", "torch.FloatStorage": "f4", "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": BFLOAT16, "torch.LongStorage": "i8", "torch.IntStorage": "i4", "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1", "torch.ByteStorage": "u1", "torch.BoolStorage": "?",
    "torch.UntypedStorage": "u1", "torch.storage.UntypedStorage": "u1",
}  # fmt: skip
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model")  # keys under which training scripts put weights
MOST_AXES = 64  # NumPy's
LARGEST = 2**63 - 1  # of PyTorch's own counts


@dataclass(frozen=True)
class _Storage:
    """A row of `count` numbers of a kind (see `numbers`), beside the pickle under `key`."""

    key: str
    code: str
    count: int


@dataclass(frozen=True, eq=False)
class _Tensor:
    """A view of a storage; offset and stride count numbers, not bytes."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


ReadStorage = Callable[[_Storage], np.ndarray]


def read_pth(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of a PyTorch checkpoint by name, in the file's order; numbers of 16 bits come as float32.

    A state dict may stand in a dict of other things, under "state_dict" or "model"; a prefix "module." that all names
    have is taken off. Arrays are read-only, and share memory where the file's tensors do: together they take no more
    than twice the file. Raises UsageError when the file is missing, damaged, none of PyTorch's, or would execute code:
    it names the opcode and what would be called.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(len(ZIP))
            file.seek(0)
            if not start.startswith((ZIP, PICKLE)):
                raise ValueError("it begins with neither a zip file's magic number nor a pickle's")
            value, read_storage = _open_zip(file) if start == ZIP else _open_legacy(file.read())
            return {name: _array(tensor, read_storage) for name, tensor in _state_dict(value).items()}
    except Refused as error:
        raise UsageError(
            f"{path} {error}: refused; ask for a safetensors file, or one of the network's state_dict() alone"
        ) from None
    except FileNotFoundError:
        raise UsageError(f"there is no weight file {path}") from None
    except (
        ValueError, LookupError, TypeError, OSError, EOFError, OverflowError, NotImplementedError, RuntimeError,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise UsageError(f"{path} is damaged or no PyTorch checkpoint of weights: {error}") from error


def _open_zip(file: BinaryIO) -> tuple[Any, ReadStorage]:
    """Return what `data.pkl` holds, and the function that reads a storage."""
    length = file.seek(0, io.SEEK_END)
    archive = zipfile.ZipFile(file)
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("it is compressed, which PyTorch's files are not")
    if sum(max(entry.file_size, entry.compress_size) for entry in entries) > length:
        raise ValueError("it claims to hold more than the file has bytes")
    roots = [name.removesuffix("data.pkl") for name in archive.namelist() if name.split("/")[1:] == ["data.pkl"]]
    if len(roots) != 1:
        raise ValueError(f"there should be one data.pkl in the zip file; there are {len(roots)}")
    root = roots[0]
    order = archive.read(f"{root}byteorder") if f"{root}byteorder" in archive.namelist() else b"little"
    if order not in (b"little", b"big"):
        raise ValueError(f"byteorder should be little or big; it is {order[:20]!r}")

    @functools.cache
    def read_storage(storage: _Storage) -> np.ndarray:
        return _row(storage, archive.read(f"{root}data/{storage.key}"), "<" if order == b"little" else ">")

    value, _ = _read_tensors(io.BytesIO(archive.read(f"{root}data.pkl")))
    return value, read_storage


def _open_legacy(content: bytes) -> tuple[Any, ReadStorage]:
    """Return what the object's pickle holds, and the function that reads a storage."""
    stream = io.BytesIO(content)
    if read_pickle(stream) != MAGIC:
        raise ValueError("it does not begin with PyTorch's magic number")
    read_pickle(stream)  # the version of the format, of which there is one
    read_pickle(stream)  # sizes of C's integers, which play no part in storages
    value, storages = _read_tensors(stream)
    rows: dict[_Storage, np.ndarray] = {}
    for key in require(list, read_pickle(stream)):
        storage = storages.get(require(str, key))
        if storage is None:
            raise ValueError(f"storage {shown(key)} belongs to no tensor")
        count = int.from_bytes(stream.read(8), "little")
        if count != storage.count:
            raise ValueError(f"storage {shown(key)} should hold {storage.count} numbers and says {count}")
        begin = stream.tell()
        end = stream.seek(count * bytes_each(storage.code), io.SEEK_CUR)
        rows[storage] = _row(storage, memoryview(content)[begin:end], "<")
    if missing := [storage.key for storage in storages.values() if storage not in rows]:
        raise ValueError(f"storage {shown(missing[0])} is missing")
    return value, rows.__getitem__


def _row(storage: _Storage, content: bytes | memoryview, byteorder: str) -> np.ndarray:
    """Return a storage's numbers (count,). Raises ValueError when there are fewer."""
    length = storage.count * bytes_each(storage.code)
    if len(content) < length:
        raise ValueError(f"storage {shown(storage.key)} should have {length} bytes; there are {len(content)}")
    return decode(memoryview(content)[:length], storage.code, byteorder)


def _read_tensors(stream: BinaryIO) -> tuple[Any, dict[str, _Storage]]:
    """Return the value of a pickle of tensors, and the storages that they point to, by key."""
    storages: dict[str, _Storage] = {}

    def storage(pointer: Any) -> _Storage:
        if require(tuple, pointer)[:1] == ("module",):  # how the older format points to a class and its source
            raise Refused("holds a whole network, which is code")
        what, name, key, _, count, *view = pointer
        if not isinstance(name, Name) or name.text not in STORAGES:
            raise ValueError(f"minicnn reads no {shown(name.text) if isinstance(name, Name) else 'such storage'}")
        if what != "storage" or not isinstance(key, str) or not _is_count(count) or view not in ([], [None]):
            raise ValueError("a persistent id points to no storage")
        found = _Storage(key, STORAGES[name.text], count)
        if storages.setdefault(key, found) != found:
            raise ValueError(f"storage {shown(key)} is said to be of two kinds")
        return found

    calls: dict[str, Callable[..., object]] = {
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": lambda tensor, requires_grad, hooks: tensor,
    }
    return read_pickle(stream, calls, STORAGES, storage), storages


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, hooks: Any = None, more: Any = None
) -> _Tensor:
    """Stand for torch._utils._rebuild_tensor_v2. Raises ValueError for what lies outside of the storage."""
    fits = isinstance(storage, _Storage) and isinstance(size, tuple) and isinstance(stride, tuple)
    if not fits or len(size) != len(stride) or len(size) > MOST_AXES:
        raise ValueError("a tensor has no storage, or no size and stride that fit")
    if not all(map(_is_count, (offset, *size, *stride))):
        raise ValueError("a tensor's offset, size or stride is no whole number of at least 0")
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.count:
        raise ValueError(f"a tensor reaches up to number {last} of a storage of {storage.count}")
    if prod(size) > storage.count:
        raise ValueError(f"a tensor of {prod(size)} numbers is larger than its storage of {storage.count}")
    return _Tensor(storage, offset, size, stride)


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number <= LARGEST


def _array(tensor: _Tensor, read_storage: ReadStorage) -> np.ndarray:
    """Return a tensor's numbers, as a read-only view of its storage's."""
    row = read_storage(tensor.storage)
    if 0 in tensor.size:
        return np.zeros(tensor.size, row.dtype)
    # An axis of one number may have any stride, which is never walked.
    steps = [row.itemsize * step if side > 1 else 0 for side, step in zip(tensor.size, tensor.stride, strict=True)]
    return np.lib.stride_tricks.as_strided(row[tensor.offset :], tensor.size, steps, writeable=False)


def _state_dict(value: Any) -> dict[str, _Tensor]:
    """Return the tensors by name in what a checkpoint holds, without the wrappings that training scripts add."""
    outermost = value if isinstance(value, dict) else {}
    wrapped = [outermost[key] for key in WRAPPERS if isinstance(outermost.get(key), dict)]
    state = wrapped[0] if wrapped else outermost
    tensors = {name: item for name, item in state.items() if isinstance(item, _Tensor)}
    if not tensors or not all(isinstance(name, str) for name in tensors):
        raise ValueError("it holds no tensors by name, as a network's state_dict() does")
    if all(name.startswith("module.") for name in tensors):  # from torch.nn.DataParallel
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors
