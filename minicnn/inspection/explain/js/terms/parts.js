// The building blocks of an explanation: terms that are products of factors, as in minicnn/inspection/terms/parts.py.
//
// A speller is a function (call, index) → {terms, note}: of one result of an operation that a layer called in a pass,
// it says what the number at `index` is made of.

import { at } from "../tensor.js";

// What a layer's operation got and made in a pass.
export class LayerCall {
  constructor(pass, layer) {
    this.pass = pass;
    this.layer = layer;
    this.settings = layer.settings;
  }

  // The layer's tensor: x, weight, dy, …
  tensor(key) {
    return this.pass.get(`${this.layer.name}.${key}`);
  }

  // A factor: the number at `index` of that tensor.
  element(key, index, symbol = key) {
    return { symbol, name: `${this.layer.name}.${key}`, index, value: at(this.tensor(key), index) };
  }
}

// A factor that is a number by itself, called `symbol`.
export function number(symbol, value) {
  return { symbol, value };
}

export function product(...factors) {
  return { value: factors.reduce((value, factor) => value * factor.value, 1), factors };
}

export function range(length) {
  return Array.from({ length }, (_, i) => i);
}

// A bias' gradient: dy, added up over all axes but the last.
export function sumOfDy(call, [c]) {
  const dy = call.tensor("dy");
  const others = dy.shape.slice(0, -1);
  return { terms: indices(others).map((index) => product(call.element("dy", [...index, c]))), note: null };
}

// All indices of a tensor of that shape, in order.
export function indices(shape) {
  return shape.reduce((all, length) => all.flatMap((index) => range(length).map((i) => [...index, i])), [[]]);
}
