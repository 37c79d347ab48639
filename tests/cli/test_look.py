"""`minicnn look` and `minicnn predict --heatmap`: the files that they write, and what they say of mistakes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn.data import read_image
from tests.cli.command import Command

ONE_IMAGE = {"filters.png", "feature-maps.png", "heatmaps.png", "adversarial.png"}
PICTURES = ONE_IMAGE | {"mistakes.png", "mistakes.csv", "confused-pairs.png"}


def test_it_draws_all_of_a_run(minicnn: Command, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setattr("minicnn.cli.look.NARROWEST", 50)
    folder = run / "look"
    answer = minicnn("look", run)
    assert answer.code == 0 and not answer.err
    assert {path.name for path in folder.iterdir()} == PICTURES
    for name in PICTURES - {"mistakes.csv"}:
        assert name in answer.out
        pixels = np.asarray(read_image(folder / name))
        assert min(pixels.shape[:2]) > 150 and len(np.unique(pixels)) > 50

    first, *lines = answer.out.splitlines()
    assert max(map(len, lines)) <= 50 and str(folder) in first
    evaluated = json.loads(minicnn("evaluate", run, "--json").out)
    with (folder / "mistakes.csv").open(newline="") as file:
        mistakes = list(csv.DictReader(file))
    wrong = np.array(evaluated["confusion_matrix"])
    np.fill_diagonal(wrong, 0)
    assert len(mistakes) == wrong.sum() > 0
    assert f"{wrong.sum()} of {evaluated['images']} images are mistaken" in " ".join(answer.out.split())
    names = [row["name"] for row in evaluated["per_class"]]
    for row in mistakes:
        assert Path(row["image"]).parent.name == row["truth"] != row["guess"]
        assert wrong[names.index(row["truth"]), names.index(row["guess"])] > 0
    worst = mistakes[0]
    best = json.loads(minicnn("predict", run, worst["image"], "--json").out)["predictions"][0]["top"][0]
    assert best["name"] == worst["guess"] and best["probability"] == pytest.approx(
        float(worst["probability"]), abs=1e-3
    )


def test_a_networks_file_needs_an_image(minicnn: Command, run: Path, shapes: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    assert minicnn("export", run, "--format", "safetensors", "--out", file).code == 0
    answer = minicnn("look", file, "--out", tmp_path / "look")
    assert answer.code == 2 and "name an image" in answer.err and not (tmp_path / "look").exists()
    image, folder = shapes / "val" / "star" / "00004.jpg", tmp_path / "deep" / "look"
    answer = minicnn("look", file, image, "--out", folder)
    assert answer.code == 0 and f"looked closely at {image}" in answer.out
    assert {path.name for path in folder.iterdir()} == ONE_IMAGE


def test_a_run_that_left_its_data_behind(minicnn: Command, run: Path, shapes: Path, tmp_path: Path) -> None:
    moved, image = tmp_path / "moved", shapes / "val" / "star" / "00004.jpg"
    shutil.copytree(run, moved)
    config = (moved / "config.json").read_text()
    (moved / "config.json").write_text(config.replace(str(shapes), str(tmp_path / "gone")))
    answer = minicnn("look", moved, image, "--out", tmp_path / "look")
    assert (
        answer.code == 0 and "mistakes.png" in answer.out and "not drawn: there is no" in " ".join(answer.out.split())
    )
    assert {path.name for path in (tmp_path / "look").iterdir()} == ONE_IMAGE
    assert minicnn("look", moved).code == 2


def test_a_file_in_the_folder_s_place_is_told_before_anything_is_judged(
    minicnn: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minicnn.cli.look._judged", lambda *_: pytest.fail("the images are judged first"))
    (tmp_path / "look").write_text("mine")
    answer = minicnn("look", run, "--out", tmp_path / "look")
    assert answer.code == 2 and "cannot make the folder" in answer.err and "choose another with --out" in answer.err


def test_mistakes_get_one_line_and_leave_nothing(minicnn: Command, run: Path, shapes: Path, tmp_path: Path) -> None:
    text, out = tmp_path / "text.jpg", tmp_path / "look"
    text.write_text("no image")
    image = shapes / "val" / "star" / "00004.jpg"
    for arguments, says in (
        (("look", tmp_path / "none"), "no run directory"),
        (("look", run, tmp_path / "none.jpg"), "no such file"),
        (("look", run, text), "no image"),
        (("look", run, "--data", tmp_path / "none"), "no folder"),
        (("look", run, image, "--out", text), "cannot make the folder"),
        (("predict", run, image, "--heatmap", "--out", tmp_path / "none"), "--out"),
        (("predict", run, text, "--heatmap", "--out", tmp_path), "no image"),
        (("predict", run, image, "--out", tmp_path), "add --heatmap"),
    ):
        given = arguments if "--out" in arguments else (*arguments, "--out", out)
        answer = minicnn(*given)
        assert answer.code == 2 and says in answer.err and answer.err.count("\n") == 1, (arguments, answer)
    assert {path.name for path in tmp_path.iterdir()} == {"text.jpg"}


def test_heatmaps_have_a_file_for_each_image(minicnn: Command, run: Path, shapes: Path, tmp_path: Path) -> None:
    images = [shapes / "val" / name / "00004.jpg" for name in ("star", "heart")]
    answer = minicnn("predict", run, *images, "--heatmap", "--out", tmp_path, "--json")
    assert answer.code == 0
    entries = json.loads(answer.out)["predictions"]
    assert [Path(entry["heatmap"]).name for entry in entries] == ["00004-heatmap.png", "00004-2-heatmap.png"]
    for entry in entries:
        with Image.open(entry["heatmap"]) as picture:
            assert picture.width > picture.height > 200
    answer = minicnn("predict", run, images[0], "--heatmap", "--out", tmp_path, "--top", 1)
    assert f"see {tmp_path / '00004-heatmap.png'}" in answer.out
