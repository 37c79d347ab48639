// Convolution (cross-correlation) as one matrix product over im2col. The twin of minicnn/ops/convolution.py.
//
//   y[n, i, j, f] = Σ_ky Σ_kx Σ_c  x[n, i·SH + ky·DH − top, j·SW + kx·DW − left, c] · weight[ky, kx, c, f]  +  bias[f]
//
//   Y = X·W + bias        dW = Xᵀ·dY        dbias = Σ_rows dY        dX = dY·Wᵀ, brought back by col2im
//
// x (N, H, W, C); weight (KH, KW, C/groups, F); bias (F), or null; y (N, OH, OW, F).

import { col2im, im2col } from "./columns.js";
import { matmul } from "./matmul.js";
import { output_size, spread } from "./windows.js";
import { reshaped, size, zeros } from "../tensor.js";

export function conv2d(
  x,
  weight,
  bias,
  stride = [1, 1],
  padding = [
    [0, 0],
    [0, 0],
  ],
  groups = 1,
  dilation = [1, 1],
) {
  if (groups > 1) {
    const parts = slicesOfGroups(x.shape[3], weight.shape[3], groups).map(([c, f]) =>
      conv2d(lastAxis(x, c), lastAxis(weight, f), bias && lastAxis(bias, f), stride, padding, 1, dilation),
    );
    return joined(parts);
  }
  const [kh, kw, c, f] = weight.shape;
  const [oh, ow] = output_size([x.shape[1], x.shape[2]], spread([kh, kw], dilation), stride, padding);
  const columns = im2col(x, [kh, kw], stride, padding, dilation);
  const y = matmul(columns, reshaped(weight, [kh * kw * c, f]));
  if (bias) add_to_rows(y.data, bias.data);
  return reshaped(y, [x.shape[0], oh, ow, f]);
}

export function conv2d_backward(dy, x, weight, stride, padding, groups = 1, dilation = [1, 1]) {
  if (groups > 1) {
    const parts = slicesOfGroups(x.shape[3], weight.shape[3], groups).map(([c, f]) =>
      conv2d_backward(lastAxis(dy, f), lastAxis(x, c), lastAxis(weight, f), stride, padding, 1, dilation),
    );
    const of = (name) => joined(parts.map((part) => part[name]));
    return { dx: of("dx"), dweight: of("dweight"), dbias: of("dbias") };
  }
  const [kh, kw, c, f] = weight.shape;
  const columns = im2col(x, [kh, kw], stride, padding, dilation);
  const dy_rows = reshaped(dy, [columns.shape[0], f]);
  const dweight = reshaped(matmul(columns, dy_rows, true, false), weight.shape);
  const dcolumns = matmul(dy_rows, reshaped(weight, [kh * kw * c, f]), false, true);
  return { dx: col2im(dcolumns, x.shape, [kh, kw], stride, padding, dilation), dweight, dbias: sum_of_rows(dy) };
}

// Adds `row` to every row of a matrix, in place.
export function add_to_rows(matrix, row) {
  for (let place = 0; place < matrix.length; place += row.length) {
    for (let j = 0; j < row.length; j++) matrix[place + j] += row[j];
  }
}

// Σ of a tensor over all axes but the last: the gradient of a bias.
export function sum_of_rows(t) {
  const sums = zeros([t.shape[t.shape.length - 1]]);
  const width = sums.data.length;
  for (let place = 0; place < t.data.length; place += width) {
    for (let j = 0; j < width; j++) sums.data[j] += t.data[place + j];
  }
  return sums;
}

// The channels that each group reads, and its filters, as [begin, end].
function slicesOfGroups(channels, filters, groups) {
  const [c, f] = [channels / groups, filters / groups];
  return Array.from({ length: groups }, (_, g) => [
    [g * c, (g + 1) * c],
    [g * f, (g + 1) * f],
  ]);
}

// t[..., begin:end], a copy
function lastAxis(t, [begin, end]) {
  const width = t.shape[t.shape.length - 1];
  const part = zeros([...t.shape.slice(0, -1), end - begin]);
  for (let row = 0; row * width < t.data.length; row++) {
    part.data.set(t.data.subarray(row * width + begin, row * width + end), row * (end - begin));
  }
  return part;
}

// The parts beside each other along the last axis.
function joined(parts) {
  const shape = parts[0].shape;
  const width = shape[shape.length - 1];
  const whole = zeros([...shape.slice(0, -1), width * parts.length]);
  const rows = size(shape.slice(0, -1));
  parts.forEach((part, place) => {
    for (let row = 0; row < rows; row++) {
      whole.data.set(part.data.subarray(row * width, (row + 1) * width), (row * parts.length + place) * width);
    }
  });
  return whole;
}
