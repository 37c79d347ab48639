// The network as a row of layers, each with some of its maps; the branches of residual blocks side by side.

import { h } from "./dom.js";
import { largestOfTensor, thumbnails } from "./map.js";
import { madeOf } from "./number.js";
import { times } from "./numbers.js";
import { change, channelsOf, choose, enter, layerOf, lookAt, nodeOf, state } from "./state.js";
import { arrange, families } from "./term_grid.js";
import { say } from "./words.js";

const MAPS = 12; // of a layer that its card shows

export function networkRow() {
  return [
    h("h2", {}, say(state.direction === "forward" ? "networkForward" : "networkBackward")),
    h(
      "nav",
      { class: "network", "aria-label": say("networkLabel") },
      h("ol", { class: state.direction }, steps(state.network.layers), lossCard()),
    ),
  ];
}

function steps(nodes) {
  return nodes.flatMap((node) => {
    if (node.kind === "Sequential") return steps(node.layers);
    if (node.kind === "Residual") return [branches(node)];
    return [h("li", { key: node.name }, card(node))];
  });
}

function branches(node) {
  const path = (branch, label) =>
    h(
      "div",
      { class: "branch" },
      h("span", { class: "branch-name" }, say(label)),
      branch ? h("ol", {}, steps([branch])) : h("span", { class: "wire" }, say("unchanged")),
    );
  return h(
    "li",
    { class: "residual", key: node.name },
    h("div", { class: "branches" }, path(node.body, "body"), path(node.shortcut, "shortcut")),
    card(node, "+"),
  );
}

function card(node, sign = null) {
  const name = `${node.name}.${state.direction === "forward" ? "y" : "dy"}`;
  const isHere = state.layer === node.name;
  const last = node.name.split(".").pop();
  return h(
    "button",
    {
      type: "button",
      class: "card",
      "aria-current": isHere ? "true" : null,
      "data-layer": node.name,
      "aria-label": say("cardLabel", node.name, say(`kind.${node.kind}`), times(node.outputShape)),
      onclick: () => visit(node.name),
    },
    sign ? h("span", { class: "plus", "aria-hidden": "true" }, sign) : null,
    h("span", { class: "thumbs" }, thumbnails(name, node, MAPS)),
    h("span", { class: "card-name" }, last),
    h("span", { class: "card-shape" }, times(node.outputShape)),
  );
}

function lossCard() {
  return h(
    "li",
    { key: "loss" },
    h(
      "button",
      {
        type: "button",
        class: "card",
        "aria-current": state.layer === "loss" ? "true" : null,
        "data-layer": "loss",
        onclick: () =>
          choose(
            state.direction === "forward" ? "loss" : "dlogits",
            state.direction === "forward" ? [] : [0, state.pass.label],
            "loss",
          ),
      },
      h("span", { class: "thumbs" }, thumbnails(state.direction === "forward" ? "probabilities" : "dlogits", null, 1)),
      h("span", { class: "card-name" }, say("loss")),
      h("span", { class: "card-shape" }, "softmax"),
    ),
  );
}

// Look at a layer, and at its strongest number.
export function visit(layer) {
  change(() => {
    enter(layer);
    const name = `${layer}.${state.direction === "forward" ? "y" : "dx"}`;
    const tensor = state.pass.get(name) ?? state.pass.get(`${layer}.y`);
    const node = nodeOf(layer);
    channelsOf(node);
    const stored = state.network.live ? [] : state.pass.explained().filter((one) => layerOf(one.name) === layer);
    state.number =
      stored.find((one) => one.name === name) ??
      stored[0] ??
      (tensor ? { name: state.pass.get(name) ? name : `${layer}.y`, index: strongestIndex(tensor) } : null);
    state.group = null;
    if (!state.number) return;
    lookAt(node, state.number.name, state.number.index);
    lookAtStrongest(node);
  });
}

// Of a sum over many channels, look at the one that adds most.
function lookAtStrongest(node) {
  if (!["Conv2D", "Dense"].includes(node.kind) || (node.settings.groups ?? 1) > 1 || !state.network.live) return;
  const layout = arrange(families(madeOf().terms)[0]);
  if (!layout?.axis) return;
  const strongest = layout.sums.reduce((a, b) => (Math.abs(b.sum) > Math.abs(a.sum) ? b : a));
  channelsOf(node)[layout.axis === "channel" ? "input" : "output"] = strongest.sheet;
}

function strongestIndex(tensor) {
  const largest = largestOfTensor(tensor);
  let offset = Math.max(
    0,
    tensor.data.findIndex((value) => Math.abs(value) === largest),
  );
  const stored = tensor.channels ? [...tensor.shape.slice(0, -1), tensor.channels.length] : tensor.shape;
  const index = [];
  for (let axis = stored.length - 1; axis >= 0; axis -= 1) {
    index[axis] = offset % stored[axis];
    offset = Math.floor(offset / stored[axis]);
  }
  if (tensor.channels) index[index.length - 1] = tensor.channels[index[index.length - 1]];
  return index;
}
