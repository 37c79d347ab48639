// The number looked at: what made it, and for a weight or a pixel a handle to change it.

import { terms } from "../terms/terms.js";
import { derivative } from "./derivative.js";
import { handle } from "./handle.js";
import { h } from "./dom.js";
import { digits, indexed } from "./numbers.js";
import { change, choose, enter, layerOf, originOf, partOf, state } from "./state.js";
import { arrange, families, largestTerms, sheet, sheetShown, sumBars, termLine } from "./term_grid.js";
import { canSay, say } from "./words.js";

const LINES = 12; // terms that are listed one under the other

let remembered = { key: null, made: null };

// The terms of the number looked at, or undefined where it was given.
export function madeOf() {
  const { name, index } = state.number;
  const key = `${state.edits} ${name} ${index}`;
  if (remembered.key !== key) remembered = { key, made: terms(state.pass, name, index) };
  return remembered.made;
}

// By tensor name, the indices that the number looked at is made of.
export function relatedTo() {
  const related = new Map();
  if (!state.number) return related;
  const made = madeOf();
  for (const term of made?.terms ?? []) {
    for (const factor of [...term.factors, ...(term.arguments ?? [])]) {
      if (!factor.index) continue;
      if (!related.has(factor.name)) related.set(factor.name, []);
      related.get(factor.name).push(factor.index);
    }
  }
  return related;
}

export function numberView() {
  if (!state.number) return h("p", { class: "quiet" }, say("pickANumber"));
  const { name, index } = state.number;
  const made = madeOf();
  const value = valueOf(name, index) ?? made?.value;
  return [
    h("h2", {}, say("whatMadeIt")),
    h(
      "div",
      { class: "headline", "aria-live": "polite" },
      h("code", { class: "number-name" }, indexed(name, index)),
      value === undefined ? null : h("span", { class: "number-value", "data-value": value }, "= ", digits(value, 6)),
    ),
    value === undefined ? null : origin(name),
    h("p", { class: "sentence" }, sentence(made, name)),
    made?.note ? note(made.note) : null,
    made ? sum(made, value) : null,
    handle(name, index),
    derivative(name, index),
    state.network.live ? null : explainedHere(),
  ];
}

// In a sentence, how the number was made, or that it was given.
function sentence(made, name) {
  if (!made) return say(canSay(`given.${partOf(name)}`) ? `given.${partOf(name)}` : "notStored");
  const key = `made.${made.operation}.${made.result}`;
  const biased = made.terms.some(({ factors }) => factors.some(({ symbol }) => symbol === "bias"));
  if (!biased && canSay(`${key}.unbiased`)) return say(`${key}.unbiased`);
  if (canSay(key)) return say(key);
  return say(made.result.startsWith("d") ? "madeBySlope" : "madeByFunction");
}

// The number itself; undefined where it was not stored.
export function valueOf(name, index) {
  const tensor = state.pass.get(name);
  if (!tensor || (tensor.channels && !tensor.channels.includes(index[index.length - 1]))) return undefined;
  const last = index.length - 1;
  let offset = 0;
  index.forEach((place, axis) => {
    const stored = axis === last && tensor.channels;
    offset =
      offset * (stored ? tensor.channels.length : tensor.shape[axis]) +
      (stored ? tensor.channels.indexOf(place) : place);
  });
  return tensor.data[offset];
}

// Where the number comes from, when another layer computed it.
function origin(name) {
  const from = originOf(name);
  const layer = layerOf(from);
  if (from === name || layer === state.layer) return null;
  return h(
    "p",
    {},
    h("button", { type: "button", class: "link", onclick: () => goTo(from, layer) }, say("computedBy", layer, from)),
  );
}

// The numbers of the layer looked at whose terms were stored.
function explainedHere() {
  const here = state.pass.explained().filter(({ name }) => layerOf(name) === state.layer);
  if (!here.length) return null;
  return h(
    "div",
    { class: "explained" },
    h("div", { class: "grid-title" }, say("explainedHere")),
    h(
      "ul",
      { class: "windows" },
      here.map(({ name, index }) =>
        h(
          "li",
          {},
          h("button", { type: "button", class: "link", onclick: () => choose(name, index) }, indexed(name, index)),
        ),
      ),
    ),
  );
}

function goTo(from, layer) {
  const { index } = state.number;
  if (state.pass.get(from).shape.length === index.length) choose(from, index, layer);
  else change(() => enter(layer));
}

function note(found) {
  const text = say(`note.${found.key}`, found);
  return text ? h("p", { class: "note" }, text) : null;
}

function sum(made, value) {
  const all = families(made.terms);
  const main = all.length ? all.reduce((a, b) => (b.length > a.length ? b : a)) : [];
  const layout = main.length > 3 && !made.rest ? arrange(main) : null; // not where the small terms are missing
  if (!layout) {
    const few =
      made.terms.length <= LINES ? h("ol", { class: "terms" }, made.terms.map(termLine)) : largestTerms(made.terms);
    return [few, ledger([], made, value)];
  }
  const shown = sheetShown(layout);
  const part = layout.sums.find((entry) => entry.sheet === shown).sum;
  const others = all.filter((family) => family !== main).flat();
  const total = main.reduce((sum_, term) => sum_ + term.value, 0);
  const rows = [];
  if (layout.axis) {
    const kind = layout.axis;
    rows.push([say(`ledger.this.${kind}`, shown, layout.sheets.get(shown).length), part]);
    rows.push([say(`ledger.others.${kind}`, layout.sums.length - 1), total - part]);
  } else rows.push([say("ledger.products", main.length), total]);
  for (const term of others.slice(0, LINES))
    rows.push([
      term.factors.map((factor) => (factor.index ? indexed(factor.symbol, factor.index) : factor.symbol)).join(" · "),
      term.value,
      term.value,
    ]);
  return [
    layout.axis
      ? h(
          "div",
          { class: "grid-title" },
          say(layout.axis === "channel" ? "sumsOfChannels" : "sumsOfFilters"),
          h("b", {}, ` ${say(layout.axis)} ${shown}`),
        )
      : null,
    sumBars(layout, shown),
    sheet(layout, shown),
    ledger(rows, made, value),
  ];
}

// The addition, line by line, and what stands in the array.
function ledger(rows, made, value) {
  const rest = made.rest;
  return h(
    "table",
    { class: "ledger" },
    h(
      "tbody",
      {},
      rows.map(([label, amount, term]) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, label),
          h("td", { "data-part": amount, "data-term": term }, digits(amount, 6)),
        ),
      ),
      rest
        ? h("tr", {}, h("th", { scope: "row" }, say("otherTerms", rest.count, "")), h("td", {}, digits(rest.sum, 6)))
        : null,
      h(
        "tr",
        { class: "total" },
        h("th", { scope: "row" }, say("ledger.sum", made.terms.length + (rest?.count ?? 0))),
        h("td", { "data-sum": made.sum }, digits(made.sum, 6)),
      ),
      Math.abs(made.sum - value) > 1e-9 * Math.max(1, Math.abs(value))
        ? h("tr", {}, h("th", { scope: "row" }, say("ledger.value")), h("td", {}, digits(value, 6)))
        : null,
    ),
  );
}
