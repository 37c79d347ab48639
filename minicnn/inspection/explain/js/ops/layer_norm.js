// Layer normalisation: each pixel, or each vector, is brought to mean 0 and variance 1 over its own C numbers.
// The twin of minicnn/ops/layer_norm.py.
//
//   mean = 1/C · Σ_c x        variance = 1/C · Σ_c (x − mean)²        x̂ = (x − mean) / √(variance + ε)
//   y = weight ⊙ x̂ + bias
//   dx = ( dx̂  −  1/C · Σ_c dx̂  −  x̂ · 1/C · Σ_c dx̂ ⊙ x̂ ) / √(variance + ε),   dx̂ = weight ⊙ dy
//
// x, y, dy, dx (…, C); weight, bias (C); mean, variance (…).

import { sum_of_rows } from "./convolution.js";
import { zeros } from "../tensor.js";

export function layer_norm(x, weight, bias, epsilon) {
  const c = weight.data.length;
  const [mean, variance, y] = [zeros(x.shape.slice(0, -1)), zeros(x.shape.slice(0, -1)), zeros(x.shape)];
  for (let row = 0; row < mean.data.length; row++) {
    const numbers = x.data.subarray(row * c, (row + 1) * c);
    mean.data[row] = numbers.reduce((sum, v) => sum + v, 0) / c;
    variance.data[row] = numbers.reduce((sum, v) => sum + (v - mean.data[row]) ** 2, 0) / c;
    const deviation = Math.sqrt(variance.data[row] + epsilon);
    for (let i = 0; i < c; i++) {
      y.data[row * c + i] = (weight.data[i] * (numbers[i] - mean.data[row])) / deviation + bias.data[i];
    }
  }
  return { y, mean, variance };
}

export function layer_norm_backward(dy, x, weight, mean, variance, epsilon) {
  const c = weight.data.length;
  const x_hat = rows_normalized(x, mean, variance, epsilon);
  const dx = zeros(x.shape);
  for (let row = 0; row < mean.data.length; row++) {
    const deviation = Math.sqrt(variance.data[row] + epsilon);
    let sumOfDxHat = 0;
    let sumAlongXHat = 0;
    for (let i = 0, place = row * c; i < c; i++, place++) {
      sumOfDxHat += weight.data[i] * dy.data[place];
      sumAlongXHat += weight.data[i] * dy.data[place] * x_hat.data[place];
    }
    for (let i = 0, place = row * c; i < c; i++, place++) {
      const paths = weight.data[i] * dy.data[place] - sumOfDxHat / c - (x_hat.data[place] * sumAlongXHat) / c;
      dx.data[place] = paths / deviation;
    }
  }
  const dweight = sum_of_rows({ shape: x.shape, data: dy.data.map((d, i) => d * x_hat.data[i]) });
  return { dx, dweight, dbias: sum_of_rows(dy) };
}

// x̂
export function rows_normalized(x, mean, variance, epsilon) {
  const c = x.shape[x.shape.length - 1];
  const data = x.data.map((v, i) => {
    const row = Math.floor(i / c);
    return (v - mean.data[row]) / Math.sqrt(variance.data[row] + epsilon);
  });
  return { shape: x.shape, data };
}
