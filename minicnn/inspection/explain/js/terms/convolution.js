// Convolutions, and the matrices of im2col and col2im.

import { unravel } from "../tensor.js";
import { im2colRow } from "./im2col.js";
import { indices, product, range, sumOfDy } from "./parts.js";
import { paddingNote, SlidingWindow } from "./sliding.js";

export const CONVOLUTION_TERMS = {
  "conv2d.y": (call, [n, i, j, f]) => {
    const [, , channels] = call.tensor("weight").shape;
    const first = firstChannel(call, f);
    const window = new SlidingWindow(call.layer).at(i, j);
    const terms = window
      .filter(({ inside }) => inside)
      .flatMap(({ ky, kx, y, x }) =>
        range(channels).map((c) =>
          product(call.element("x", [n, y, x, first + c]), call.element("weight", [ky, kx, c, f])),
        ),
      );
    const note = paddingNote(terms.length, window.length * channels);
    if (call.tensor("bias")) terms.push(product(call.element("bias", [f])));
    return { terms, note };
  },
  "conv2d_backward.dweight": (call, [ky, kx, c, f]) => {
    const [pictures, ...outputs] = call.tensor("dy").shape.slice(0, 3);
    const window = new SlidingWindow(call.layer);
    const element = ky * window.kernel[1] + kx;
    const channel = firstChannel(call, f) + c;
    const places = indices([pictures, ...outputs]);
    const terms = places.flatMap(([n, i, j]) => {
      const { y, x, inside } = window.at(i, j)[element];
      return inside ? [product(call.element("x", [n, y, x, channel]), call.element("dy", [n, i, j, f]))] : [];
    });
    return { terms, note: paddingNote(terms.length, places.length) };
  },
  "conv2d_backward.dbias": sumOfDy,
  "conv2d_backward.dx": (call, [n, y, x, c]) => {
    const [, , channels, filters] = call.tensor("weight").shape;
    const ofGroup = filters / call.settings.groups;
    const group = Math.floor(c / channels);
    const windows = new SlidingWindow(call.layer).on(y, x);
    const terms = windows.flatMap(({ i, j, ky, kx }) =>
      range(ofGroup).map((place) => {
        const f = group * ofGroup + place;
        return product(call.element("dy", [n, i, j, f]), call.element("weight", [ky, kx, c % channels, f]));
      }),
    );
    return { terms, note: { key: "windows", count: windows.length } };
  },
  // A number of the matrix that conv2d_backward hands to col2im: dY·Wᵀ.
  "conv2d_backward.dcolumns": (call, [row, column]) => {
    const { dy, weight } = { dy: call.tensor("dy"), weight: call.tensor("weight") };
    const place = unravel(dy.shape.slice(0, 3), row);
    const element = unravel(weight.shape.slice(0, 3), column);
    const terms = range(weight.shape[3]).map((f) =>
      product(call.element("dy", [...place, f]), call.element("weight", [...element, f])),
    );
    return { terms, note: null };
  },
  "im2col.columns": (call, [row, column]) => {
    const { n, i, j, cells } = im2colRow(call.pass, call.layer.name, row);
    const { inside, y, x, c } = cells[column];
    if (!inside) return { terms: [], note: { key: "padding", leftOut: 1, of: 1 } };
    return { terms: [product(call.element("x", [n, y, x, c]))], note: { key: "copied", n, i, j } };
  },
};

// The channel of x that the filter's group begins with.
function firstChannel(call, f) {
  const [, , channels, filters] = call.tensor("weight").shape;
  return Math.floor(f / (filters / call.settings.groups)) * channels;
}
