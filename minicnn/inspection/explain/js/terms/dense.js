// The dense layer, and Flatten before it.

import { unravel, offset } from "../tensor.js";
import { product, range, sumOfDy } from "./parts.js";

export const DENSE_TERMS = {
  "dense.y": (call, [n, u]) => {
    const [, inputs] = call.tensor("x").shape;
    const terms = range(inputs).map((d) => product(call.element("x", [n, d]), call.element("weight", [d, u])));
    return { terms: [...terms, product(call.element("bias", [u]))], note: null };
  },
  "dense_backward.dx": (call, [n, d]) => {
    const [, units] = call.tensor("dy").shape;
    const terms = range(units).map((u) => product(call.element("dy", [n, u]), call.element("weight", [d, u])));
    return { terms, note: null };
  },
  "dense_backward.dweight": (call, [d, u]) => {
    const [pictures] = call.tensor("dy").shape;
    const terms = range(pictures).map((n) => product(call.element("x", [n, d]), call.element("dy", [n, u])));
    return { terms, note: null };
  },
  "dense_backward.dbias": sumOfDy,
  "flatten.y": (call, index) => moved(call, "y", "x", index),
  "flatten_backward.dx": (call, index) => moved(call, "dx", "dy", index),
};

// The same number in another shape.
function moved(call, to, from, index) {
  const there = unravel(call.tensor(from).shape, offset(call.tensor(to).shape, index));
  return { terms: [product(call.element(from, there))], note: { key: "moved" } };
}
