// Batch norm and layer norm: the statistics of a channel, what it was and what it became, and the three paths of the
// gradient.

import { normStatistics } from "../terms/normalization.js";
import { largestOf, paint, theme } from "./colours.js";
import { h } from "./dom.js";
import { digits } from "./numbers.js";
import { channelsOf, state } from "./state.js";
import { say } from "./words.js";

const BARS = 24; // of a histogram

export function normalization(node, gradients, oneOf) {
  const channel = channelsOf(node).output;
  const learnt = gradients
    ? [oneOf("dweight", channel), oneOf("dbias", channel)]
    : [oneOf("weight", channel), oneOf("bias", channel)];
  if (node.kind !== "BatchNorm2D" || !state.network.live) return learnt;
  if (gradients) return [...learnt, pathsOfGradient(node, channel)];
  const { given, epsilon, mean, variance, deviation } = normStatistics(state.pass, node.name);
  const line = (label, value) =>
    h("tr", {}, h("th", { scope: "row" }, label), h("td", { "data-statistic": value }, digits(value)));
  return [
    h(
      "table",
      { class: "ledger statistics" },
      h("caption", { class: "quiet" }, say(given ? "statisticsGiven" : "statisticsOwn")),
      h(
        "tbody",
        {},
        line("mean μ", mean[channel]),
        line("variance σ²", variance[channel]),
        line("√(σ² + ε)", deviation[channel]),
        line("ε", epsilon),
      ),
    ),
    ...learnt,
    histogram(`${node.name}.x`, channel, say("before")),
    histogram(`${node.name}.y`, channel, say("after")),
  ];
}

function histogram(name, channel, title) {
  const { data, shape } = state.pass.get(name);
  const channels = shape[shape.length - 1];
  const values = [];
  for (let place = channel; place < data.length; place += channels)
    if (Number.isFinite(data[place])) values.push(data[place]); // some are not where the network exploded
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const counts = new Array(BARS).fill(0);
  for (const value of values) counts[Math.min(BARS - 1, Math.floor(((value - low) / (high - low || 1)) * BARS))] += 1;
  const most = Math.max(1, ...counts);
  const zero = ((0 - low) / (high - low || 1)) * BARS;
  return h(
    "figure",
    { class: "histogram" },
    h(
      "svg",
      {
        viewBox: `0 0 ${BARS} 10`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": say("histogram", title, digits(low, 3), digits(high, 3)),
      },
      counts.map((count, bar) =>
        h("rect", {
          class: "above",
          x: bar + 0.08,
          width: 0.84,
          y: 10 - (10 * count) / most,
          height: (10 * count) / most,
        }),
      ),
      h("line", { class: "axis", x1: zero, x2: zero, y1: 0, y2: 10 }),
    ),
    h("figcaption", { class: "quiet" }, `${title}: ${digits(low, 3)} … ${digits(high, 3)}`),
  );
}

function pathsOfGradient(node, channel) {
  const { given, mean, deviation } = normStatistics(state.pass, node.name);
  if (given) return h("p", { class: "note" }, say("onePath"));
  const x = state.pass.get(`${node.name}.x`);
  const dy = state.pass.get(`${node.name}.dy`);
  const weight = state.pass.get(`${node.name}.weight`).data[channel];
  const [, height, width, channels] = x.shape;
  const pixels = height * width;
  const hats = new Float64Array(pixels);
  const gradients = new Float64Array(pixels);
  let meanOfDy = 0;
  let meanOfProducts = 0;
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    hats[pixel] = (x.data[pixel * channels + channel] - mean[channel]) / deviation[channel];
    gradients[pixel] = dy.data[pixel * channels + channel];
    meanOfDy += gradients[pixel] / pixels;
    meanOfProducts += (gradients[pixel] * hats[pixel]) / pixels;
  }
  const scale = weight / deviation[channel];
  const paths = {
    x: gradients.map((value) => value * scale),
    mean: gradients.map(() => -meanOfDy * scale),
    variance: hats.map((value) => -value * meanOfProducts * scale),
  };
  const largest = Math.max(...Object.values(paths).map((path) => largestOf(path)));
  return h(
    "div",
    { class: "paths" },
    h("div", { class: "grid-title" }, say("threePathsTitle")),
    Object.entries(paths).map(([path, data]) =>
      h(
        "figure",
        { key: path },
        h("canvas", {
          class: "pixels",
          role: "img",
          "aria-label": say(`path.${path}`),
          drawn: `${state.edits} ${node.name} ${channel} ${path} ${theme()}`,
          draw: (canvas) => paint(canvas, height, width, largest, (row, column) => data[row * width + column]),
        }),
        h("figcaption", { class: "quiet" }, say(`path.${path}`), ` ±${digits(largestOf(data), 2)}`),
      ),
    ),
  );
}
