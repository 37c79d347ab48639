"""Fetch a named data set: archive → checksum → folders of images, complete or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from minicnn.data.cache import new_folder
from minicnn.data.datasets import NamedDataset, named_dataset
from minicnn.errors import UsageError

CHUNK = 1 << 20  # bytes
TIMEOUT = 60  # seconds without an answer
Progress = Callable[[int, int], None]


def download(name: str, *, source: str | None = None, progress: Progress | None = None) -> Path:
    """Fetch a named data set into the user's cache; one that is there already is left alone.

    name: a data set that has a `url`.
    source: another address (or a file on this computer) of the same archive; None for the published one.
    progress: called with (bytes so far, bytes in all or 0 where unknown).
    Returns the folder. A `source.json` in it records the address, size and SHA-256 of what was fetched.
    Raises UsageError: unknown name, nothing to download, no connection, an archive that is not the published
    one or does not hold what it should.
    """
    dataset = named_dataset(name)
    if dataset.url is None:
        raise UsageError(f"{name} needs no download: it is made on first use")
    if dataset.present:
        return dataset.folder
    address = source or dataset.url
    with new_folder(dataset.folder) as folder:
        archive = folder / ".archive"
        record = _fetch(address, archive, dataset, progress)
        _unpack(archive, folder, dataset)
        archive.unlink()
        _check_content(folder, dataset)
        (folder / "source.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return dataset.folder


def _fetch(address: str, archive: Path, dataset: NamedDataset, progress: Progress | None) -> dict[str, str | int]:
    import urllib.error  # with what it needs for it, it takes longer to import than all of minicnn
    import urllib.request

    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    url = Path(address).resolve().as_uri() if Path(address).exists() else address
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, archive.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                md5.update(chunk)
                sha256.update(chunk)
                size += len(chunk)
                if progress:
                    progress(size, total)
    except (OSError, ValueError) as error:  # URLError is an OSError; a malformed address is a ValueError
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        hint = (
            "check the connection, or fetch the archive elsewhere and name it: "
            f"minicnn data download {dataset.name} --source FILE. Any folder with a folder of pictures for each class "
            "can be trained on too: minicnn train FOLDER"
        )
        raise UsageError(f"{dataset.name} could not be downloaded from {address}: {reason}; {hint}") from error
    if dataset.md5 is not None and md5.hexdigest() != dataset.md5:
        got = f"{size} bytes with MD5 {md5.hexdigest()}"
        raise UsageError(f"{address} is not the published archive (MD5 {dataset.md5}): got {got}; download it again")
    return {"url": address, "bytes": size, "sha256": sha256.hexdigest()}


def _unpack(archive: Path, folder: Path, dataset: NamedDataset) -> None:
    import tarfile

    unpacked = folder / ".unpacked"
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")  # refuses paths that lead out of the folder
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UsageError(f"the archive of {dataset.name} cannot be unpacked: {error}") from error
    try:
        ARRANGE[dataset.name](unpacked, folder, dataset)
    except (OSError, StopIteration, ValueError) as error:
        raise UsageError(f"the archive of {dataset.name} does not hold what it should: {error}") from error
    shutil.rmtree(unpacked)


def _arrange_imagenette(unpacked: Path, folder: Path, dataset: NamedDataset) -> None:
    root = unpacked / "imagenette2-160"
    for part in dataset.images:
        (root / part).rename(folder / part)


def _arrange_cifar10(unpacked: Path, folder: Path, dataset: NamedDataset) -> None:
    root = unpacked / "cifar-10-batches-bin"
    batches = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
    for part, names in batches.items():
        for name in dataset.classes:
            (folder / part / name).mkdir(parents=True)
        number = 0
        for batch in names:
            # A record is one byte of label and 32×32 pixels, plane by plane: red, green, blue.
            records = np.fromfile(root / batch, dtype=np.uint8).reshape(-1, 1 + 3 * 32 * 32)
            pictures = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            for label, picture in zip(records[:, 0].tolist(), pictures, strict=True):
                if label >= len(dataset.classes):
                    raise ValueError(f"{batch} has the label {label}")
                path = folder / part / dataset.classes[label] / f"{number:05d}.png"
                Image.fromarray(picture).save(path, compress_level=1)
                number += 1


ARRANGE = {"imagenette": _arrange_imagenette, "cifar10": _arrange_cifar10}


def _check_content(folder: Path, dataset: NamedDataset) -> None:
    for part, expected in dataset.images.items():
        classes = tuple(sorted(path.name for path in (folder / part).iterdir() if path.is_dir()))
        images = sum(1 for path in (folder / part).glob("*/*") if not path.name.startswith("."))
        if classes != dataset.classes or images != expected:
            wanted = f"{expected} images of {len(dataset.classes)} classes"
            raise UsageError(f"{dataset.name}'s {part} should be {wanted}; got {images} of {len(classes)}")
