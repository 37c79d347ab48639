// Which function spells out which result of which operation.

import { ACTIVATION_TERMS } from "./activations.js";
import { CONVOLUTION_TERMS } from "./convolution.js";
import { DENSE_TERMS } from "./dense.js";
import { normalizedPixel } from "./images.js";
import { NORMALIZATION_TERMS } from "./normalization.js";
import { LayerCall } from "./parts.js";
import { POOLING_TERMS } from "./pooling.js";
import { RESIDUAL_TERMS } from "./residual.js";
import { SOFTMAX_TERMS } from "./softmax.js";

// By operation and result: "conv2d.y", "conv2d_backward.dweight", …
const LAYER_TERMS = {
  ...ACTIVATION_TERMS,
  ...CONVOLUTION_TERMS,
  ...DENSE_TERMS,
  ...NORMALIZATION_TERMS,
  ...POOLING_TERMS,
  ...RESIDUAL_TERMS,
};

// Those of a pass as a whole: by name, the operation and the result.
const PASS_TERMS = {
  x: ["normalize_pixels", "y", normalizedPixel],
  probabilities: ["softmax_cross_entropy", "probabilities", SOFTMAX_TERMS.probabilities],
  loss: ["softmax_cross_entropy", "loss", SOFTMAX_TERMS.loss],
  dlogits: ["softmax_cross_entropy_backward", "dlogits", SOFTMAX_TERMS.dlogits],
};

// The layer's name and the tensor's own of "residual1.body.conv1.weight".
export function parted(name) {
  const dot = name.lastIndexOf(".");
  const key = name.slice(dot + 1);
  return { layer: name.slice(0, dot), key: { z: "y", dz: "dy" }[key] ?? key };
}

// [operation, result, index → {terms, note}] of a tensor that an operation has made; undefined where none has.
export function spellerOf(pass, name) {
  if (name in PASS_TERMS) {
    const [operation, result, spell] = PASS_TERMS[name];
    return [operation, result, (index) => spell(pass, index)];
  }
  const { layer, key: result } = parted(name);
  const operations = result === "columns" ? ["im2col"] : [pass.operation(layer), pass.operation(layer, true)];
  const operation = operations.find((made) => LAYER_TERMS[`${made}.${result}`]);
  if (!operation) return undefined;
  const call = new LayerCall(pass, pass.network.layer(layer));
  return [operation, result, (index) => LAYER_TERMS[`${operation}.${result}`](call, index)];
}
