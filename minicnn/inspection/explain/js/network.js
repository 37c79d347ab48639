// A network with all its numbers, alive: it runs forward and backward, can be changed anywhere, and learns by SGD.
//
// It is built from the description that Python puts into the page, see minicnn/inspection/explain/description.py. What
// a run makes is a Pass, which stays as it is; a change takes effect at the next run, and what lies before it in the
// network is taken from the run before.

import { LAYER_KINDS } from "./layers.js";
import { normalize_pixels } from "./ops/images.js";
import { residual, residual_backward } from "./ops/residual.js";
import { softmax_cross_entropy, softmax_cross_entropy_backward } from "./ops/softmax.js";
import { sgd_update } from "./ops/updates.js";
import { Pass } from "./pass.js";
import { StoredPass } from "./stored.js";
import { copied, decodedBytes, decodedTensor, mapped, mapped2, offset, tensor, unravel, zeros } from "./tensor.js";

export function buildNetwork(description) {
  return new Network(description);
}

export class Network {
  // layers: the tree of layers, in order. flat: those that compute, in the order of the forward pass. images: the
  // picture (1, H, W, C), 0 … 255. label: the class that the loss is about. training: see setTraining.
  constructor(description) {
    this.description = description;
    this.classes = description.classes.length;
    this.layers = description.layers.map(grown);
    this.flat = this.layers.flatMap(computing);
    const { shape, bytes } = description.image;
    this.start = tensor([1, ...shape], Float64Array.from(decodedBytes(bytes)));
    this.reset();
  }

  // Brings everything back to what the page began with.
  reset() {
    this.images = this.start;
    this.label = this.description.label;
    this.labelSmoothing = this.description.labelSmoothing;
    this.training = false;
    for (const layer of this.flat) {
      layer.parameters = { ...layer.start.parameters }; // the tensors are shared: whoever changes one changes a copy
      layer.state = { ...layer.start.state };
      layer.off = false;
      layer.silenced = new Set();
    }
    this.velocities = new Map(); // of SGD with momentum, by the parameter's name
    this.last = null; // the pass before
    this.changed = new Set(); // the layers that compute otherwise than in it
  }

  // Whether it computes: a network that is too large does not, and shows a pass that was stored.
  get live() {
    return this.description.live;
  }

  // The layer of that dotted name. Throws RangeError where there is none.
  layer(name) {
    const found = this.flat.find((layer) => layer.name === name);
    if (!found) throw new RangeError(`the network has no layer ${name}: ${this.flat.map((l) => l.name).join(", ")}`);
    return found;
  }

  // Whether the network computes otherwise in training than in use.
  get hasTwoModes() {
    const differs = { Dropout: (layer) => layer.settings.rate > 0, BatchNorm2D: (layer) => !layer.frozen };
    return this.flat.some((layer) => differs[layer.kind]?.(layer) ?? false);
  }

  // The batch norm that one picture cannot train, as it has one pixel a channel; null where there is none.
  get tooFewPixels() {
    const single = ({ kind, frozen, inputShape: [h, w] }) => kind === "BatchNorm2D" && !frozen && h * w < 2;
    return this.flat.find(single)?.name ?? null;
  }

  // Runs the picture forward and backward; of a network that does not compute, the pass that was stored.
  run() {
    if (!this.live) return this.#stored();
    const pass = this.forward();
    this.backward(pass);
    return pass;
  }

  // Runs the picture forward, from the first change on since the last run. The pass has no gradients yet.
  forward() {
    if (!this.live) return this.#stored();
    this.last = this.forwardFrom(this.last, this.changed);
    this.changed = new Set();
    return this.last;
  }

  #stored() {
    const { mean, std } = this.description.normalization;
    this.last ??= new StoredPass(this, this.images, normalize_pixels(this.images, mean, std));
    return this.last;
  }

  #requireLive() {
    if (!this.live) throw Object.assign(new Error("this network is too large to be changed here"), { key: "stored" });
  }

  // A forward pass that takes from the pass `before` whatever these changed layers leave as it was. held: a tensor to
  // stand in the place of another one, as {name, tensor}, name being "x", or a layer's output such as "conv1.y".
  forwardFrom(before, changed, held = null) {
    const pass = new Pass(this);
    const { mean, std } = this.description.normalization;
    const samePicture = before?.images === this.images;
    pass.images = this.images;
    pass.x = samePicture ? before.x : normalize_pixels(this.images, mean, std);
    if (held?.name === "x") pass.x = held.tensor;
    const run = { pass, before, changed, held };
    pass.logits = this.#forwardThrough(this.layers, pass.x, run);
    pass.label = this.label;
    pass.labelSmoothing = this.labelSmoothing;
    Object.assign(pass, softmax_cross_entropy(pass.logits, [this.label], this.labelSmoothing));
    return pass;
  }

  #forwardThrough(layers, x, run) {
    return layers.reduce((y, layer) => this.#forwardOne(layer, y, run), x);
  }

  #forwardOne(layer, x, run) {
    if (layer.kind === "Sequential") return this.#forwardThrough(layer.layers, x, run);
    const earlier = run.before?.made.get(layer.name);
    let made;
    if (layer.kind === "Residual") {
      const body = this.#forwardOne(layer.body, x, run);
      const shortcut = layer.shortcut ? this.#forwardOne(layer.shortcut, x, run) : x;
      const same = earlier?.body === body && earlier.shortcut === shortcut;
      made = same ? earlier : { operation: "residual", x, body, shortcut, y: residual(body, shortcut) };
    } else if (earlier?.x === x && !run.changed.has(layer)) {
      made = earlier;
    } else {
      made = { x, ...layer.parameters, ...LAYER_KINDS[layer.kind].forward(layer, x, this.training) };
    }
    if (run.held?.name === `${layer.name}.y`) made = { ...made, y: run.held.tensor };
    run.pass.made.set(layer.name, made);
    return made.y;
  }

  // Adds to a forward pass of the network as it is now the gradients of its loss.
  backward(pass) {
    if (pass.hasGradients) return;
    pass.dlogits = softmax_cross_entropy_backward(pass.probabilities, [pass.label], pass.labelSmoothing);
    const { gradients, dx } = this.gradientsOf(pass, pass.dlogits);
    pass.gradients = gradients;
    pass.dx = dx;
  }

  // The gradients of Σ dlogits · logits: at every layer of a pass, by its name {dy, dx, dweight, dbias, …}, and at x.
  gradientsOf(pass, dlogits) {
    const gradients = new Map();
    const dx = this.#backwardThrough(this.layers, dlogits, pass, gradients);
    return { gradients, dx };
  }

  #backwardThrough(layers, dy, pass, gradients) {
    return layers.reduceRight((dx, layer) => this.#backwardOne(layer, dx, pass, gradients), dy);
  }

  #backwardOne(layer, dy, pass, gradients) {
    if (layer.kind === "Sequential") return this.#backwardThrough(layer.layers, dy, pass, gradients);
    let result;
    if (layer.kind === "Residual") {
      const dx_body = this.#backwardOne(layer.body, dy, pass, gradients);
      const dx_shortcut = layer.shortcut ? this.#backwardOne(layer.shortcut, dy, pass, gradients) : dy;
      result = { operation: "residual_backward", dx_body, dx_shortcut, dx: residual_backward(dx_body, dx_shortcut) };
    } else {
      result = LAYER_KINDS[layer.kind].backward(layer, dy, pass.made.get(layer.name));
    }
    gradients.set(layer.name, { dy, ...result });
    return result.dx;
  }

  // The number at `index` of "images", or of a parameter or a running statistic such as "conv1.weight".
  get(name, index) {
    const t = this.#held(name).tensor;
    return t.data[offset(t.shape, index)];
  }

  // Changes that number. What earlier passes hold stays as it was.
  set(name, index, value) {
    this.#requireLive();
    const { owner, key, tensor: before, layer } = this.#held(name);
    const place = offset(before.shape, index);
    if (before.data[place] === value) return;
    owner[key] = copied(before);
    owner[key].data[place] = value;
    if (layer) this.changed.add(layer);
  }

  // Changes a number in place for the time of f(): for trying what would be, not for keeping.
  tried(name, index, value, f) {
    const { tensor: t } = this.#held(name);
    const place = offset(t.shape, index);
    const before = t.data[place];
    t.data[place] = value;
    try {
      return f();
    } finally {
      t.data[place] = before;
    }
  }

  // Whose number `name` is: {owner, key, tensor, layer}. Throws RangeError where the network has no such numbers.
  #held(name) {
    if (name === "images") return { owner: this, key: "images", tensor: this.images, layer: null };
    const dot = name.lastIndexOf(".");
    const layer = this.layer(name.slice(0, dot));
    const key = name.slice(dot + 1);
    const owner = [layer.parameters, layer.state].find((held) => key in held);
    if (!owner) throw new RangeError(`${layer.name} has no ${key} that could be set`);
    return { owner, key, tensor: owner[key], layer };
  }

  // Chooses another class for the loss to be about.
  setLabel(label) {
    this.#requireLive();
    if (!(Number.isInteger(label) && label >= 0 && label < this.classes)) throw new RangeError(`no class ${label}`);
    this.label = label;
  }

  // ε in [0, 1): the target is (1 − ε) for the label, and ε shared among all classes.
  setLabelSmoothing(epsilon) {
    this.#requireLive();
    if (!(epsilon >= 0 && epsilon < 1)) throw new RangeError(`label smoothing ${epsilon} is not in [0, 1)`);
    this.labelSmoothing = epsilon;
  }

  // true: as in training, with batch norm by this picture's own statistics, and dropout by a mask that stays the same.
  // false: as in use, with batch norm by its running statistics and without dropout.
  setTraining(training) {
    if (training) this.#requireLive();
    const single = this.tooFewPixels;
    if (training && single) throw new RangeError(`${single} has one pixel a channel, which has no variance`);
    if (training === this.training) return;
    this.training = training;
    for (const layer of this.flat) if (["Dropout", "BatchNorm2D"].includes(layer.kind)) this.changed.add(layer);
  }

  // Switches an activation layer off, y = x, or on again.
  setOff(name, off) {
    const layer = this.#activation(name);
    layer.off = off;
    this.changed.add(layer);
  }

  // Holds one channel of an activation layer at 0, or lets it go again.
  silence(name, channel, silent) {
    const layer = this.#activation(name);
    layer.silenced = new Set(layer.silenced);
    layer.silenced[silent ? "add" : "delete"](channel);
    this.changed.add(layer);
  }

  #activation(name) {
    this.#requireLive();
    const layer = this.layer(name);
    if (!LAYER_KINDS[layer.kind]?.isActivation) throw new RangeError(`${name} is no activation`);
    return layer;
  }

  // Moves all parameters down the gradients of a pass, and in training the running statistics towards the pass's own.
  sgdStep(pass, { lr = 0.01, momentum = 0, nesterov = false, weightDecay = 0 } = {}) {
    this.#requireLive();
    for (const layer of this.flat.filter(({ frozen }) => !frozen)) {
      const gradients = pass.gradients.get(layer.name);
      for (const [key, value] of Object.entries(layer.parameters)) {
        const name = `${layer.name}.${key}`;
        if (momentum && !this.velocities.has(name)) this.velocities.set(name, zeros(value.shape));
        const velocity = momentum ? this.velocities.get(name) : null;
        layer.parameters[key] = copied(value);
        sgd_update(layer.parameters[key], gradients[`d${key}`], velocity, lr, momentum, nesterov, weightDecay);
        this.changed.add(layer);
      }
      const made = pass.made.get(layer.name);
      if (made.operation === "batch_norm") this.#follow(layer, made);
    }
  }

  // running ← (1 − m)·running + m·batch's own, the variance divided by M − 1 instead of M
  #follow(layer, { x, mean, variance }) {
    const pixels = x.data.length / mean.data.length;
    const share = layer.settings.momentum;
    const towards = (running, own) => mapped2(running, own, (r, o) => (1 - share) * r + share * o);
    const unbiased = mapped(variance, (v) => (v * pixels) / (pixels - 1));
    layer.state.running_mean = towards(layer.state.running_mean, mean);
    layer.state.running_var = towards(layer.state.running_var, unbiased);
  }

  // What differs from the beginning: [{name, count, index, from, to}], for each tensor how many of its numbers, and the
  // one that differs most; {name, from, to} of the label and of the smoothing; of activations {name, channel?, from:
  // "on", to}, channel where that alone is silent.
  edits() {
    const found = [differenceOf("images", this.start, this.images)];
    for (const layer of this.flat) {
      for (const held of ["parameters", "state"]) {
        for (const [key, before] of Object.entries(layer.start[held])) {
          found.push(differenceOf(`${layer.name}.${key}`, before, layer[held][key]));
        }
      }
      if (layer.off) found.push({ name: layer.name, from: "on", to: "off" });
      for (const channel of layer.silenced) found.push({ name: layer.name, channel, from: "on", to: "silent" });
    }
    for (const name of ["label", "labelSmoothing"]) {
      if (this[name] !== this.description[name]) found.push({ name, from: this.description[name], to: this[name] });
    }
    return found.filter((difference) => difference !== null);
  }
}

// A layer of the network from a node of the description: its numbers decoded, its parts layers in turn.
function grown(node) {
  const decoded = (all) => Object.fromEntries(Object.entries(all).map(([key, held]) => [key, decodedTensor(held)]));
  const layer = { ...node, start: { parameters: decoded(node.parameters), state: decoded(node.state) } };
  if (node.layers) layer.layers = node.layers.map(grown);
  if (node.body) layer.body = grown(node.body);
  if (node.shortcut) layer.shortcut = grown(node.shortcut);
  return layer;
}

// The layers that compute, in the order of the forward pass: a residual sum stands after its two paths.
function computing(layer) {
  if (layer.layers) return layer.layers.flatMap(computing);
  if (layer.kind !== "Residual") return [layer];
  return [...computing(layer.body), ...(layer.shortcut ? computing(layer.shortcut) : []), layer];
}

function differenceOf(name, before, now) {
  if (before === now) return null;
  let count = 0;
  let largest = 0;
  const distance = (place) => Math.abs(now.data[place] - before.data[place]);
  for (let place = 0; place < now.data.length; place++) {
    if (distance(place) > 0) count++;
    if (distance(place) > distance(largest)) largest = place;
  }
  const index = unravel(now.shape, largest);
  return count ? { name, count, index, from: before.data[largest], to: now.data[largest] } : null;
}
