"""Named sets are fetched whole or not at all; the archives here are small ones made for the test."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import io
import json
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn.data import NAMED_DATASETS, cache_folder, download, named_dataset, open_dataset
from minicnn.errors import UsageError


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def publish(monkeypatch: pytest.MonkeyPatch, name: str, archive: Path, **changes: object) -> None:
    """Pretend that this archive is the published one."""
    md5 = hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
    changed = dataclasses.replace(NAMED_DATASETS[name], url=archive.as_uri(), md5=md5, **changes)
    monkeypatch.setitem(NAMED_DATASETS, name, changed)


@pytest.fixture
def records(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Six CIFAR-10 files of ten pictures, one of each class."""
    files = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    return {
        name: np.column_stack([rng.permutation(10), rng.integers(0, 256, (10, 3072))]).astype(np.uint8)
        for name in files
    }


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: dict[str, np.ndarray]) -> Path:
    files = {f"cifar-10-batches-bin/{name}": content.tobytes() for name, content in records.items()}
    archive = write_archive(tmp_path / "cifar.tar.gz", files)
    publish(monkeypatch, "cifar10", archive, images={"train": 50, "test": 10})
    return archive


def nothing_left() -> bool:
    return not cache_folder().exists() or list(cache_folder().iterdir()) == []


def test_cifar10_pictures_are_the_records(cifar10: Path, records: dict[str, np.ndarray]) -> None:
    heard: list[tuple[int, int]] = []
    folder = download("cifar10", progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (cifar10.stat().st_size, cifar10.stat().st_size)
    splits = open_dataset("cifar10")
    assert (len(splits.train), len(splits.validation)) == (50, 10)
    for number, record in enumerate(records["test_batch.bin"]):
        path = folder / "test" / splits.classes[record[0]] / f"{number:05d}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(path)), record[1:].reshape(3, 32, 32).transpose(1, 2, 0))
    source = json.loads((folder / "source.json").read_text())
    assert source["sha256"] == hashlib.sha256(cifar10.read_bytes()).hexdigest()
    assert source["bytes"] == cifar10.stat().st_size
    assert sorted(path.name for path in folder.iterdir()) == ["source.json", "test", "train"]


def test_imagenette_keeps_its_folders_and_gets_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    files = {
        f"imagenette2-160/{part}/{name}/{name}_1.JPEG": picture.getvalue()
        for part in ("train", "val")
        for name in named_dataset("imagenette").classes
    }
    archive = write_archive(tmp_path / "imagenette.tgz", files | {"imagenette2-160/noise_imagenette.csv": b"-"})
    publish(monkeypatch, "imagenette", archive, images={"train": 10, "val": 10})
    download("imagenette")
    splits = open_dataset("imagenette")
    assert splits.class_names[0] == "tench"
    assert len(splits.train) == len(splits.validation) == 10


def test_over_http_and_from_another_address(cifar10: Path) -> None:
    handler = functools.partial(QuietHandler, directory=str(cifar10.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(
            UsageError,
            match=r"could not be downloaded from .*missing: File not found; .*--source FILE\. Any",
        ):
            download("cifar10", source=f"{address}/missing")
        assert download("cifar10", source=f"{address}/{cifar10.name}").is_dir()
        server.shutdown()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_file_on_this_computer_may_be_the_source(cifar10: Path) -> None:
    assert download("cifar10", source=str(cifar10)).is_dir()


def test_what_is_there_is_left_alone(cifar10: Path) -> None:
    folder = download("cifar10")
    cifar10.unlink()
    assert download("cifar10") == folder


@pytest.mark.parametrize("source", ["http://127.0.0.1:9/archive", "nowhere.tgz", "gopher://x/y"])
def test_no_connection(source: str) -> None:
    with pytest.raises(UsageError, match="check the connection"):
        download("cifar10", source=source)
    assert nothing_left()


def test_another_archive_is_refused(cifar10: Path) -> None:
    cifar10.write_bytes(cifar10.read_bytes()[:-100])
    with pytest.raises(UsageError, match=r"is not the published archive \(MD5 .*download it again"):
        download("cifar10")
    assert nothing_left()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme.txt": b"nothing"}, "does not hold what it should"),
        ({"../outside.txt": b"escape"}, "cannot be unpacked"),
        ({f"cifar-10-batches-bin/data_batch_{n}.bin": bytes(3073) for n in range(1, 6)}, "does not hold"),
    ],
)
def test_an_archive_with_other_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], message: str
) -> None:
    publish(monkeypatch, "cifar10", write_archive(tmp_path / "other.tar.gz", files))
    with pytest.raises(UsageError, match=message):
        download("cifar10")
    assert nothing_left()
    assert not (cache_folder().parent / "outside.txt").exists()


def test_too_few_images(monkeypatch: pytest.MonkeyPatch, cifar10: Path) -> None:
    publish(monkeypatch, "cifar10", cifar10, images={"train": 50, "test": 11})
    with pytest.raises(UsageError, match="cifar10's test should be 11 images of 10 classes; got 10 of 10"):
        download("cifar10")
    assert nothing_left()


def test_names_that_cannot_be_downloaded() -> None:
    with pytest.raises(UsageError, match="no data set named 'mnist'; known are shapes, imagenette, cifar10"):
        download("mnist")
    with pytest.raises(UsageError, match="shapes needs no download"):
        download("shapes")


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere/relative")
    assert cache_folder() == Path.home() / ".cache" / "minicnn"
