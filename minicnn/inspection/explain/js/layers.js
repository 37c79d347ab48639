// The kinds of layers: which operation each runs, forward and backward, on which of its settings and parameters.
//
// A layer is a node of the description with its numbers decoded (see network.js). For each kind of layer:
//
//   forward(layer, x, training)  returns {operation, y, …}: the operation's name, its result, and what belongs to it
//   backward(layer, dy, made)    returns {operation, dx, …}: made is what forward returned, and x, weight and bias

import {
  gelu,
  gelu_backward,
  leaky_relu,
  leaky_relu_backward,
  relu,
  relu6,
  relu6_backward,
  relu_backward,
  sigmoid,
  sigmoid_backward,
  silu,
  silu_backward,
  tanh,
  tanh_backward,
} from "./ops/activations.js";
import {
  batch_norm,
  batch_norm_backward,
  batch_norm_inference,
  batch_norm_inference_backward,
} from "./ops/batch_norm.js";
import { conv2d, conv2d_backward } from "./ops/convolution.js";
import { dense, dense_backward } from "./ops/dense.js";
import { dropout, dropout_backward } from "./ops/dropout.js";
import { layer_norm, layer_norm_backward } from "./ops/layer_norm.js";
import { local_response_norm, local_response_norm_backward } from "./ops/local_response_norm.js";
import {
  avg_pool2d,
  avg_pool2d_backward,
  global_avg_pool2d,
  global_avg_pool2d_backward,
  max_pool2d,
  max_pool2d_backward,
} from "./ops/pooling.js";
import { reshaped } from "./tensor.js";

export const LAYER_KINDS = {
  Conv2D: {
    forward({ settings: s, parameters: p }, x) {
      const y = conv2d(x, p.weight, p.bias ?? null, s.stride, s.padding, s.groups, s.dilation);
      return { operation: "conv2d", y };
    },
    backward({ settings: s, parameters: p }, dy, { x, weight }) {
      const gradients = conv2d_backward(dy, x, weight, s.stride, s.padding, s.groups, s.dilation);
      if (!p.bias) delete gradients.dbias;
      return { operation: "conv2d_backward", ...gradients };
    },
  },
  Dense: {
    forward: ({ parameters: p }, x) => ({ operation: "dense", y: dense(x, p.weight, p.bias) }),
    backward: (layer, dy, { x, weight }) => ({ operation: "dense_backward", ...dense_backward(dy, x, weight) }),
  },
  MaxPool2D: {
    forward: ({ settings: s }, x) => ({ operation: "max_pool2d", ...max_pool2d(x, s.size, s.stride, s.padding) }),
    backward({ settings: s }, dy, { x, argmax }) {
      const dx = max_pool2d_backward(dy, argmax, x.shape, s.size, s.stride, s.padding);
      return { operation: "max_pool2d_backward", dx };
    },
  },
  AvgPool2D: {
    forward: ({ settings: s }, x) => ({ operation: "avg_pool2d", y: avg_pool2d(x, s.size, s.stride, s.padding) }),
    backward({ settings: s }, dy, { x }) {
      return { operation: "avg_pool2d_backward", dx: avg_pool2d_backward(dy, x.shape, s.size, s.stride, s.padding) };
    },
  },
  GlobalAvgPool2D: {
    forward: (layer, x) => ({ operation: "global_avg_pool2d", y: global_avg_pool2d(x) }),
    backward(layer, dy, { x }) {
      return { operation: "global_avg_pool2d_backward", dx: global_avg_pool2d_backward(dy, x.shape) };
    },
  },
  Flatten: {
    forward: (layer, x) => ({ operation: "flatten", y: reshaped(x, [x.shape[0], x.data.length / x.shape[0]]) }),
    backward: (layer, dy, { x }) => ({ operation: "flatten_backward", dx: reshaped(dy, x.shape) }),
  },
  Dropout: {
    forward({ settings: s }, x, training) {
      if (!training || s.rate === 0) return { operation: "identity", y: x };
      return { operation: "dropout", ...dropout(x, s.rate, s.seed) };
    },
    backward({ settings: s }, dy, { keep }) {
      if (!keep) return { operation: "identity_backward", dx: dy };
      return { operation: "dropout_backward", dx: dropout_backward(dy, keep, s.rate) };
    },
  },
  BatchNorm2D: {
    forward({ settings: s, parameters: p, state, frozen }, x, training) {
      if (training && !frozen) return { operation: "batch_norm", ...batch_norm(x, p.weight, p.bias, s.epsilon) };
      const { running_mean: mean, running_var: variance } = state;
      const y = batch_norm_inference(x, p.weight, p.bias, mean, variance, s.epsilon);
      return { operation: "batch_norm_inference", y, mean, variance };
    },
    backward({ settings: s }, dy, { x, weight, mean, variance, operation }) {
      const slope = operation === "batch_norm" ? batch_norm_backward : batch_norm_inference_backward;
      return { operation: `${operation}_backward`, ...slope(dy, x, weight, mean, variance, s.epsilon) };
    },
  },
  LayerNorm: {
    forward({ settings: s, parameters: p }, x) {
      return { operation: "layer_norm", ...layer_norm(x, p.weight, p.bias, s.epsilon) };
    },
    backward({ settings: s }, dy, { x, weight, mean, variance }) {
      return { operation: "layer_norm_backward", ...layer_norm_backward(dy, x, weight, mean, variance, s.epsilon) };
    },
  },
  LocalResponseNorm: {
    forward({ settings: s }, x) {
      return { operation: "local_response_norm", y: local_response_norm(x, s.size, s.alpha, s.beta, s.k) };
    },
    backward({ settings: s }, dy, { x }) {
      const dx = local_response_norm_backward(dy, x, s.size, s.alpha, s.beta, s.k);
      return { operation: "local_response_norm_backward", dx };
    },
  },
  ReLU: activation("relu", relu, (layer, dy, { y }) => relu_backward(dy, y)),
  ReLU6: activation("relu6", relu6, (layer, dy, { y }) => relu6_backward(dy, y)),
  Sigmoid: activation("sigmoid", sigmoid, (layer, dy, { y }) => sigmoid_backward(dy, y)),
  Tanh: activation("tanh", tanh, (layer, dy, { y }) => tanh_backward(dy, y)),
  SiLU: activation("silu", silu, (layer, dy, { x }) => silu_backward(dy, x)),
  GELU: activation("gelu", gelu, (layer, dy, { x }) => gelu_backward(dy, x)),
  LeakyReLU: activation(
    "leaky_relu",
    (x, { settings }) => leaky_relu(x, settings.slope),
    ({ settings }, dy, { y }) => leaky_relu_backward(dy, y, settings.slope),
  ),
};

// An activation: one function value for each number. Switched off it lets everything through as it is; a channel that
// is silenced is held at 0, so that no gradient goes through it either.
function activation(operation, f, slope) {
  return {
    isActivation: true,
    forward(layer, x) {
      const y = layer.off ? x : f(x, layer);
      return { operation: layer.off ? "identity" : operation, y: withoutChannels(y, layer.silenced) };
    },
    backward(layer, dy, made) {
      const dx = layer.off ? dy : slope(layer, dy, made);
      return { operation: `${made.operation}_backward`, dx: withoutChannels(dx, layer.silenced) };
    },
  };
}

// t with 0 in these channels (a Set): t itself where there are none.
function withoutChannels(t, channels) {
  if (channels.size === 0) return t;
  const width = t.shape[t.shape.length - 1];
  return { shape: t.shape, data: t.data.map((v, place) => (channels.has(place % width) ? 0 : v)) };
}
