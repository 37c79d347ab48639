// im2col's matrix as a picture: which pixels a row was copied from, and which rows a pixel was copied to.

import { at, unravel } from "../tensor.js";
import { range } from "./parts.js";
import { SlidingWindow } from "./sliding.js";

// A row of im2col's matrix: its window (i, j) of picture n, and for each of its numbers the pixel that it copies.
export function im2colRow(pass, name, row) {
  const layer = pass.network.layer(name);
  const x = pass.get(`${name}.x`);
  const window = new SlidingWindow(layer);
  const [n, i, j] = unravel([x.shape[0], ...window.outputs], row);
  const channels = x.shape[3];
  const cells = window.at(i, j).flatMap((element, place) =>
    range(channels).map((c) => {
      const value = element.inside ? at(x, [n, element.y, element.x, c]) : 0;
      return { column: place * channels + c, ...element, c, value };
    }),
  );
  return { n, i, j, cells };
}

// Where im2col has copied a pixel to: [{row, column, i, j, ky, kx}].
export function rowsOfPixel(pass, name, [n, y, x, c]) {
  const layer = pass.network.layer(name);
  const window = new SlidingWindow(layer);
  const [height, width] = window.outputs;
  const channels = layer.inputShape[2];
  return window.on(y, x).map((place) => ({
    row: (n * height + place.i) * width + place.j,
    column: (place.ky * window.kernel[1] + place.kx) * channels + c,
    ...place,
  }));
}
