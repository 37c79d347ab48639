// Where in the picture a network sees what speaks for a class. Of a pass that was stored there are the maps of its label
// and of the likeliest class; for others these functions return null.

import { zeros } from "./tensor.js";

// For each pixel the largest of its channels' |∂logit_k / ∂x|: {height, width, data}.
// Source: Simonyan et al. 2014, "Deep inside convolutional networks", §3.1.
export function saliency(network, pass, k) {
  if (!pass.live) return pass.classMap("saliency", k);
  const { dx } = network.gradientsOf(pass, oneHot(pass.logits.shape, k));
  const [, height, width, channels] = dx.shape;
  const data = new Float64Array(height * width);
  for (let place = 0; place < dx.data.length; place++) {
    const pixel = Math.floor(place / channels);
    data[pixel] = Math.max(data[pixel], Math.abs(dx.data[place]));
  }
  return { height, width, data };
}

// Grad-CAM: a layer's maps A, each weighted by how it moves the logit: {height, width, data, layer}.
//
//   L = ReLU(Σ_c α_c·A_c),  α_c = mean over the pixels of ∂logit_k / ∂A_c
//
// layer: by name; the last whose output is a picture and that is no pool if left out; null where there is none.
// Source: Selvaraju et al. 2017, "Grad-CAM", eq. 1 and 2.
export function gradCam(network, pass, k, layer = mapLayers(network).at(-1)) {
  if (!pass.live) return pass.classMap("gradCam", k);
  if (layer === undefined) return null;
  const { gradients } = network.gradientsOf(pass, oneHot(pass.logits.shape, k));
  const [y, { dy }] = [pass.get(`${layer}.y`), gradients.get(layer)];
  const [, height, width, channels] = y.shape;
  const alpha = new Float64Array(channels);
  dy.data.forEach((d, place) => (alpha[place % channels] += d / (height * width)));
  const data = new Float64Array(height * width);
  y.data.forEach((a, place) => (data[Math.floor(place / channels)] += alpha[place % channels] * a));
  return { height, width, data: data.map((v) => Math.max(v, 0)), layer };
}

// The layers that Grad-CAM may look at: [name, …].
export function mapLayers(network) {
  const outermost = network.layers.slice(0, -1).filter(({ kind }) => !/Pool2D$|^Sequential$/.test(kind));
  return outermost.filter(({ outputShape }) => outputShape.length === 3).map(({ name }) => name);
}

function oneHot(shape, k) {
  const gradient = zeros(shape);
  gradient.data[k] = 1;
  return gradient;
}
