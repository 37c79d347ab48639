// The geometry that convolution and pooling share, as in minicnn/ops/windows.py.
//
//   OH = floor((H + before + after − K) / S) + 1,   a dilated window of K elements counting as (K − 1)·D + 1 pixels
//
// size, kernel, stride and dilation are [vertical, horizontal]; padding is [[top, bottom], [left, right]], in pixels.

export function spread(kernel, dilation) {
  return [(kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1];
}

export function output_size(size, kernel, stride, padding) {
  const places = (axis) => (size[axis] + padding[axis][0] + padding[axis][1] - kernel[axis]) / stride[axis];
  return [Math.floor(places(0)) + 1, Math.floor(places(1)) + 1];
}

// The first window, and the one after the last, whose element at `shift` from its corner lies in the picture.
export function places_inside(shift, length, outputs, stride) {
  const first = Math.max(0, Math.ceil(-shift / stride));
  const end = Math.min(outputs, Math.floor((length - 1 - shift) / stride) + 1);
  return [first, Math.max(first, end)];
}
