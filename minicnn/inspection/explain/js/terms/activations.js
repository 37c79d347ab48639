// Activations and dropout: one number from one number.

import { LAYER_KINDS } from "../layers.js";
import { at } from "../tensor.js";
import { number, product } from "./parts.js";

export const ACTIVATION_TERMS = {
  "identity.y": (call, index) => unlessSilenced(call, index, () => product(call.element("x", index))),
  "identity_backward.dx": (call, index) => unlessSilenced(call, index, () => product(call.element("dy", index))),
  "dropout.y": (call, index) => ({ terms: [kept(call, "x", index)], note: null }),
  "dropout_backward.dx": (call, index) => ({ terms: [kept(call, "dy", index)], note: null }),
};

for (const operation of ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "gelu"]) {
  ACTIVATION_TERMS[`${operation}.y`] = (call, index) => {
    const note = { key: "function", operation };
    return unlessSilenced(call, index, () => functionValue(call, operation, index), note);
  };
  ACTIVATION_TERMS[`${operation}_backward.dx`] = (call, index) => {
    const note = { key: "slope", operation };
    const term = () => product(call.element("dy", index), number("slope", slopeAt(call, index)));
    return unlessSilenced(call, index, term, note);
  };
}

// The value of the function, one term, with what it was applied to beside it.
function functionValue(call, operation, index) {
  const y = at(call.tensor("y"), index);
  return { ...product(number(`${operation}(x)`, y)), arguments: [call.element("x", index)] };
}

// The slope of the layer's function at that number: what its backward pass makes of dy = 1.
function slopeAt({ layer, pass }, index) {
  const alone = (key) => ({ shape: [1], data: Float64Array.of(at(pass.get(`${layer.name}.${key}`), index)) });
  const made = { operation: "", x: alone("x"), y: alone("y") };
  const unsilenced = { ...layer, silenced: new Set() };
  return LAYER_KINDS[layer.kind].backward(unsilenced, { shape: [1], data: Float64Array.of(1) }, made).dx.data[0];
}

function unlessSilenced(call, index, term, note = null) {
  const channel = index[index.length - 1];
  if (call.layer.silenced.has(channel)) return { terms: [], note: { key: "silenced", channel } };
  return { terms: [term()], note };
}

function kept(call, key, index) {
  const scale = number("1/(1 − rate)", 1 / (1 - call.settings.rate));
  return product(call.element(key, index), call.element("keep", index), scale);
}
