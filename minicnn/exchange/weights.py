"""Weights by name from a file of any kind that is known, told by its content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors

from minicnn.errors import UsageError
from minicnn.exchange.numbers import BFLOAT16, decode
from minicnn.exchange.pth import PICKLE, ZIP, read_pth

CODES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": BFLOAT16, "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
HEADER = slice(8, 9)  # a safetensors file: the header's length in 8 bytes, then the header, which is JSON


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of a safetensors file or of a PyTorch checkpoint by name; numbers of 16 bits come as float32.

    Which of them it is, its content says, not its name. Arrays may be read-only.
    Raises UsageError when the file is missing, damaged, neither of them, or would execute code (see `read_pth`).
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(HEADER.stop)
    except FileNotFoundError:
        raise UsageError(f"there is no weight file {path}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    if start[HEADER] == b"{":
        return _read_safetensors(Path(path))
    if start.startswith((ZIP, PICKLE)):
        return read_pth(path)
    raise UsageError(f"{path} is neither a safetensors file nor a PyTorch checkpoint")


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    arrays = {}
    try:
        for name, stored in safetensors.deserialize(path.read_bytes()):
            if stored["dtype"] not in CODES:
                raise UsageError(f"{path}: {name!r} is of {stored['dtype']}, which minicnn does not read")
            arrays[name] = decode(stored["data"], CODES[stored["dtype"]]).reshape(stored["shape"])
    except (safetensors.SafetensorError, OSError) as error:
        raise UsageError(f"{path} is damaged or no safetensors file ({error})") from error
    return arrays
