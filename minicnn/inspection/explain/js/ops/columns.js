// im2col and col2im: a convolution's windows laid out as the rows of a matrix, and the way back.
// The twin of minicnn/ops/columns.py.
//
//   columns[(n, i, j), (ky, kx, c)] = x[n, i·SH + ky·DH − top, j·SW + kx·DW − left, c]        (0 outside the picture)

import { output_size, places_inside, spread } from "./windows.js";
import { zeros } from "../tensor.js";

// x (N, H, W, C) → columns (N·OH·OW, KH·KW·C)
export function im2col(x, kernel, stride, padding, dilation = [1, 1]) {
  const [n, h, w, c] = x.shape;
  const [oh, ow] = output_size([h, w], spread(kernel, dilation), stride, padding);
  const columns = zeros([n * oh * ow, kernel[0] * kernel[1] * c]);
  forEachWindowElement(x.shape, kernel, stride, padding, dilation, (pixel, cell) => {
    for (let channel = 0; channel < c; channel++) columns.data[cell + channel] = x.data[pixel + channel];
  });
  return columns;
}

// columns (N·OH·OW, KH·KW·C) → x (N, H, W, C): a pixel that lies in several windows receives their sum.
export function col2im(columns, x_shape, kernel, stride, padding, dilation = [1, 1]) {
  const x = zeros(x_shape);
  const c = x_shape[3];
  forEachWindowElement(x_shape, kernel, stride, padding, dilation, (pixel, cell) => {
    for (let channel = 0; channel < c; channel++) x.data[pixel + channel] += columns.data[cell + channel];
  });
  return x;
}

// Calls visit(where a pixel's channels begin in x, where they begin in the matrix) for all that lie in the picture.
function forEachWindowElement(x_shape, kernel, stride, padding, dilation, visit) {
  const [n, h, w, c] = x_shape;
  const [kh, kw] = kernel;
  const [oh, ow] = output_size([h, w], spread(kernel, dilation), stride, padding);
  const width = kh * kw * c;
  for (let ky = 0; ky < kh; ky++) {
    const down = ky * dilation[0] - padding[0][0];
    const [top, bottom] = places_inside(down, h, oh, stride[0]);
    for (let kx = 0; kx < kw; kx++) {
      const right = kx * dilation[1] - padding[1][0];
      const [first, end] = places_inside(right, w, ow, stride[1]);
      for (let picture = 0; picture < n; picture++) {
        for (let i = top; i < bottom; i++) {
          const row = (picture * h + i * stride[0] + down) * w;
          for (let j = first; j < end; j++) {
            const window = (picture * oh + i) * ow + j;
            visit((row + j * stride[1] + right) * c, window * width + (ky * kw + kx) * c);
          }
        }
      }
    }
  }
}
