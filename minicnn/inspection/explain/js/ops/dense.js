// The dense (fully connected) layer: every output sees every input. The twin of minicnn/ops/dense.py.
//
//   y = x·W + b        dx = dy·Wᵀ        dW = xᵀ·dy        db = Σ_n dy
//
// x (N, D); weight (D, U); bias (U); y (N, U). Its output is a logit: softmax makes the probability.

import { add_to_rows, sum_of_rows } from "./convolution.js";
import { matmul } from "./matmul.js";

export function dense(x, weight, bias) {
  const y = matmul(x, weight);
  add_to_rows(y.data, bias.data);
  return y;
}

export function dense_backward(dy, x, weight) {
  return { dx: matmul(dy, weight, false, true), dweight: matmul(x, dy, true, false), dbias: sum_of_rows(dy) };
}
