// How the window of a convolution or a pool slides: which pixels are under it, and which windows are on a pixel.

import { output_size, spread } from "../ops/windows.js";
import { range } from "./parts.js";

// The window of a Conv2D or a pooling layer over its input.
export class SlidingWindow {
  constructor(layer) {
    const { kernel, size, stride, padding, dilation = [1, 1] } = layer.settings;
    this.kernel = kernel ?? size;
    this.stride = stride;
    this.dilation = dilation;
    [this.top, this.left] = [padding[0][0], padding[1][0]];
    [this.height, this.width] = layer.inputShape;
    this.outputs = output_size([this.height, this.width], spread(this.kernel, dilation), stride, padding);
  }

  // All elements [ky, kx], read row by row.
  elements() {
    return range(this.kernel[0]).flatMap((ky) => range(this.kernel[1]).map((kx) => [ky, kx]));
  }

  // The elements of window (i, j), each with its pixel: [{ky, kx, y, x, inside}], inside the picture or in the padding.
  at(i, j) {
    return this.elements().map(([ky, kx]) => {
      const y = i * this.stride[0] + ky * this.dilation[0] - this.top;
      const x = j * this.stride[1] + kx * this.dilation[1] - this.left;
      return { ky, kx, y, x, inside: y >= 0 && y < this.height && x >= 0 && x < this.width };
    });
  }

  // All windows on the pixel (y, x), each with the element that lies there: [{i, j, ky, kx}].
  on(y, x) {
    const among = (place, count) => Number.isInteger(place) && place >= 0 && place < count;
    return this.elements().flatMap(([ky, kx]) => {
      const i = (y + this.top - ky * this.dilation[0]) / this.stride[0];
      const j = (x + this.left - kx * this.dilation[1]) / this.stride[1];
      return among(i, this.outputs[0]) && among(j, this.outputs[1]) ? [{ i, j, ky, kx }] : [];
    });
  }
}

// What to say of elements of which only some are inside of the picture; null where all are.
export function paddingNote(inside, of) {
  return inside < of ? { key: "padding", leftOut: of - inside, of } : null;
}
