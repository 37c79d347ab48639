"""What a weight file is, its content says; numbers of 16 bits become float32."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from minicnn import Dense, Sequential
from minicnn.errors import UsageError
from minicnn.exchange import read_weights

FLOATS = ["float64", "float32", "float16"]
WHOLE = ["int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"]


def test_safetensors_of_every_kind(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = {name: (rng.random((2, 3)) * 200).astype(name) for name in [*FLOATS, *WHOLE]}
    arrays |= {"empty": np.zeros((0, 3), "f4"), "number": np.array(2.5, "f4")}
    save_file(arrays, tmp_path / "x.bin")
    read = read_weights(tmp_path / "x.bin")
    assert set(read) == set(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == ("float32" if name == "float16" else array.dtype)
        np.testing.assert_array_equal(read[name], array)


def safetensors_of(dtype: str, numbers: np.ndarray) -> bytes:
    """Return a safetensors file of one array, written by hand."""
    content = numbers.tobytes()
    header = json.dumps({"weight": {"dtype": dtype, "shape": numbers.shape, "data_offsets": [0, len(content)]}})
    return struct.pack("<Q", len(header)) + header.encode() + content


def test_bfloat16_becomes_float32(tmp_path: Path, rng: np.random.Generator) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed: pip install ml_dtypes")
    numbers = np.append(rng.standard_normal(500) * 10.0 ** rng.integers(-30, 30, 500), [0, -0.0, np.inf, -np.inf])
    numbers = numbers.reshape(4, -1).astype(ml_dtypes.bfloat16)
    (tmp_path / "x").write_bytes(safetensors_of("BF16", numbers))
    read = read_weights(tmp_path / "x")["weight"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, numbers.astype(np.float32))


def test_a_bool_is_true_whatever_byte_says_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(safetensors_of("BOOL", np.array([0, 1, 2, 255], "u1")))
    read = read_weights(tmp_path / "x")["weight"]
    np.testing.assert_array_equal(read.view("u1"), [0, 1, 1, 1])


def test_a_networks_own_file_is_read(tmp_path: Path) -> None:
    net = Sequential([Dense(3)], (4,))
    net.save(tmp_path / "net")
    read = read_weights(tmp_path / "net")
    assert set(read) == set(net.state())
    np.testing.assert_array_equal(read["dense1.weight"], net.dense1.weight.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin", ""])
def test_the_name_says_nothing(suffix: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    path = tmp_path / f"x{suffix}"
    expected = np.arange(3, dtype="f4")
    save_file({"weight": expected}, path)
    np.testing.assert_array_equal(read_weights(path)["weight"], expected)
    for new in (True, False):
        torch.save({"weight": torch.arange(3.0)}, path, _use_new_zipfile_serialization=new)
        np.testing.assert_array_equal(read_weights(path)["weight"], expected)


def test_a_header_of_any_length_is_a_header(tmp_path: Path) -> None:
    """Its length comes first, and may look like the beginning of another format."""
    for length in (0x80, 0x280):
        whole = safetensors_of("F32", np.ones(2, "f4"))
        header = whole[8:-8]
        (tmp_path / "x").write_bytes(struct.pack("<Q", length) + header.ljust(length) + whole[-8:])
        np.testing.assert_array_equal(read_weights(tmp_path / "x")["weight"], np.ones(2))


def test_what_is_no_weight_file_is_one_line(tmp_path: Path) -> None:
    whole = safetensors_of("F32", np.ones(2, "f4"))
    cases = {
        "neither a safetensors file nor": [b"", b"weights", bytes(100), b"\x89PNG\r\n\x1a\n"],
        "damaged": [whole[:-1], whole + b"1", whole[:20], b"PK\x03\x04", b"\x80\x02.", b"\xff" * 8 + b"{"],
        "which minicnn does not read": [safetensors_of("F8_E4M3", np.ones(2, "u1"))],
    }
    for part, contents in cases.items():
        for content in contents:
            (tmp_path / "x").write_bytes(content)
            with pytest.raises(UsageError, match=part) as error:
                read_weights(tmp_path / "x")
            assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="there is no weight file"):
        read_weights(tmp_path / "none")
    with pytest.raises(UsageError, match="Is a directory"):
        read_weights(tmp_path)


def test_a_changed_safetensors_file_is_read_or_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    save_file({"weight": np.ones((2, 3), "f4"), "bias": np.ones(3, "f2")}, tmp_path / "x")
    good = (tmp_path / "x").read_bytes()
    for _ in range(300):
        changed = bytearray(good)
        changed[rng.integers(len(good))] = rng.integers(256)
        (tmp_path / "x").write_bytes(changed)
        try:
            read_weights(tmp_path / "x")
        except UsageError as error:
            assert "\n" not in str(error)
