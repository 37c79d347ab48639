// Max and average pooling.

import { at } from "../tensor.js";
import { indices, number, product } from "./parts.js";
import { poolWindow, windowsOnPixel } from "./routing.js";
import { paddingNote, SlidingWindow } from "./sliding.js";

export const POOLING_TERMS = {
  "max_pool2d.y": (call, [n, i, j, c]) => {
    const cells = poolWindow(call.pass, call.layer.name, [n, i, j, c]).cells.filter(({ inside }) => inside);
    const { y, x } = cells.find(({ wins }) => wins);
    const note = { key: "largest", values: cells.map(({ value }) => value) };
    return { terms: [product(call.element("x", [n, y, x, c]))], note };
  },
  "max_pool2d.argmax": (call, index) => {
    const width = call.settings.size[1];
    const element = at(call.tensor("argmax"), index);
    const [ky, kx] = [Math.floor(element / width), element % width];
    const terms = [product(number("ky", ky), number("KW", width)), product(number("kx", kx))];
    return { terms, note: { key: "place", ky, kx } };
  },
  "max_pool2d_backward.dx": (call, index) => {
    const windows = windowsOnPixel(call.pass, call.layer.name, index);
    const winners = windows.filter(({ wins }) => wins);
    const terms = winners.map(({ i, j }) => product(call.element("dy", [index[0], i, j, index[3]])));
    return { terms, note: { key: "winners", count: winners.length, of: windows.length } };
  },
  "avg_pool2d.y": (call, [n, i, j, c]) => {
    const cells = new SlidingWindow(call.layer).at(i, j);
    const share = number("1/(KH·KW)", 1 / cells.length);
    const inside = cells.filter((cell) => cell.inside);
    const terms = inside.map(({ y, x }) => product(call.element("x", [n, y, x, c]), share));
    return { terms, note: paddingNote(inside.length, cells.length) };
  },
  "avg_pool2d_backward.dx": (call, [n, y, x, c]) => {
    const window = new SlidingWindow(call.layer);
    const share = number("1/(KH·KW)", 1 / (window.kernel[0] * window.kernel[1]));
    const windows = window.on(y, x);
    const terms = windows.map(({ i, j }) => product(call.element("dy", [n, i, j, c]), share));
    return { terms, note: { key: "windows", count: windows.length } };
  },
  "global_avg_pool2d.y": (call, [n, c]) => {
    const [, h, w] = call.tensor("x").shape;
    const share = number("1/(H·W)", 1 / (h * w));
    return { terms: indices([h, w]).map(([y, x]) => product(call.element("x", [n, y, x, c]), share)), note: null };
  },
  "global_avg_pool2d_backward.dx": (call, [n, , , c]) => {
    const [, h, w] = call.tensor("x").shape;
    return { terms: [product(call.element("dy", [n, c]), number("1/(H·W)", 1 / (h * w)))], note: null };
  },
};
