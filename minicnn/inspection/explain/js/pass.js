// All numbers of one forward and backward pass, by the names that minicnn.trace gives them: conv1.y, conv1.dweight, …

import { energies } from "./ops/local_response_norm.js";
import { im2col } from "./ops/columns.js";
import { matmul } from "./ops/matmul.js";
import { normalized } from "./ops/batch_norm.js";
import { rows_normalized } from "./ops/layer_norm.js";
import { reshaped, size } from "./tensor.js";

export class Pass {
  // made: of each layer by name, what its forward pass got and made. gradients: the same backward, or null.
  // Beside them images, x, logits, probabilities, loss, dlogits, dx: tensors; label, labelSmoothing: numbers.
  constructor(network) {
    this.network = network;
    this.live = true;
    this.made = new Map();
    this.gradients = null;
  }

  get hasGradients() {
    return this.gradients !== null;
  }

  // The tensor of that name; undefined where there is none.
  get(name) {
    if (WHOLE.includes(name)) return this[name] ?? undefined;
    if (name === "labels") return { shape: [1], data: Int32Array.of(this.label) };
    const dot = name.lastIndexOf(".");
    const layer = name.slice(0, dot);
    const made = this.made.get(layer);
    const key = { z: "y", dz: "dy" }[name.slice(dot + 1)] ?? name.slice(dot + 1);
    if (!made || key === "operation") return undefined;
    const gradients = this.gradients?.get(layer) ?? {};
    return made[key] ?? gradients[key] ?? onDemand(this.network.layer(layer), key, made, gradients);
  }

  // All names, in the order in which the tensors are made.
  names() {
    const keys = (records, layer) => Object.keys(records?.get(layer) ?? {}).filter((key) => key !== "operation");
    const extra = (layer, place) => Object.keys(ON_DEMAND[this.network.layer(layer).kind]?.[place] ?? {});
    const named = (layer, all) => all.map((key) => `${layer}.${key}`).filter((name) => this.get(name));
    const layers = [...this.made.keys()];
    const forward = layers.flatMap((layer) => named(layer, [...keys(this.made, layer), ...extra(layer, 0)]));
    const gradients = (layer) => named(layer, [...keys(this.gradients, layer), ...extra(layer, 1)]);
    const backward = layers.reverse().flatMap(gradients);
    const loss = ["labels", "loss", "probabilities", ...(this.hasGradients ? ["dlogits"] : [])];
    return ["images", "x", ...forward, "logits", ...loss, ...backward, ...(this.hasGradients ? ["dx"] : [])];
  }

  // The name of the operation that made the layer's results, forward or backward.
  operation(layer, backward = false) {
    return (backward ? this.gradients : this.made)?.get(layer)?.operation;
  }

  // The channels of a tensor (its last axis) whose numbers are there: in a pass that was computed, all.
  channels(name) {
    const { shape } = this.get(name);
    return Array.from({ length: shape[shape.length - 1] }, (_, channel) => channel);
  }

  // One channel of a picture (1, H, W, C): {height, width, data}.
  map(name, channel) {
    const { shape, data } = this.get(name);
    const [height, width, channels] = shape.slice(-3);
    return { height, width, data: data.filter((_, place) => place % channels === channel) };
  }
}

const WHOLE = ["images", "x", "logits", "probabilities", "loss", "dlogits", "dx"];

// What a formula makes on the way, made anew when it is looked at: by the layer's kind, forward and backward.
const ON_DEMAND = {
  Conv2D: [
    { columns: ({ settings: s }, { x }) => im2col(x, s.kernel, s.stride, s.padding, s.dilation) },
    {
      dcolumns: ({ settings: s }, { weight }, { dy }) =>
        s.groups > 1 || !dy ? undefined : gradientOfColumns(dy, weight),
    },
  ],
  BatchNorm2D: [{ x_hat: ({ settings: s }, { x, mean, variance }) => normalized(x, mean, variance, s.epsilon) }, {}],
  LayerNorm: [{ x_hat: ({ settings: s }, { x, mean, variance }) => rows_normalized(x, mean, variance, s.epsilon) }, {}],
  LocalResponseNorm: [{ s: ({ settings: s }, { x }) => energies(x, s.size, s.alpha, s.k) }, {}],
};

function onDemand(layer, key, made, gradients) {
  const make = ON_DEMAND[layer.kind]?.find((place) => key in place)?.[key];
  return make?.(layer, made, gradients);
}

// dY·Wᵀ
function gradientOfColumns(dy, weight) {
  const filters = weight.shape[3];
  const dy_rows = reshaped(dy, [dy.data.length / filters, filters]);
  return matmul(dy_rows, reshaped(weight, [size(weight.shape) / filters, filters]), false, true);
}
