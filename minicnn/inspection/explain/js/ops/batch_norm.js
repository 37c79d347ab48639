// Batch normalisation: each channel is brought to mean 0 and variance 1, then scaled and shifted.
// The twin of minicnn/ops/batch_norm.py.
//
//   mean = 1/M · Σ x        variance = 1/M · Σ (x − mean)²        x̂ = (x − mean) / √(variance + ε)
//   y = weight ⊙ x̂ + bias
//
// In training the statistics are the batch's own, and the gradient takes three paths from x̂ to x: x itself, the mean,
// and the variance. In use they are given numbers, and only the first path is left.
// x, y, dy, dx (N, H, W, C), M = N·H·W; weight, bias, mean, variance (C).

import { sum_of_rows } from "./convolution.js";
import { mapped, mapped2, zeros } from "../tensor.js";

export function batch_norm(x, weight, bias, epsilon) {
  const pixels = x.data.length / x.shape[3];
  const mean = mapped(sum_of_rows(x), (sum) => sum / pixels);
  const squares = overChannels(x, (v, c) => (v - mean.data[c]) ** 2);
  const variance = mapped(sum_of_rows(squares), (sum) => sum / pixels);
  return { y: batch_norm_inference(x, weight, bias, mean, variance, epsilon), mean, variance };
}

// dbias = Σ dy        dweight = Σ dy ⊙ x̂        dx = weight/√(variance + ε) ⊙ (dy − dbias/M − x̂·dweight/M)
export function batch_norm_backward(dy, x, weight, mean, variance, epsilon) {
  const pixels = x.data.length / x.shape[3];
  const x_hat = normalized(x, mean, variance, epsilon);
  const dbias = sum_of_rows(dy);
  const dweight = sum_of_rows(mapped2(dy, x_hat, (d, v) => d * v));
  const dx = overChannels(dy, (d, c, i) => {
    const paths = d - dbias.data[c] / pixels - (x_hat.data[i] * dweight.data[c]) / pixels;
    return (weight.data[c] / Math.sqrt(variance.data[c] + epsilon)) * paths;
  });
  return { dx, dweight, dbias };
}

export function batch_norm_inference(x, weight, bias, mean, variance, epsilon) {
  const x_hat = normalized(x, mean, variance, epsilon);
  return overChannels(x_hat, (v, c) => weight.data[c] * v + bias.data[c]);
}

// dbias = Σ dy        dweight = Σ dy ⊙ x̂        dx = weight/√(variance + ε) ⊙ dy
export function batch_norm_inference_backward(dy, x, weight, mean, variance, epsilon) {
  const x_hat = normalized(x, mean, variance, epsilon);
  const dx = overChannels(dy, (d, c) => (weight.data[c] / Math.sqrt(variance.data[c] + epsilon)) * d);
  return { dx, dweight: sum_of_rows(mapped2(dy, x_hat, (d, v) => d * v)), dbias: sum_of_rows(dy) };
}

// x̂
export function normalized(x, mean, variance, epsilon) {
  const deviation = variance.data.map((v) => Math.sqrt(v + epsilon));
  return overChannels(x, (v, c) => (v - mean.data[c]) / deviation[c]);
}

// A tensor like t, each number f(value, channel, place) of t's.
function overChannels(t, f) {
  const channels = t.shape[t.shape.length - 1];
  const result = zeros(t.shape);
  for (let place = 0; place < t.data.length; place += channels) {
    for (let c = 0; c < channels; c++) result.data[place + c] = f(t.data[place + c], c, place + c);
  }
  return result;
}
