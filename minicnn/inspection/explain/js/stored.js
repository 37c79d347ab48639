// The pass of a network that is too large to be computed on the page: what Python has computed and put into it.
//
// It has the most active channels of each layer's output and of the gradient there, and the terms of some numbers; see
// minicnn/inspection/explain/stored.py. It is asked like a Pass; what it has not is undefined.

import { decodedNumbers } from "./tensor.js";

export class StoredPass {
  // network: with the description that holds the pass. images, x: as in a Pass, whole.
  constructor(network, images, x) {
    const { stored, label, labelSmoothing } = network.description;
    Object.assign(this, { network, label, labelSmoothing, live: false, hasGradients: true });
    const decoded = Object.entries(stored.tensors).map(([name, held]) => [name, decodedPart(held)]);
    this.tensors = new Map([["images", images], ["x", x], ...decoded]);
    const whole = ["images", "x", "logits", "probabilities", "loss", "dlogits", "dx"];
    for (const name of whole) this[name] = this.tensors.get(name);
    this.handedOn = new Map([["logits", "logits"]]);
    this.#follow(network.layers, "x", "dx");
  }

  // Notes under which name each layer's input is known, given the names of the input of the first and of its gradient
  // (null where that is not its whole gradient); returns the name of the output.
  #follow(layers, x, dx) {
    for (const layer of layers) {
      if (layer.kind === "Sequential") {
        x = this.#follow(layer.layers, x, dx);
      } else {
        const { name } = layer;
        this.handedOn.set(`${name}.x`, x);
        if (dx) this.handedOn.set(`${name}.dx`, dx);
        if (layer.kind === "Residual") {
          this.handedOn.set(`${name}.body`, this.#follow([layer.body], x, null));
          this.handedOn.set(`${name}.shortcut`, layer.shortcut ? this.#follow([layer.shortcut], x, null) : x);
        }
        x = layer.kind === "Dropout" ? x : `${name}.y`;
      }
      dx = x === "x" ? dx : `${x.slice(0, -2)}.dy`;
    }
    return x;
  }

  // The tensor of that name, {shape, data}, and {channels} where those are all that is there of its last axis.
  get(name) {
    const dot = name.lastIndexOf(".");
    const [layer, key] = [name.slice(0, dot), name.slice(dot + 1)];
    const held = this.network.flat.find((one) => one.name === layer);
    return this.tensors.get(this.#known(name)) ?? held?.parameters[key] ?? held?.state[key];
  }

  names() {
    return [...this.tensors.keys()];
  }

  // The name under which the numbers were computed; null where they were given, or are not there.
  producer(name) {
    const known = this.#known(name);
    return known !== "images" && this.tensors.has(known) ? known : null;
  }

  #known(name) {
    const plain = name.replace(/\.(d?)z$/, ".$1y");
    return this.handedOn.get(plain) ?? plain;
  }

  // The name of the operation that made the layer's results, where one of them is spelled out.
  operation(layer, backward = false) {
    const of = ({ name, operation }) => name.startsWith(`${layer}.`) && operation.endsWith("_backward") === backward;
    return this.network.description.stored.explanations.find(of)?.operation;
  }

  // The channels of a tensor, its last axis, whose numbers are there.
  channels(name) {
    const { shape, channels } = this.get(name);
    return channels ?? Array.from({ length: shape[shape.length - 1] }, (_, channel) => channel);
  }

  // One channel of a picture: {height, width, data}; undefined where it is not there.
  map(name, channel) {
    const { shape, data } = this.get(name);
    const channels = this.channels(name);
    const at = channels.indexOf(channel);
    if (at < 0) return undefined;
    const [height, width] = shape.slice(-3);
    return { height, width, data: data.filter((_, place) => place % channels.length === at) };
  }

  // A map of the picture for a class, kind "saliency" or "gradCam": {height, width, data}; null where it is not there.
  classMap(kind, k) {
    const found = this.network.description.stored.maps.find((one) => one.class === k)?.[kind];
    if (!found) return null;
    const [height, width] = found.shape;
    return { height, width, data: decodedNumbers(found.dtype, found.data), layer: found.layer };
  }

  // The numbers whose terms are there: [{name, index}].
  explained() {
    return this.network.description.stored.explanations.map(({ name, index }) => ({ name, index }));
  }

  // The terms of a number as `terms` returns them, the largest ones, and {rest: {count, sum}}; undefined where not there.
  explanation(name, index) {
    const from = this.#known(name);
    const same = (one) => this.#known(one.name) === from && one.index.join() === index.join();
    const found = this.network.description.stored.explanations.find(same);
    return found && { ...found, name, producer: from };
  }
}

function decodedPart({ shape, channels, dtype, data }) {
  return channels
    ? { shape, channels, data: decodedNumbers(dtype, data) }
    : { shape, data: decodedNumbers(dtype, data) };
}
