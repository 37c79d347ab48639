"""ImageNet's three archives in small: real names and structure, a few classes, pictures of one colour each."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

FIELDS = (
    "ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images",
)  # fmt: skip
KIT = "ILSVRC2012_devkit_t12"

Files = dict[str, bytes]


def picture(number: int) -> bytes:
    """Return a JPEG file unlike that of any other number below 512."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 8 * 32, number // 8 % 8 * 32, number // 64 * 32)).save(file, "JPEG")
    return file.getvalue()


def tar(files: Mapping[str, bytes | tarfile.TarInfo] | Sequence[tuple[str, bytes]], mode: str = "w") -> bytes:
    """Return a tar archive of files (name → content); a TarInfo stands for itself, such as a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items() if isinstance(files, Mapping) else files:
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def link(name: str, to: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    return entry


def sparse(name: str) -> tarfile.TarInfo:
    """Return an entry whose content is holes: however large it says to be, nothing of it is in the archive."""
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.GNUTYPE_SPARSE
    return entry


@dataclass
class Archives:
    """What the archives hold, to be spoilt by a test before they are written.

    The classes' own numbers 1, 2, 3, … follow the order of `training`, which is not that of the labels, and above them
    stand wider meanings without pictures, as in the real table.
    """

    training: dict[str, Files] = field(
        default_factory=lambda: {
            synset: {f"{synset}_{10 * k + n}.JPEG": picture(20 * k + n) for n in range(count)}
            for k, (synset, count) in enumerate(
                {"n03888257": 3, "n01440764": 5, "n03000684": 4, "n02979186": 3}.items()
            )
        }
    )
    truth: list[int] = field(default_factory=lambda: [2, 1, 4, 4, 3, 1, 2, 3])
    validation: dict[str, bytes | tarfile.TarInfo] = field(
        default_factory=lambda: {f"ILSVRC2012_val_{n:08d}.JPEG": picture(100 + n) for n in range(1, 9)}
    )
    table: list[tuple[object, ...]] = field(init=False)

    def __post_init__(self) -> None:
        leaves = [
            (number, synset, "words, more words", "a gloss", 0, np.zeros((1, 0)), 0, len(pictures))
            for number, (synset, pictures) in enumerate(self.training.items(), start=1)
        ]
        above = [
            (len(leaves) + 1, "n00001740", "entity", "that which exists", 2, np.array([6, 1]), 2, 0),
            (len(leaves) + 2, "n00001930", "physical entity", "an entity", 3, np.array([2, 3, 4]), 1, 0),
        ]
        self.table = leaves + above

    def meta(self) -> bytes:
        rows = np.zeros((len(self.table), 1), dtype=[(name, object) for name in FIELDS])
        for number, row in enumerate(self.table):
            rows[number, 0] = row
        file = io.BytesIO()
        savemat(file, {"synsets": rows})
        return file.getvalue()

    def kit(self) -> Files:
        truth = "".join(f"{number}\n" for number in self.truth).encode()
        return {
            f"{KIT}/readme.txt": b"about the kit",
            f"{KIT}/data/meta.mat": self.meta(),
            f"{KIT}/data/ILSVRC2012_validation_ground_truth.txt": truth,
        }

    def files(self) -> Files:
        """Return the archives themselves: name → content."""
        classes = {f"{synset}.tar": tar(pictures) for synset, pictures in self.training.items()}
        return {
            "ILSVRC2012_img_train.tar": tar(classes),
            "ILSVRC2012_img_val.tar": tar(dict(sorted(self.validation.items(), reverse=True))),
            "ILSVRC2012_devkit_t12.tar.gz": tar(self.kit(), "w:gz"),
        }

    def write(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        for name, content in self.files().items():
            (folder / name).write_bytes(content)
        return folder

    def expected(self) -> Files:
        """Return what the folder should hold: path → content."""
        synsets = list(self.training)
        expected = {f"train/{s}/{name}": content for s in synsets for name, content in self.training[s].items()}
        for number, identity in enumerate(self.truth, start=1):
            name = f"ILSVRC2012_val_{number:08d}.JPEG"
            expected[f"val/{synsets[identity - 1]}/{name}"] = self.validation[name]
        return expected


def content(folder: Path) -> Files:
    """Return every file in a folder: path in it → content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
