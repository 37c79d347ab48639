// From bytes to what the network reads.

import { at } from "../tensor.js";
import { number, product } from "./parts.js";

// x = images/255/std − mean/std
export function normalizedPixel(pass, index) {
  const { mean, std } = pass.network.description.normalization;
  const c = index[3];
  const share = number("1/std", 1 / std[c]);
  const byte = { symbol: "images", name: "images", index, value: at(pass.images, index) };
  const terms = [product(byte, number("1/255", 1 / 255), share), product(number("−mean", -mean[c]), share)];
  return { terms, note: { key: "normalize", byte: byte.value, mean: mean[c], std: std[c] } };
}
