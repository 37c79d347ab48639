// The ways through a pool: from a window to its largest pixel, and from a pixel to the windows that it wins.

import { at } from "../tensor.js";
import { SlidingWindow } from "./sliding.js";

// The window of an output: {cells: [{ky, kx, y, x, inside, value, wins}]}; value −∞ in the padding. Of an average pool,
// which has no winner, nothing wins.
export function poolWindow(pass, name, [n, i, j, c]) {
  const window = new SlidingWindow(pass.network.layer(name));
  const x = pass.get(`${name}.x`);
  const argmax = pass.get(`${name}.argmax`);
  const winner = argmax && at(argmax, [n, i, j, c]);
  const cells = window.at(i, j).map((cell) => ({
    ...cell,
    value: cell.inside ? at(x, [n, cell.y, cell.x, c]) : -Infinity,
    wins: cell.ky * window.kernel[1] + cell.kx === winner,
  }));
  return { cells };
}

// The windows on a pixel: [{i, j, ky, kx, wins, dy}]; dy the gradient that a window gives to its winner.
export function windowsOnPixel(pass, name, [n, y, x, c]) {
  const window = new SlidingWindow(pass.network.layer(name));
  const [argmax, dy] = [pass.get(`${name}.argmax`), pass.get(`${name}.dy`)];
  return window.on(y, x).map((place) => {
    const wins =
      argmax !== undefined && at(argmax, [n, place.i, place.j, c]) === place.ky * window.kernel[1] + place.kx;
    return { ...place, wins, dy: dy && at(dy, [n, place.i, place.j, c]) };
  });
}
