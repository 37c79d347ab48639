// What the page shows at the moment, and the one way to change it: `change(edit)` runs the edit, computes what it
// reaches, and has everything drawn anew in the next frame.

import { producer } from "../terms/producer.js";
import { placeOf } from "./planes.js";

export const state = {
  network: null,
  pass: null,
  direction: "forward", // or "backward"
  layer: null, // the name of the layer looked at, "loss" for the loss
  number: null, // {name, index}: the number looked at
  channels: {}, // by layer: {input, output}, the channels looked at
  tab: "maps", // or "columns"
  overlay: "none", // over the picture: "saliency" or "gradcam"
  brush: null, // {colour: [r, g, b], size} while the pointer paints
  rate: 0.01, // of the SGD step
  losses: [], // of the passes so far, an entry for each edit that was finished
  derivative: null, // {key, result} of the number looked at
  sliding: null, // the number of the output that the sliding kernel stands at
  group: null, // of the terms shown: the channel looked at
  sought: "", // a class that is looked for among many
  touched: false, // whether anything differs from what the page began with
  edits: 0, // how many times anything was recomputed: what is drawn for one pass is not drawn again for it
};

let draw = () => {};
let scheduled = false;
let stale = false;

// Call `show` whenever the page is to be drawn.
export function onChange(show) {
  draw = show;
}

// Run an edit of the state and draw everything anew. recompute: whether the edit changed the network or its picture.
export function change(edit, recompute = false) {
  if (recompute) stale = state.touched = true;
  edit(state);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(refresh);
}

// Bring the pass up to date and draw; at once, as tests and the first frame want it.
export function refresh() {
  scheduled = false;
  if (stale || !state.pass) {
    state.pass = state.network.run();
    state.edits += 1;
    stale = false;
  }
  draw();
}

// Look at a number, and at the layer that it stands in, unless the number stands beside the layer that is looked at.
export function choose(name, index, layer = layerOf(name)) {
  change(() => {
    state.number = { name, index };
    state.group = null;
    if (layer !== state.layer) enter(layer);
    const node = nodeOf(layer);
    if (node) lookAt(node, name, index);
  });
}

export function enter(layer) {
  state.layer = layer;
  state.sliding = null;
  const node = nodeOf(layer);
  if (!node || !node.settings?.kernel) state.tab = "maps";
}

export function nodeOf(layer) {
  return layer === "loss" || layer === null ? null : state.network.layer(layer);
}

export function layerOf(name) {
  const dot = name.lastIndexOf(".");
  if (dot >= 0) return name.slice(0, dot);
  return name === "x" || name === "images" ? state.network.flat[0].name : "loss";
}

// The last part of a name: y of conv1.y.
export function partOf(name) {
  return name.slice(name.lastIndexOf(".") + 1);
}

// Return the (H, W, C) that was flattened into the numbers of a layer's tensor `part` (x, weight, y, …), or null.
export function pictureOf(node, part = "x") {
  if (!node || (node.kind === "Dense" && !["x", "dx", "weight", "dweight"].includes(part))) return null;
  if (node.kind === "Flatten") return node.inputShape.length === 3 ? node.inputShape : null;
  if (node.inputShape.length !== 1) return null;
  const before = state.network.flat.slice(0, state.network.flat.indexOf(node)).reverse();
  for (const other of before) {
    if (other.kind === "Flatten") return other.inputShape.length === 3 ? other.inputShape : null;
    if (other.outputShape.length !== 1 || other.kind === "Dense") return null;
  }
  return null;
}

// Does every channel of the layer's output come from that channel of its input alone?
export function keepsChannels(node) {
  return !["Conv2D", "Dense"].includes(node.kind);
}

// Return which channels of a layer are looked at: {input, output}.
export function channelsOf(node) {
  if (!state.channels[node.name]) {
    const nodes = state.network.flat;
    const before = nodes[nodes.indexOf(node) - 1];
    const input = before && state.channels[before.name] ? state.channels[before.name].output : 0;
    const last = (node.inputShape.length === 3 ? node.inputShape : (pictureOf(node) ?? [1, 1, 1]))[2];
    const inside = Math.min(input, last - 1);
    const there = (part, wanted) => {
      const stored = state.pass.get(`${node.name}.${part}`)?.channels;
      return stored && !stored.includes(wanted) ? stored[0] : wanted;
    };
    const shown = there("x", inside);
    state.channels[node.name] = { input: shown, output: keepsChannels(node) ? shown : there("y", 0) };
  }
  return state.channels[node.name];
}

// Look at the channels of a layer in which a number lies.
export function lookAt(node, name, index) {
  if (index.length === 0) return;
  const channels = channelsOf(node);
  const part = partOf(name);
  const { channel, filter } = placeOf(name, shapeOf(name, index), pictureOf(node, part), index);
  const groups = node.settings?.groups ?? 1;
  if (filter !== undefined) {
    const first = Math.floor(filter / (node.outputShape[2] / groups)) * (node.inputShape[2] / groups);
    channels.output = filter;
    if (channel !== null) channels.input = (groups > 1 ? first : 0) + channel;
  } else if (isInput(part)) {
    channels.input = channel ?? (keepsChannels(node) ? index[1] : 0);
  } else if (index.length === 1) {
    channels.output = index[0]; // a bias, a mean
  } else {
    channels.output = channel ?? index[1];
  }
  if (keepsChannels(node)) {
    channels.input = channels.output = isInput(part) ? channels.input : channels.output;
  } else if (groups > 1) tieGroups(node, channels, part);
}

// The shape of a tensor; of one that was not stored, only its number of axes is known.
export function shapeOf(name, index) {
  return state.pass.get(name)?.shape ?? index.map(() => Infinity);
}

// Does a layer's tensor of that name have the channels of its input?
export function isInput(part) {
  return part === "x" || part === "dx";
}

// The channels that a filter of a grouped convolution reads are those of its group.
function tieGroups(node, channels, part) {
  const { groups } = node.settings;
  const [read, filters] = [node.inputShape[2] / groups, node.outputShape[2] / groups];
  if (isInput(part)) {
    const group = Math.floor(channels.input / read);
    if (Math.floor(channels.output / filters) !== group) channels.output = group * filters;
  } else {
    const group = Math.floor(channels.output / filters);
    if (Math.floor(channels.input / read) !== group) channels.input = group * read;
  }
}

// Return the name under which a number was computed: pool1.y for conv2.x; itself where it was.
export function originOf(name) {
  return producer(state.pass, name) ?? name;
}
