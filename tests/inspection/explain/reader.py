"""A reader of the page: opens it from a file, clicks, types, drags, and says what the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minicnn.inspection.explain import render_page


class Reader:
    """A browser's window with one page in it, and all that the page should not do: complain, or ask the network."""

    def __init__(self, browser: Any, data: dict[str, Any], folder: Path, **window: Any) -> None:
        file = folder / "page.html"
        file.write_text(render_page(data), encoding="utf-8")
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-US", **window})
        self.page = self.context.new_page()
        self.page.set_default_timeout(8000)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(error.stack or str(error)))
        self.page.on("request", self._refuse_network)
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("#number [data-value]")

    def _refuse_network(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.complaints.append(f"asks for {request.url}")

    def close(self) -> None:
        """Close the window; fail if the page ever complained or asked for anything."""
        self.context.close()
        assert not self.complaints, self.complaints

    def click(self, selector: str) -> None:
        """Click what the selector means, and wait until the page has been drawn anew."""
        self.page.click(selector)
        self.settle()

    def settle(self) -> None:
        """Wait for the frame after the next one."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def turn(self, direction: str) -> None:
        """Look forward or backward."""
        self.click(f'#header [data-choice="{direction}"]')

    def layers(self) -> list[str]:
        """Return the names of the layers in the row, with the loss."""
        return self.page.eval_on_selector_all("#network [data-layer]", "(all) => all.map((e) => e.dataset.layer)")

    def visit(self, layer: str) -> None:
        """Click a layer in the row of layers."""
        self.click(f'#network [data-layer="{layer}"]')

    def click_map(self, tensor: str, row: int, column: int) -> None:
        """Click the number at a row and a column of a map in the layer that is looked at."""
        plane = self.page.locator(f'#layer [data-tensor="{tensor}"]')
        plane.scroll_into_view_if_needed()
        box = plane.bounding_box()
        rows, columns = (
            int(plane.evaluate(f"(e) => e.style.getPropertyValue('--{axis}')")) for axis in ("rows", "columns")
        )
        self.page.mouse.click(
            box["x"] + (column + 0.5) * box["width"] / columns, box["y"] + (row + 0.5) * box["height"] / rows
        )
        self.settle()

    def click_channel(self, tensor: str, channel: int) -> None:
        """Choose a channel in the mosaic of a tensor by its arrow keys."""
        mosaic = self.page.locator(f'#layer [data-channels="{tensor}"]')
        mosaic.focus()
        while int(mosaic.get_attribute("aria-valuenow")) != channel:
            self.page.keyboard.press(
                "ArrowRight" if int(mosaic.get_attribute("aria-valuenow")) < channel else "ArrowLeft"
            )
            self.settle()

    def number(self) -> tuple[str, tuple[int, ...]]:
        """Return the name and the index of the number that is explained."""
        text = self.page.inner_text("#number .number-name")
        name, _, rest = text.partition("[")
        return name, tuple(int(place) for place in rest.rstrip("]").split(",") if place.strip())

    def value(self) -> float:
        """Return the number that is explained, with all its digits."""
        return self._floats("#number .number-value", "value")[0]

    def sum(self) -> float:
        """Return the sum of its terms."""
        return self._floats("#number [data-sum]", "sum")[0]

    def terms(self) -> list[float]:
        """Return the terms that are shown, channel after channel where they are shown so."""
        bars = self.page.locator("#number .bars")
        if not bars.count():
            return self._floats("#number [data-term]", "term")
        bars.focus()
        found = self._floats("#number .ledger [data-term]", "term")  # the bias
        last = int(bars.get_attribute("aria-valuemax"))
        for _ in range(last):
            self.page.keyboard.press("ArrowLeft")
            self.settle()
        for place in range(last + 1):
            self.settle()
            found += self._floats("#number .sheet [data-term]", "term")
            if place < last:
                self.page.keyboard.press("ArrowRight")
        return found

    def _floats(self, selector: str, name: str) -> list[float]:
        return self.page.eval_on_selector_all(selector, f"(all) => all.map((e) => Number(e.dataset.{name}))")

    def probabilities(self) -> dict[str, float]:
        """Return the probabilities that are shown, by class."""
        rows = self.page.eval_on_selector_all(
            "#says .bar",
            """(all) => all.map((e) => [
                e.querySelector(".bar-name").firstChild.data,
                Number(e.querySelector("[data-probability]").dataset.probability),
            ])""",
        )
        return dict(rows)

    def loss(self) -> float:
        """Return the loss that is shown."""
        return self._floats("#loss", "value")[0]

    def type_value(self, handle: str, value: float) -> None:
        """Type a number into the field beside the slider of that handle."""
        field = self.page.locator(f'#number .slider:has([data-handle="{handle}"]) input[type="number"]')
        field.fill(repr(value))
        field.press("Enter")
        self.settle()

    def cut_texts(self) -> Sequence[str]:
        """Return the texts that are wider than what holds them, and the page itself if it is wider than the window."""
        return self.page.evaluate("""() => {
            const cut = [];
            const { scrollWidth, clientWidth } = document.documentElement;
            if (scrollWidth > clientWidth) cut.push(`the page: ${scrollWidth} > ${clientWidth}`);
            const scrolls = (e) => e.closest(".network, .scroll, .formula, svg, canvas, .unseen, select");
            for (const e of document.body.querySelectorAll("*")) {
                const box = e.getBoundingClientRect();
                if (!e.childElementCount && e.textContent.trim() && !scrolls(e)) {
                    const inline = getComputedStyle(e).display === "inline";
                    if (!inline && e.scrollWidth > e.clientWidth + 1) cut.push(e.textContent);
                    if (box.right > clientWidth + 1) cut.push(`beyond the edge: ${e.textContent}`);
                }
            }
            return cut;
        }""")
