// The activations, element by element: each function and its slope. The twin of minicnn/ops/activations.py.
// A backward pass takes the output y where the slope follows from that, else the input x.

import { mapped, mapped2 } from "../tensor.js";

export function relu(x) {
  return mapped(x, (v) => (v < 0 ? 0 : v));
}

// At the kink, x = 0, the gradient is taken to be 0.
export function relu_backward(dy, y) {
  return mapped2(dy, y, (d, v) => (v > 0 ? d : 0));
}

export function sigmoid(x) {
  return mapped(x, sigmoidOf);
}

export function sigmoid_backward(dy, y) {
  return mapped2(dy, y, (d, v) => d * v * (1 - v));
}

export function tanh(x) {
  return mapped(x, Math.tanh);
}

export function tanh_backward(dy, y) {
  return mapped2(dy, y, (d, v) => d * (1 - v * v));
}

export function relu6(x) {
  return mapped(x, (v) => (v < 0 ? 0 : v > 6 ? 6 : v));
}

export function relu6_backward(dy, y) {
  return mapped2(dy, y, (d, v) => (v > 0 && v < 6 ? d : 0));
}

export function leaky_relu(x, slope = 0.01) {
  return mapped(x, (v) => (v > 0 ? v : slope * v));
}

export function leaky_relu_backward(dy, y, slope = 0.01) {
  return mapped2(dy, y, (d, v) => (v > 0 ? d : slope * d));
}

// y = x·σ(x)
export function silu(x) {
  return mapped(x, (v) => Math.max(v, -FAR) * sigmoidOf(v));
}

// dx = dy · σ(x)·(1 + x·(1 − σ(x)))
export function silu_backward(dy, x) {
  return mapped2(dy, x, (d, v) => {
    const share = sigmoidOf(v);
    return d * share * (1 + clipped(v) * (1 - share));
  });
}

// y = x·Φ(x), Φ(x) the share of the normal distribution below x
export function gelu(x) {
  return mapped(x, (v) => Math.max(v, -FAR) * normalShareBelow(v));
}

// dx = dy · (Φ(x) + x·φ(x)), φ(x) = e^(−x²/2) / √(2π)
export function gelu_backward(dy, x) {
  return mapped2(dy, x, (d, v) => {
    const near = clipped(v);
    return d * (normalShareBelow(v) + (near * Math.exp((-near * near) / 2)) / Math.sqrt(2 * Math.PI));
  });
}

const FAR = 800; // beyond, e^(−|x|) is 0: infinity times 0 would be NaN

function clipped(v) {
  return Math.min(Math.max(v, -FAR), FAR);
}

// Only e^(−|x|) ≤ 1 is ever computed, so no x overflows.
function sigmoidOf(v) {
  const small = Math.exp(-Math.abs(v));
  return v >= 0 ? 1 / (1 + small) : small / (1 + small);
}

function normalShareBelow(v) {
  return erfc(-v / Math.SQRT2) / 2;
}

// The complementary error function, 1 − 2/√π ∫₀ˣ e^(−t²) dt, which JavaScript does not have: near 0 by the series
// erf x = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·5 … (2n+1)), farther out by its continued fraction
// erfc x = e^(−x²)/√π / (x + ½/(x + 1/(x + 3⁄2/(x + …)))). Source: Abramowitz & Stegun 1964, 7.1.6 and 7.1.14.
export function erfc(x) {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2) {
    let sum = 0;
    for (let n = 0, term = x; sum + term !== sum; n++, term *= (2 * x * x) / (2 * n + 1)) sum += term;
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = x;
  for (let n = 80; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}
