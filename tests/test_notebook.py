"""The pieces of HTML: escaped, well-formed, and their pictures show the numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minicnn.notebook import Html, curves, file_picture, joined, maps, photograph, share_bar, table
from tests.notebook_pieces import parsed, pictures, rows, text_of


def test_texts_are_escaped_and_html_is_not() -> None:
    html = table(["a < b", "n"], [['<script>"&', 1], [Html("<b>bold</b>"), 2]], "lr", caption="x & y")
    assert rows(html) == [["a < b", "n"], ['<script>"&', "1"], ["bold", "2"]]
    assert parsed(html).find(".//caption").text == "x & y"  # type: ignore[union-attr]
    assert parsed(html).find(".//script") is None and parsed(html).find(".//b") is not None
    assert text_of(parsed(joined("<i>", "", Html("<i>one</i>")))) == "<i> one"


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError):
        table(["a", "b"], [["only one"]], "lr")


def test_maps_are_white_at_zero_red_above_and_blue_below() -> None:
    (pixels,) = pictures(maps(np.array([[[0.0, 2.0], [-2.0, 1.0]], [[0.0, 0.0], [0.0, np.nan]]]), "two")).values()
    assert pixels.shape == (2, 5, 4)  # 2 columns, one that is transparent, 2 columns
    assert pixels[:, 2].max() == 0
    assert pixels[0, 0].tolist() == [255, 255, 255, 255]
    assert pixels[0, 1].tolist() == [214, 96, 77, 255] and pixels[1, 0].tolist() == [67, 147, 195, 255]
    assert pixels[1, 1, :3].tolist() == pytest.approx([(255 + c) / 2 for c in (214, 96, 77)], abs=1)
    assert (pixels[:, 3:] == 255).all()


def test_colours_are_stretched_and_photographs_are_not() -> None:
    values = np.array([[[[0.0, 1.0, 3.0], [-1.0, -1.0, -1.0]]]])  # one picture of 1×2 pixels
    (pixels,) = pictures(maps(values, "filter")).values()
    assert pixels[0, :, :3].tolist() == [[64, 128, 255], [0, 0, 0]]
    (pixels,) = pictures(photograph(np.full((1, 2, 3), 0.5), "grey")).values()
    assert (pixels == 128).all() and pixels.shape == (1, 2, 3)


def test_large_maps_are_thinned_and_at_most_eight_are_drawn() -> None:
    (pixels,) = pictures(maps(np.ones((20, 130, 65)), "many")).values()
    assert pixels.shape[0] == 44  # 130 rows, each third of them
    assert pixels.shape[1] == 8 * 33 + 7 * 2


def test_curves_have_their_points_where_the_values_are() -> None:
    drawing = parsed(curves({"a": [1.0, 0.5, 0.0], "b": [float("nan"), 2.0]}, "loss"))
    first, second = (line.attrib["points"] for line in drawing.iter("polyline"))
    assert first == "0.0,45.0 140.0,67.5 280.0,90.0"
    assert second == "280.0,0.0"
    assert "loss, 0 … 2" in text_of(drawing) and "● a" in text_of(drawing)


def test_a_bar_is_as_long_as_its_share() -> None:
    assert "0.35) 12.5%, transparent 12.5%" in share_bar(0.125, "1 & 2") and text_of(parsed(share_bar(1, "&"))) == "&"


def test_a_picture_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert file_picture(tmp_path / "none.png", "none") == ""
