// The layer looked at: its formula and its tensors, input at the left, what it learnt in the middle, output at the
// right; with their gradients underneath when the page looks backward.

import { formulasOf } from "../formulas/formulas.js";
import { curve } from "./curve.js";
import { h } from "./dom.js";
import { formulaBox } from "./formula_box.js";
import { segmented } from "./header.js";
import { columnsView } from "./im2col.js";
import { lossView } from "./loss.js";
import { lookAtChannel, map, mosaic } from "./map.js";
import { normalization } from "./normalization.js";
import { relatedTo } from "./number.js";
import { digits, indexed, times } from "./numbers.js";
import { routing } from "./routing.js";
import { cover, slideControls } from "./slide.js";
import { change, channelsOf, choose, nodeOf, pictureOf, state } from "./state.js";
import { say } from "./words.js";

export function layerView() {
  if (state.layer === "loss") return lossView();
  const node = nodeOf(state.layer);
  if (!node) return h("p", { class: "quiet" }, say("pickALayer"));
  const isConvolution = node.kind === "Conv2D";
  return [
    h(
      "div",
      { class: "layer-head" },
      h("h2", {}, h("code", {}, node.name), " ", say(`kind.${node.kind}`)),
      isConvolution && state.network.live
        ? segmented(
            say("view"),
            [
              ["maps", say("asMaps")],
              ["columns", "im2col"],
            ],
            state.tab,
            (chosen) =>
              change(() => {
                state.tab = chosen;
              }),
          )
        : null,
    ),
    h(
      "p",
      { class: "quiet" },
      `${times(node.inputShape)} → ${times(node.outputShape)}`,
      node.description ? ` · ${node.shortcut ? say("ownShortcut") : node.description}` : "",
      sourceOf(node),
    ),
    h("p", { class: "sentence" }, say(`about.${node.kind}.${state.direction}`)),
    formulaBox(formulasOf(node, state.direction, state.network), node.formulas),
    switches(node),
    state.tab === "columns" && isConvolution ? columnsView(node) : stage(node),
  ];
}

function sourceOf(node) {
  const source = node.source?.[state.direction === "forward" ? "y" : "dx"];
  return source ? [" · ", h("code", { class: "source" }, source)] : null;
}

const ACTIVATION_KINDS = ["ReLU", "ReLU6", "LeakyReLU", "Sigmoid", "Tanh", "SiLU", "GELU"];

function switches(node) {
  if (!ACTIVATION_KINDS.includes(node.kind) || !state.network.live) return null;
  const off = Boolean(node.off);
  const { output } = channelsOf(node);
  const silenced = Boolean(node.silenced?.has?.(output));
  const box = (id, checked, label, set) =>
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked,
        "data-switch": id,
        onchange: (event) => {
          const on = event.currentTarget.checked;
          change(() => set(on), true);
        },
      }),
      label,
    );
  return h(
    "div",
    { class: "row switches" },
    box("off", off, say("switchOff", say(`kind.${node.kind}`)), (on) => state.network.setOff(node.name, on)),
    box("silence", silenced, say("silence", output), (on) => state.network.silence(node.name, output, on)),
  );
}

function stage(node) {
  const related = relatedTo();
  const channels = channelsOf(node);
  const backward = state.direction === "backward";
  const shown = (part, title, extra = {}) =>
    map({
      name: `${node.name}.${part}`,
      node,
      channel: channels.input,
      title: titled(part, title),
      related,
      layer: node.name,
      ...extra,
    });
  const rows = [[inputs(node, shown, channels), middle(node, shown, related, false), outputs(node, shown, channels)]];
  if (backward)
    rows.push([
      shown("dx", "gradientInput"),
      middle(node, shown, related, true),
      shown("dy", "gradientOutput", { channel: channels.output }),
    ]);
  return h(
    "div",
    { class: `stage ${node.kind}` },
    rows.map((columns, row) =>
      h(
        "div",
        { class: row ? "stage-row backward" : "stage-row", key: `${node.kind} row ${row}` },
        columns.map((column, place) => h("div", { class: `column column-${place}` }, column)),
      ),
    ),
  );
}

function titled(part, key) {
  return h("span", {}, h("b", {}, part), " ", h("span", { class: "quiet" }, say(key)));
}

function inputs(node, shown, channels) {
  return [
    shown("x", "input"),
    channelTitle(node, "x", channels.input),
    mosaic({
      name: `${node.name}.x`,
      node,
      chosen: channels.input,
      title: say("input"),
      onpick: (channel) => lookAtChannel(node, "input", channel),
    }),
  ];
}

function channelTitle(node, part, channel) {
  const name = `${node.name}.${part}`;
  const tensor = state.pass.get(name);
  if (!tensor || (tensor.shape.length !== 4 && !pictureOf(node, part))) return null;
  return h("div", { class: "grid-title" }, say("channel"), ` ${channelName(node, part, channel)}`);
}

function channelName(node, part, channel) {
  const isPicture = part === "x" && node === state.network.flat[0] && node.inputShape[2] === 3;
  return isPicture ? `${channel} · ${say(["red", "green", "blue"][channel])}` : String(channel);
}

function outputs(node, shown, channels) {
  const slides = node.kind === "Conv2D" && state.network.live;
  return [
    h("div", { class: "with-cover" }, shown("y", "output", { channel: channels.output }), slides ? cover(node) : null),
    slides ? slideControls(node) : null,
    channelTitle(node, "y", channels.output),
    mosaic({
      name: `${node.name}.y`,
      node,
      chosen: channels.output,
      title: say("output"),
      onpick: (channel) => lookAtChannel(node, "output", channel),
    }),
  ];
}

function middle(node, shown, related, gradients) {
  const channels = channelsOf(node);
  const d = gradients ? "d" : "";
  if (node.kind === "Conv2D" || node.kind === "Dense") {
    const groups = node.settings.groups ?? 1;
    const first =
      groups > 1 ? Math.floor(channels.output / (node.outputShape[2] / groups)) * (node.inputShape[2] / groups) : 0;
    return [
      shown(`${d}weight`, gradients ? "gradientWeight" : node.kind === "Dense" ? "weights" : "kernel", {
        channel: channels.input - first,
        filter: channels.output,
      }),
      oneOf(node, `${d}bias`, channels.output, related),
    ];
  }
  if (node.kind === "BatchNorm2D" || node.kind === "LayerNorm")
    return normalization(node, gradients, (part, channel) => oneOf(node, part, channel, related));
  if (node.kind === "MaxPool2D" || node.kind === "AvgPool2D") return routing(node, gradients);
  if (ACTIVATION_KINDS.includes(node.kind)) return gradients ? null : curve(node);
  if (node.kind === "Residual") {
    return gradients
      ? [shown("dx_body", "gradientBody"), shown("dx_shortcut", "gradientShortcut")]
      : [shown("body", "bodyOutput"), shown("shortcut", "shortcutOutput")];
  }
  return null;
}

// One number of a list, such as the bias of the filter looked at, as a button.
function oneOf(node, part, channel, related) {
  const name = `${node.name}.${part}`;
  const tensor = state.pass.get(name);
  if (!tensor) return null;
  const value = tensor.data[channel];
  const chosen = state.number?.name === name && state.number.index[0] === channel;
  const used = related.get(name)?.some((index) => index[0] === channel);
  return h(
    "button",
    {
      type: "button",
      class: `one${chosen ? " chosen" : ""}${used ? " related" : ""}`,
      "data-one": name,
      onclick: () => choose(name, [channel], node.name),
    },
    h("span", { class: "quiet" }, indexed(part, [channel])),
    " ",
    h("b", {}, digits(value)),
  );
}
