// From the pixels of a file (0 … 255) to what a network reads. The twin of minicnn/ops/images.py.
//
//   y[n, h, w, c] = (images[n, h, w, c] / 255 − mean[c]) / std[c]

export function normalize_pixels(images, mean, std) {
  const channels = mean.length;
  const data = images.data.map((byte, i) => (byte / 255 - mean[i % channels]) / std[i % channels]);
  return { shape: images.shape, data };
}
