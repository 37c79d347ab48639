// Max and average pooling: each window of the picture, or all of it, becomes one number a channel.
// The twin of minicnn/ops/pooling.py.
//
// The window of output (i, j) starts at (i·SH − top, j·SW − left); its element (ky, kx) has the index ky·KW + kx.
// x (N, H, W, C); size (KH, KW); y and argmax (N, OH, OW, C).

import { output_size, places_inside } from "./windows.js";
import { zeros } from "../tensor.js";

// y = the largest of each window (−∞ in the padding); argmax = the index of it: of equal ones the first.
export function max_pool2d(x, size, stride, padding) {
  const shape = pooledShape(x.shape, size, stride, padding);
  const y = { shape, data: new Float64Array(shape.reduce((a, b) => a * b)).fill(-Infinity) };
  const argmax = { shape, data: new Int32Array(y.data.length).fill(-1) };
  forEachPixel(x.shape, size, stride, padding, (pixel, output, element) => {
    const value = x.data[pixel];
    if (argmax.data[output] < 0 || value > y.data[output] || (value !== value && y.data[output] === y.data[output])) {
      y.data[output] = value;
      argmax.data[output] = element;
    }
  });
  return { y, argmax };
}

// The gradient goes to the element that was the largest, and to no other.
export function max_pool2d_backward(dy, argmax, x_shape, size, stride, padding) {
  const dx = zeros(x_shape);
  forEachPixel(x_shape, size, stride, padding, (pixel, output, element) => {
    if (argmax.data[output] === element) dx.data[pixel] += dy.data[output];
  });
  return dx;
}

// The mean of each window; the padding counts as zeros.
export function avg_pool2d(x, size, stride, padding) {
  const y = zeros(pooledShape(x.shape, size, stride, padding));
  forEachPixel(x.shape, size, stride, padding, (pixel, output) => {
    y.data[output] += x.data[pixel];
  });
  for (let i = 0; i < y.data.length; i++) y.data[i] /= size[0] * size[1];
  return y;
}

// The gradient is spread evenly over the window.
export function avg_pool2d_backward(dy, x_shape, size, stride, padding) {
  const dx = zeros(x_shape);
  forEachPixel(x_shape, size, stride, padding, (pixel, output) => {
    dx.data[pixel] += dy.data[output] / (size[0] * size[1]);
  });
  return dx;
}

// y[n, c] = 1/(H·W) · Σ_h Σ_w x[n, h, w, c]
export function global_avg_pool2d(x) {
  const [n, h, w, c] = x.shape;
  const y = zeros([n, c]);
  for (let place = 0; place < x.data.length; place++) {
    y.data[Math.floor(place / (h * w * c)) * c + (place % c)] += x.data[place];
  }
  for (let i = 0; i < y.data.length; i++) y.data[i] /= h * w;
  return y;
}

// dx[n, h, w, c] = dy[n, c] / (H·W)
export function global_avg_pool2d_backward(dy, x_shape) {
  const [, h, w, c] = x_shape;
  const dx = zeros(x_shape);
  for (let place = 0; place < dx.data.length; place++) {
    dx.data[place] = dy.data[Math.floor(place / (h * w * c)) * c + (place % c)] / (h * w);
  }
  return dx;
}

function pooledShape([n, h, w, c], size, stride, padding) {
  return [n, ...output_size([h, w], size, stride, padding), c];
}

// Calls visit(place in x, place in y, ky·KW + kx) for every pixel of every window that lies in the picture.
function forEachPixel([n, h, w, c], size, stride, padding, visit) {
  const [oh, ow] = output_size([h, w], size, stride, padding);
  for (let ky = 0; ky < size[0]; ky++) {
    const down = ky - padding[0][0];
    const [top, bottom] = places_inside(down, h, oh, stride[0]);
    for (let kx = 0; kx < size[1]; kx++) {
      const right = kx - padding[1][0];
      const [first, end] = places_inside(right, w, ow, stride[1]);
      for (let picture = 0; picture < n; picture++) {
        for (let i = top; i < bottom; i++) {
          for (let j = first; j < end; j++) {
            const pixel = ((picture * h + i * stride[0] + down) * w + j * stride[1] + right) * c;
            const output = ((picture * oh + i) * ow + j) * c;
            for (let channel = 0; channel < c; channel++) visit(pixel + channel, output + channel, ky * size[1] + kx);
          }
        }
      }
    }
  }
}
