// An activation as a curve, with the number looked at upon it.

import { gelu, leaky_relu, relu, relu6, sigmoid, silu, tanh } from "../ops/activations.js";
import { offset, tensor } from "../tensor.js";
import { h } from "./dom.js";
import { digits } from "./numbers.js";
import { partOf, state } from "./state.js";
import { say } from "./words.js";

const REACH = 3; // of the axis where the numbers are small
const POINTS = 90;

const CURVES = {
  ReLU: relu,
  ReLU6: relu6,
  LeakyReLU: leaky_relu,
  Sigmoid: sigmoid,
  Tanh: tanh,
  SiLU: silu,
  GELU: gelu,
};

export function curve(node) {
  const f = node.off
    ? (value) => value
    : (value) => CURVES[node.kind](tensor([1], Float64Array.of(value)), node.settings.slope).data[0];
  const at = point(node);
  const reach = Math.max(REACH, at === null ? 0 : Math.abs(at) * 1.2);
  const up = (value) => -value;
  const line = Array.from({ length: POINTS + 1 }, (_, step) => {
    const value = -reach + (2 * reach * step) / POINTS;
    return `${value},${up(f(value))}`;
  }).join(" ");
  const text = at === null ? say(`kind.${node.kind}`) : say("curveAt", digits(at), digits(f(at)));
  return h(
    "figure",
    { class: "function" },
    h(
      "svg",
      { viewBox: `${-reach} ${-reach} ${2 * reach} ${2 * reach}`, role: "img", "aria-label": text },
      h("line", { class: "axis", x1: -reach, x2: reach, y1: 0, y2: 0 }),
      h("line", { class: "axis", x1: 0, x2: 0, y1: -reach, y2: reach }),
      h("polyline", { class: "graph", points: line }),
      at === null
        ? null
        : [
            h("line", { class: "drop", x1: at, x2: at, y1: 0, y2: up(f(at)) }),
            h("circle", { class: "point", cx: at, cy: up(f(at)), r: reach / 22 }),
          ],
    ),
    h("figcaption", { class: "quiet" }, text),
  );
}

// The input at the number looked at, or null.
function point(node) {
  const { name, index } = state.number ?? {};
  if (!name || !["x", "y", "dx", "dy"].includes(partOf(name)) || !name.startsWith(`${node.name}.`)) return null;
  const x = state.pass.get(`${node.name}.x`);
  if (!x || x.channels) return null;
  const value = x.data[offset(x.shape, index)];
  return Number.isFinite(value) ? value : null; // of a network that exploded
}
