// Softmax and cross-entropy: of a pass as a whole, and step by step from the logits to their gradient.

import { log_softmax, target } from "../ops/softmax.js";
import { at } from "../tensor.js";
import { number, product } from "./parts.js";

export const SOFTMAX_TERMS = {
  probabilities(pass, [n, k]) {
    const { max, sum, classes } = softmaxSteps(pass);
    const exponential = { ...number("e^(z − max)", classes[k].exponential), name: "logits", index: [n, k] };
    return { terms: [product(exponential, number("1/Σ", 1 / sum))], note: { key: "softmax", max, sum } };
  },
  loss(pass) {
    const terms = softmaxSteps(pass).classes.flatMap(({ q, logP }, k) => {
      const logarithm = { ...number("log p", logP), name: "probabilities", index: [0, k] };
      return q === 0 ? [] : [product(number("−q", -q), logarithm, number("1/N", 1))];
    });
    return { terms, note: { key: "crossEntropy" } };
  },
  dlogits(pass, [n, k]) {
    const { p, q } = softmaxSteps(pass).classes[k];
    const probability = { symbol: "p", name: "probabilities", index: [n, k], value: p };
    return { terms: [product(probability, number("1/N", 1)), product(number("−q", -q), number("1/N", 1))], note: null };
  },
};

// From logits to gradient, class by class: {max, sum, loss, classes: [{z, shifted, exponential, p, logP, q, lossTerm,
// dlogit}]}, with sum = Σ e^(z − max), q the target and lossTerm = −q·log p.
export function softmaxSteps(pass) {
  const { logits, label, labelSmoothing } = pass;
  const z = [...logits.data];
  const max = Math.max(...z);
  const exponentials = z.map((v) => Math.exp(v - max));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  const logP = log_softmax(logits).data;
  const q = target([label], z.length, labelSmoothing).data;
  const classes = z.map((v, k) => {
    const p = at(pass.probabilities, [0, k]);
    const lossTerm = q[k] === 0 ? 0 : -q[k] * logP[k];
    const steps = { z: v, shifted: v - max, exponential: exponentials[k], p, logP: logP[k], q: q[k] };
    return { ...steps, lossTerm, dlogit: p - q[k] };
  });
  return { max, sum, loss: pass.loss.data[0], classes };
}
