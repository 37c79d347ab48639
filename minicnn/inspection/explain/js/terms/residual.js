// The sum of a residual connection.

import { product } from "./parts.js";

export const RESIDUAL_TERMS = {
  "residual.y": (call, index) => sumOfBoth(call, "body", "shortcut", index),
  "residual_backward.dx": (call, index) => sumOfBoth(call, "dx_body", "dx_shortcut", index),
};

function sumOfBoth(call, body, shortcut, index) {
  return { terms: [product(call.element(body, index)), product(call.element(shortcut, index))], note: null };
}
