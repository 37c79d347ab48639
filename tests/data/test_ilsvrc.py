"""ImageNet's official archives become folders, whole or not at all."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from minicnn.data import import_ilsvrc, open_dataset
from minicnn.errors import UsageError
from tests.data.official_archives import KIT, Archives, content, link, picture, sparse, tar

TRAIN, VAL, DEVKIT = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"


def test_every_picture_gets_to_its_class(tmp_path: Path) -> None:
    archives = Archives()
    folder = import_ilsvrc(archives.write(tmp_path / "official"), tmp_path / "imagenet")
    assert folder == tmp_path / "imagenet"
    assert content(folder) == archives.expected()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imagenet", "official"]

    splits = open_dataset(folder, strict=True)
    assert splits.classes == ("n01440764", "n02979186", "n03000684", "n03888257")
    assert splits.class_names == ("tench", "cassette player", "chain saw", "parachute")
    assert (len(splits.train), len(splits.validation)) == (15, 8)


def test_the_folders_are_those_of_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imagenet = pytest.importorskip("torchvision.datasets.imagenet", reason="torchvision is not installed")
    official = Archives().write(tmp_path / "official")
    known = {
        key: (name, hashlib.md5((official / name).read_bytes(), usedforsecurity=False).hexdigest())
        for key, name in (("train", TRAIN), ("val", VAL), ("devkit", DEVKIT))
    }
    monkeypatch.setattr(imagenet, "ARCHIVE_META", known)
    ours = import_ilsvrc(official, tmp_path / "imagenet")
    for parse in (imagenet.parse_devkit_archive, imagenet.parse_train_archive, imagenet.parse_val_archive):
        parse(str(official))
    for part in ("train", "val"):
        assert content(ours / part) == content(official / part)


def test_progress_counts_the_archives_and_no_class_is_unpacked_twice(tmp_path: Path) -> None:
    official = Archives().write(tmp_path / "official")
    heard: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        heard.append((done, total))
        made = {path.suffix for path in tmp_path.glob(".imagenet-*/**/*") if path.is_file()}
        assert made == {".JPEG"}

    import_ilsvrc(official, tmp_path / "imagenet", progress=progress)
    size = sum((official / name).stat().st_size for name in (TRAIN, VAL))
    assert heard == sorted(heard) and heard[0][0] > 0
    assert {total for _, total in heard} == {size} and heard[-1] == (size, size)


class TestSubset:
    @pytest.fixture
    def official(self, tmp_path: Path) -> Path:
        return Archives().write(tmp_path / "official")

    @pytest.mark.parametrize("classes", ["2", "n02979186,n01440764", "tench, cassette player", "FILE"])
    def test_of_the_classes(self, official: Path, tmp_path: Path, classes: str) -> None:
        if classes == "FILE":
            classes = str(tmp_path / "few.txt")
            Path(classes).write_text("# a few\nn01440764\ttench\n\nn02979186\n")
        folder = import_ilsvrc(official, tmp_path / "few", classes=classes)
        chosen = ("n01440764", "n02979186")
        assert content(folder) == {
            path: data for path, data in Archives().expected().items() if path.split("/")[1] in chosen
        }

    def test_of_the_pictures(self, official: Path, tmp_path: Path) -> None:
        def names(folder: str, per_class: int, seed: int = 0) -> set[str]:
            return set(content(import_ilsvrc(official, tmp_path / folder, per_class=per_class, seed=seed)))

        two = names("two", 2)
        training = sorted(name for name in two if name.startswith("train/"))
        assert [name.split("/")[1] for name in training] == [
            "n01440764", "n01440764", "n02979186", "n02979186", "n03000684", "n03000684", "n03888257", "n03888257",
        ]  # fmt: skip
        assert len(two) - len(training) == 8  # all of validation
        assert two == names("again", 2)
        assert two < names("three", 3)
        assert two != names("other", 2, seed=1)
        assert names("many", 100) == set(Archives().expected())


def spoil_kit(folder: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    kit = Archives().kit()
    change(kit)
    (folder / DEVKIT).write_bytes(tar(kit, "w:gz"))


def spoil_train(folder: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    classes = {f"{synset}.tar": tar(pictures) for synset, pictures in Archives().training.items()}
    change(classes)
    (folder / TRAIN).write_bytes(tar(classes))


def spoil_class(folder: Path, *entries: tuple[str, bytes | tarfile.TarInfo], without: int = 0) -> None:
    """Put other entries into tench's archive in place of as many that it had."""
    pictures = list(Archives().training["n01440764"].items())[without:]
    spoil_train(folder, lambda classes: classes.update({"n01440764.tar": tar([*pictures, *entries])}))


def spoil_val(folder: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    pictures = dict(Archives().validation)
    change(pictures)
    (folder / VAL).write_bytes(tar(pictures))


def spoil_table(folder: Path, number: int, row: tuple[object, ...]) -> None:
    archives = Archives()
    archives.table[number] = row + archives.table[number][len(row) :]
    (folder / DEVKIT).write_bytes(tar(archives.kit(), "w:gz"))


def cut(folder: Path, name: str, share: float = 0.5) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(share * len(whole))])


META, TRUTH = f"{KIT}/data/meta.mat", f"{KIT}/data/ILSVRC2012_validation_ground_truth.txt"
SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "no train": (lambda f: (f / TRAIN).unlink(), rf"there is no {TRAIN} in .*official: .*{VAL} and {DEVKIT}"),
    "no val": (lambda f: (f / VAL).unlink(), f"there is no {VAL} in"),
    "no devkit": (lambda f: (f / DEVKIT).unlink(), f"there is no {DEVKIT} in"),
    "train cut off": (lambda f: cut(f, TRAIN), f"{TRAIN}.* is damaged, .*unexpected end of data"),
    "val cut off": (lambda f: cut(f, VAL), f"{VAL} is damaged"),
    "devkit cut off": (lambda f: cut(f, DEVKIT), f"{DEVKIT} is damaged"),
    "devkit is text": (lambda f: (f / DEVKIT).write_text("<html>"), f"{DEVKIT} is damaged, or no tar archive"),
    "class is text": (lambda f: spoil_train(f, lambda c: c.update({"n01440764.tar": b"?" * 600})),
                      "n01440764.tar in .* is damaged, or no tar archive"),
    "class missing": (lambda f: spoil_train(f, lambda c: c.pop("n01440764.tar")),
                      f"{TRAIN} is not complete: it has no n01440764.tar; get it again"),
    "classes missing": (lambda f: spoil_train(f, lambda c: (c.pop("n01440764.tar"), c.pop("n03888257.tar"))),
                        "it has no n01440764.tar and lacks 1 more"),
    "class unknown": (lambda f: spoil_train(f, lambda c: c.update({"n00000001.tar": tar({})})),
                      "holds n00000001.tar, a class that the development kit does not know"),
    "class outside": (lambda f: spoil_train(f, lambda c: c.update({"../n01440764.tar": tar({})})),
                      r"holds '\.\./n01440764.tar': it is not the archive that ImageNet publishes"),
    "class twice": (lambda f: (f / TRAIN).write_bytes(tar([("n01440764.tar", c) for c in [tar(
        Archives().training["n01440764"])] * 2])), "holds 'n01440764.tar' twice"),
    "picture missing": (lambda f: spoil_class(f, without=1),
                        "n01440764.tar in .* has 4 pictures; the development kit says 5: get the archive again"),
    "picture outside": (lambda f: spoil_class(f, ("../../../n01440764_1.JPEG", picture(1)), without=1),
                        r"n01440764.tar in .* holds '\.\./\.\./\.\./n01440764_1.JPEG'"),
    "picture at the root": (lambda f: spoil_class(f, ("/n01440764_1.JPEG", picture(1)), without=1), "n01440764_1.JPEG"),
    "picture is a link": (lambda f: spoil_class(f, ("", link("n01440764_77.JPEG", "/etc/passwd")), without=1),
                          "holds 'n01440764_77.JPEG', no plain file"),
    "picture is sparse": (lambda f: spoil_class(f, ("", sparse("n01440764_77.JPEG")), without=1),
                          "holds 'n01440764_77.JPEG', no plain file"),
    "picture twice": (lambda f: spoil_class(f, ("n01440764_14.JPEG", picture(1)), without=1),
                      "holds 'n01440764_14.JPEG' twice"),
    "picture of another class": (lambda f: spoil_class(f, ("n02979186_1.JPEG", picture(1)), without=1),
                                 "holds n02979186_1.JPEG, a picture of another class"),
    "val missing": (lambda f: spoil_val(f, lambda p: p.pop("ILSVRC2012_val_00000003.JPEG")),
                    f"{VAL} is not complete: it has no ILSVRC2012_val_00000003.JPEG; get it again"),
    "val too many": (lambda f: spoil_val(f, lambda p: p.update({"ILSVRC2012_val_00000009.JPEG": picture(1)})),
                     "holds ILSVRC2012_val_00000009.JPEG; the development kit knows 8 pictures"),
    "val is a link": (lambda f: spoil_val(f, lambda p: p.update({"": link("ILSVRC2012_val_00000009.JPEG", "x")})),
                      "no plain file"),
    "val in a folder": (lambda f: spoil_val(f, lambda p: p.update({"val/ILSVRC2012_val_00000001.JPEG": b""})),
                        "holds 'val/ILSVRC2012_val_00000001.JPEG': it is not"),
    "no meta": (lambda f: spoil_kit(f, lambda k: k.pop(META)), f"{DEVKIT} holds no data/meta.mat"),
    "no truth": (lambda f: spoil_kit(f, lambda k: k.pop(TRUTH)), "holds no data/ILSVRC2012_validation_ground_truth"),
    "meta is text": (lambda f: spoil_kit(f, lambda k: k.update({META: b"<html>"})),
                     "data/meta.mat is not the table of classes that it should be"),
    "truth is text": (lambda f: spoil_kit(f, lambda k: k.update({TRUTH: b"1\ntwo\n"})),
                      "ground_truth.txt has 'two' where a class's number 1…4 should be"),
    "truth beyond": (lambda f: spoil_kit(f, lambda k: k.update({TRUTH: b"1\n5\n"})), "has '5' where a class's number"),
    "synset outside": (lambda f: spoil_table(f, 1, (2, "../../up")),
                       r"has a class '\.\./\.\./up'; a synset reads like"),
    "number twice": (lambda f: spoil_table(f, 1, (1, "n01440764")), "does not number its 4 classes 1, 2, 3, …"),
    "synset twice": (lambda f: spoil_table(f, 1, (2, "n03888257")), "does not number its 4 classes 1, 2, 3, …"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_not_as_it_should_be_is_refused_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    official = Archives().write(tmp_path / "official")
    spoil, message = SPOILT[what]
    spoil(official)
    with pytest.raises(UsageError, match=message) as caught:
        import_ilsvrc(official, tmp_path / "imagenet")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [official]


def test_mistakes_in_the_request(tmp_path: Path) -> None:
    official = Archives().write(tmp_path / "official")
    with pytest.raises(UsageError, match="official exists and is not an empty folder"):
        import_ilsvrc(official, official)
    with pytest.raises(UsageError, match="there is no class 'n99999999'"):
        import_ilsvrc(official, tmp_path / "new", classes="n01440764,n99999999")
    with pytest.raises(UsageError, match="at least 0; got -1"):
        import_ilsvrc(official, tmp_path / "new", per_class=-1)
    assert list(tmp_path.iterdir()) == [official]


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    official = Archives().write(tmp_path / "official")

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_ilsvrc(official, tmp_path / "imagenet", progress=interrupt)
    assert list(tmp_path.iterdir()) == [official]


def test_a_full_disk_is_told_of_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    official = Archives().write(tmp_path / "official")

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match=r"cannot write .*\.JPEG: No space left on device"):
        import_ilsvrc(official, tmp_path / "imagenet")
    assert list(tmp_path.iterdir()) == [official]
