// The sum in a residual connection. The twin of minicnn/ops/residual.py.
//
//   y = body(x) + shortcut(x)        dx = dx_body + dx_shortcut

import { mapped2 } from "../tensor.js";

export function residual(body, shortcut) {
  return mapped2(body, shortcut, (a, b) => a + b);
}

export function residual_backward(dx_body, dx_shortcut) {
  return mapped2(dx_body, dx_shortcut, (a, b) => a + b);
}
