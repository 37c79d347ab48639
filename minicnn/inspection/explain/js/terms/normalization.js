// Batch norm, layer norm and local response norm.

import { at } from "../tensor.js";
import { indices, number, product, range, sumOfDy } from "./parts.js";

export const NORMALIZATION_TERMS = {
  "batch_norm.y": (call, index) => scaledAndShifted(call, index, [index[3]]),
  "batch_norm.x_hat": (call, index) => normalizedNumber(call, index, [index[3]]),
  "batch_norm.mean": (call, [c]) => meanOf(call, pixelsOf(call, c), "1/M"),
  "batch_norm.variance": (call, [c]) => varianceOf(call, pixelsOf(call, c), [c], "1/M"),
  "batch_norm_backward.dx": (call, index) => {
    const c = index[3];
    const pixels = pixelsOf(call, c);
    const [dy, xHat] = ["dy", "x_hat"].map((key) => pixels.map((pixel) => at(call.tensor(key), pixel)));
    const scale = [call.element("weight", [c]), number("1/√(variance + ε)", inverseDeviation(call, [c]))];
    const along = mean(dy.map((d, place) => d * xHat[place]));
    return threePaths(
      product(call.element("dy", index), ...scale),
      product(number("−mean of dy", -mean(dy)), ...scale),
      product(number("−x̂", -at(call.tensor("x_hat"), index)), number("mean of dy ⊙ x̂", along), ...scale),
    );
  },
  "batch_norm_backward.dweight": (call, [c]) => sumOfDyTimesXHat(call, pixelsOf(call, c)),
  "batch_norm_backward.dbias": sumOfDy,
  "batch_norm_inference.y": (call, index) => scaledAndShifted(call, index, [index[3]]),
  "batch_norm_inference.x_hat": (call, index) => normalizedNumber(call, index, [index[3]]),
  "batch_norm_inference_backward.dx": (call, index) => {
    const scale = number("1/√(variance + ε)", inverseDeviation(call, [index[3]]));
    const own = product(call.element("dy", index), call.element("weight", [index[3]]), scale);
    return { terms: [{ ...own, path: "x" }], note: { key: "givenStatistics" } };
  },
  "batch_norm_inference_backward.dweight": (call, [c]) => sumOfDyTimesXHat(call, pixelsOf(call, c)),
  "batch_norm_inference_backward.dbias": sumOfDy,

  "layer_norm.y": (call, index) => scaledAndShifted(call, index, index.slice(0, -1)),
  "layer_norm.x_hat": (call, index) => normalizedNumber(call, index, index.slice(0, -1)),
  "layer_norm.mean": (call, row) => meanOf(call, numbersOf(call, row), "1/C"),
  "layer_norm.variance": (call, row) => varianceOf(call, numbersOf(call, row), row, "1/C"),
  "layer_norm_backward.dx": (call, index) => {
    const row = index.slice(0, -1);
    const [dy, xHat] = ["dy", "x_hat"].map((key) => numbersOf(call, row).map((place) => at(call.tensor(key), place)));
    const dxHat = dy.map((d, c) => d * call.tensor("weight").data[c]);
    const scale = number("1/√(variance + ε)", inverseDeviation(call, row));
    const along = mean(dxHat.map((d, c) => d * xHat[c]));
    return threePaths(
      product(call.element("dy", index), call.element("weight", index.slice(-1)), scale),
      product(number("−mean of dx̂", -mean(dxHat)), scale),
      product(number("−x̂", -at(call.tensor("x_hat"), index)), number("mean of dx̂ ⊙ x̂", along), scale),
    );
  },
  "layer_norm_backward.dweight": (call, [c]) => sumOfDyTimesXHat(call, pixelsOf(call, c)),
  "layer_norm_backward.dbias": sumOfDy,

  "local_response_norm.y": (call, index) => {
    const s = at(call.tensor("s"), index);
    const term = product(call.element("x", index), number("1/s^β", s ** -call.settings.beta));
    return { terms: [term], note: { key: "energy", s } };
  },
  "local_response_norm.s": (call, index) => {
    const { size, alpha, k } = call.settings;
    const share = number("α/size", alpha / size);
    const squares = neighbours(call, index, Math.floor(size / 2), Math.floor((size - 1) / 2)).map((place) =>
      product(share, call.element("x", place), call.element("x", place)),
    );
    return { terms: [product(number("k", k)), ...squares], note: null };
  },
  "local_response_norm_backward.dx": (call, index) => {
    const { size, alpha, beta } = call.settings;
    const s = call.tensor("s");
    const common = number("−2·α·β/size · x", ((-2 * alpha * beta) / size) * at(call.tensor("x"), index));
    const throughS = neighbours(call, index, Math.floor((size - 1) / 2), Math.floor(size / 2)).map((place) => {
      const power = number("1/s^(β + 1)", at(s, place) ** -(beta + 1));
      return product(common, call.element("dy", place), call.element("x", place), power);
    });
    const own = product(call.element("dy", index), number("1/s^β", at(s, index) ** -beta));
    return { terms: [own, ...throughS], note: null };
  },
};

// The statistics of a normalisation in a pass: {given, epsilon, count, mean, variance, deviation}, the last three
// arrays (of batch norm one number a channel, of layer norm one a row). count: of the numbers that each is of.
export function normStatistics(pass, name) {
  const { settings } = pass.network.layer(name);
  const [x, mean, variance] = ["x", "mean", "variance"].map((key) => pass.get(`${name}.${key}`));
  const deviation = variance.data.map((v) => Math.sqrt(v + settings.epsilon));
  const given = pass.operation(name) === "batch_norm_inference";
  const count = x.data.length / mean.data.length;
  return { given, epsilon: settings.epsilon, count, mean: mean.data, variance: variance.data, deviation };
}

// y = weight · (x − mean) · 1/√(variance + ε) + bias; statistic: the index of its mean and variance
function scaledAndShifted(call, index, statistic) {
  const { terms, note } = normalizedNumber(call, index, statistic);
  const channel = index.slice(-1);
  const scaled = product(call.element("weight", channel), ...terms[0].factors);
  return { terms: [scaled, product(call.element("bias", channel))], note };
}

function normalizedNumber(call, index, statistic) {
  const [mean_, variance] = ["mean", "variance"].map((key) => at(call.tensor(key), statistic));
  const x = at(call.tensor("x"), index);
  const note = { key: "statistics", x, mean: mean_, variance, epsilon: call.settings.epsilon };
  const distance = { ...number("(x − mean)", x - mean_), name: `${call.layer.name}.x`, index };
  return { terms: [product(distance, number("1/√(variance + ε)", inverseDeviation(call, statistic)))], note };
}

function inverseDeviation(call, statistic) {
  return 1 / Math.sqrt(at(call.tensor("variance"), statistic) + call.settings.epsilon);
}

function meanOf(call, places, symbol) {
  const share = number(symbol, 1 / places.length);
  return { terms: places.map((place) => product(call.element("x", place), share)), note: null };
}

function varianceOf(call, places, statistic, symbol) {
  const centre = at(call.tensor("mean"), statistic);
  const share = number(symbol, 1 / places.length);
  const terms = places.map((place) => {
    const distance = { ...call.element("x", place, "(x − mean)"), value: at(call.tensor("x"), place) - centre };
    return product(distance, distance, share);
  });
  return { terms, note: { key: "mean", mean: centre } };
}

function threePaths(own, throughMean, throughVariance) {
  const terms = [
    { ...own, path: "x" },
    { ...throughMean, path: "mean" },
    { ...throughVariance, path: "variance" },
  ];
  return { terms, note: { key: "threePaths" } };
}

function sumOfDyTimesXHat(call, places) {
  const terms = places.map((place) => product(call.element("dy", place), call.element("x_hat", place, "x̂")));
  return { terms, note: null };
}

// The indices of all numbers of a channel, and of a row.
function pixelsOf(call, c) {
  return indices(call.tensor("x").shape.slice(0, -1)).map((pixel) => [...pixel, c]);
}

function numbersOf(call, row) {
  const { shape } = call.tensor("x");
  return range(shape[shape.length - 1]).map((c) => [...row, c]);
}

// The indices of the channels from `before` before to `after` behind, of the same pixel.
function neighbours(call, index, before, after) {
  const pixel = index.slice(0, -1);
  const c = index[index.length - 1];
  return numbersOf(call, pixel).filter((_, j) => j >= c - before && j <= c + after);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
