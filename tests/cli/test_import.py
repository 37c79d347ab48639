"""`minicnn import` and pretrained networks: PyTorch's weights, PyTorch's answers; and what goes wrong."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from minicnn.data import imagenet_classes, read_image
from minicnn.models.pretrained import PACKAGES
from minicnn.runs.trained import TrainedNetwork
from tests.cli.command import Command

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")

from tests.models.torch_modules import EfficientNetLite, random_module  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of a ResNet-18 with five classes."""
    module, _ = random_module("resnet18", 5)
    path = tmp_path_factory.mktemp("import") / "resnet18.pth"
    torch.save({"state_dict": module.state_dict(), "epoch": 3}, path)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(256, size=(40, 56, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((112, 80)).save(path)
    return path


def test_what_pytorch_says_minicnn_says(weights: Path, picture: Path, tmp_path: Path, minicnn: Command) -> None:
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\nowl\nfox\nbee\n")
    out = tmp_path / "net.safetensors"
    answer = minicnn("import", weights, "--model", "resnet18", "--image-size", 32, "--class-names", names, "--out", out)
    assert answer.code == 0 and str(out) in answer.out and answer.err == ""
    predicted = json.loads(minicnn("predict", out, picture, "--top", 5, "--json").out)["predictions"][0]["top"]
    trained = TrainedNetwork.open(str(out))
    pixels = np.asarray(trained.facts.transform(read_image(picture), np.random.default_rng(0)))
    assert pixels.shape == (32, 32, 3)
    x = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]  # as torchvision's networks want it
    module, _ = random_module("resnet18", 5)
    with torch.no_grad():
        logits = module.eval()(torch.from_numpy(x.transpose(2, 0, 1)[None].astype("float32")))
    right = dict(zip(["cat", "dog", "owl", "fox", "bee"], torch.softmax(logits, 1)[0].tolist(), strict=True))
    assert {entry["name"]: entry["probability"] for entry in predicted} == pytest.approx(right, abs=1e-5)


def test_mistakes_are_one_line_and_leave_nothing(
    weights: Path, tmp_path: Path, minicnn: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tensors = {name: value.numpy() for name, value in torch.load(weights)["state_dict"].items()}
    changed = {
        "missing": {name: array for name, array in tensors.items() if name != "layer2.0.downsample.0.weight"},
        "more": tensors | {"extra.weight": np.zeros(3, "float32")},
        "shape": tensors | {"fc.weight": np.zeros((5, 7), "float32")},
    }
    for name, arrays in changed.items():
        save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, f"{name}.safetensors")
    Path("three.txt").write_text("a\nb\nc\n")
    Path("taken.safetensors").write_bytes(b"mine")
    before = sorted(path.name for path in tmp_path.iterdir())
    for arguments, part in [
        ((weights, "--model", "resnet34"), "not those of resnet34: layer1.2.conv1.weight, "),
        ((weights, "--model", "cnn3"), "no published PyTorch weights for cnn3"),
        ((weights, "--model", "resnet19"), "unknown model 'resnet19'"),
        (("missing.safetensors", "--model", "resnet18"), "layer2.0.downsample.0.weight is missing"),
        (("more.safetensors", "--model", "resnet18"), "extra.weight is left over"),
        (("shape.safetensors", "--model", "resnet18"), "fc.weight is (5, 7), which does not fit dense1.weight"),
        (("nowhere.pth", "--model", "resnet18"), "there is no weight file nowhere.pth"),
        ((weights, "--model", "resnet18", "--class-names", "three.txt"), "names 3 classes, the weights have 5"),
        ((weights, "--model", "resnet18", "--out", "taken.safetensors"), "taken.safetensors exists"),
        ((weights, "--model", "vgg11", "--image-size", 16), "16"),
    ]:
        answer = minicnn("import", *arguments)
        assert answer.code == 2 and answer.out == "" and answer.err.count("\n") == 1, answer.err
        assert part in answer.err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert Path("taken.safetensors").read_bytes() == b"mine"


def test_weights_alone_do_not_say_of_which_network(run: Path, picture: Path, minicnn: Command) -> None:
    answer = minicnn("predict", run / "best.safetensors", picture)
    assert answer.code == 2 and "minicnn import" in answer.err


def test_a_package_that_is_missing_is_named(picture: Path, minicnn: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    answer = minicnn("predict", "efficientnet_lite0", picture)
    assert answer.code == 2 and "pip install 'minicnn[pretrained]'" in answer.err


package = importlib.util.find_spec(PACKAGES["efficientnet_lite0"])
needs_package = pytest.mark.skipif(package is None, reason="not installed: pip install 'minicnn[pretrained]'")


@needs_package
def test_the_pretrained_network_is_the_published_one(picture: Path) -> None:
    trained = TrainedNetwork.open("efficientnet_lite0")
    assert trained.facts.classes == tuple(entry.synset for entry in imagenet_classes())
    module = EfficientNetLite(1.0, 1.0, 1000)
    (checkpoint,) = Path(package.origin).parent.glob("models/*.pth")
    module.load_state_dict(torch.load(checkpoint, weights_only=True))
    pixels = np.asarray(trained.facts.transform(read_image(picture), np.random.default_rng(0)))[None]
    assert pixels.shape == (1, 224, 224, 3)
    x = ((pixels.astype("float32") - 127) / 128).transpose(0, 3, 1, 2)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(x)).numpy()
    got = trained.net.forward(trained.facts.normalization(pixels))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


@needs_package
def test_folders_called_by_synsets_are_matched_to_the_classes(tmp_path: Path, minicnn: Command) -> None:
    rng = np.random.default_rng(0)
    for synset in ("n01440764", "n03888257"):
        (tmp_path / "data" / synset).mkdir(parents=True)
        for number in range(2):
            picture = Image.fromarray(rng.integers(256, size=(32, 32, 3), dtype=np.uint8))
            picture.save(tmp_path / "data" / synset / f"{number}.png")
    report = json.loads(minicnn("evaluate", "efficientnet_lite0", tmp_path / "data", "--json").out)
    shown = {row["name"]: row["images"] for row in report["per_class"] if row["images"]}
    assert shown == {"tench": 2, "parachute": 2} and len(report["per_class"]) == 1000
    among = json.loads(minicnn("evaluate", "efficientnet_lite0", tmp_path / "data", "--only-present", "--json").out)
    assert [row["name"] for row in among["per_class"]] == ["tench", "parachute"]
    assert np.array(among["confusion_matrix"]).sum() == 4 and np.array(among["confusion_matrix"]).shape == (2, 2)
    (tmp_path / "data" / "unicorn").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "data" / "unicorn" / "0.png")
    answer = minicnn("evaluate", "efficientnet_lite0", tmp_path / "data")
    assert answer.code == 2 and "unicorn" in answer.err and answer.err.count("\n") == 1


def test_a_network_s_file_that_was_tampered_with_is_refused(
    weights: Path, picture: Path, tmp_path: Path, minicnn: Command
) -> None:
    good = tmp_path / "good.safetensors"
    assert minicnn("import", weights, "--model", "resnet18", "--image-size", 32, "--out", good).code == 0
    arrays, facts = load_file(good), json.loads(json.dumps(TrainedNetwork.open(str(good)).facts.to_config()))
    bad = tmp_path / "bad.safetensors"
    for changes, dropped in [
        ({"model": "resnet34"}, None), ({"model": 3}, None), ({"classes": ["a"]}, None),
        ({"classes": ["a"] * 5}, None), ({"input_shape": [32]}, None),
        ({"normalization": {"mean": [0], "std": [1]}}, None), ({"transform": {"name": "exec"}}, None),
        ({}, "conv1.weight"),
    ]:  # fmt: skip
        kept = {name: array for name, array in arrays.items() if name != dropped}
        save_file(kept, bad, {"minicnn": json.dumps(facts | changes)})
        answer = minicnn("predict", bad, picture)
        assert answer.code == 2 and answer.out == "" and answer.err.count("\n") == 1, (changes, answer.err)
    for changed in (np.full(arrays["dense1.bias"].shape, np.nan, "float32"), arrays["dense1.bias"].astype("int8")):
        save_file(arrays | {"dense1.bias": changed}, bad, {"minicnn": json.dumps(facts)})
        answer = minicnn("predict", bad, picture)
        assert answer.code == 2 and "dense1.bias of resnet18 does not hold finite numbers" in answer.err
    bad.write_bytes(good.read_bytes()[:-9])
    answer = minicnn("predict", bad, picture)
    assert answer.code == 2 and "damaged" in answer.err
