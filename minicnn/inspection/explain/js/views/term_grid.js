// Many products as what they are: a patch times a kernel, number by number, channel by channel.

import { colourOf, largestOf, paint, theme } from "./colours.js";
import { h } from "./dom.js";
import { digits, indexed, short } from "./numbers.js";
import { placeOf } from "./planes.js";
import { change, channelsOf, choose, layerOf, nodeOf, partOf, pictureOf, shapeOf, state } from "./state.js";
import { say } from "./words.js";

const WRITTEN = 81; // products whose numbers are written out
const WIDEST_GRID = 9;
const FOLDED = 16; // terms in a row, where they have no rows of their own
const LARGEST_TERMS = 10; // that are listed where there are too many to write out

// Split terms into families, each of products of the same tensors.
export function families(terms) {
  const found = new Map();
  for (const term of terms) {
    const kind = term.path ?? term.factors.map((factor) => (factor.index ? factor.name : factor.symbol)).join("·");
    if (!found.has(kind)) found.set(kind, []);
    found.get(kind).push(term);
  }
  return [...found.values()];
}

// Which of the factors says where a product belongs: the weight, or else the gradient, or else the last element.
function leading(term) {
  const elements = term.factors
    .map((factor, place) => [factor, place])
    .filter(([factor]) => factor.index && factor.index.length);
  const by = (part) => elements.find(([factor]) => partOf(factor.name) === part);
  return (by("weight") ?? by("dy") ?? elements[elements.length - 1])?.[1];
}

// Lay a family of terms out in rows and columns, a sheet a channel. Returns null for terms that have no such order.
export function arrange(family) {
  const lead = leading(family[0]);
  if (lead === undefined || family.length < 2) return null;
  const { name } = family[0].factors[lead];
  const node = nodeOf(layerOf(name));
  const shape = shapeOf(name, family[0].factors[lead].index);
  const picture = pictureOf(node, partOf(name));
  const places = family.map((term) => placeOf(name, shape, picture, term.factors[lead].index));
  const onSheets = new Set(places.map(({ channel, filter }) => `${channel} ${filter}`)).size;
  if (onSheets === family.length) {
    // a sheet each: rather all of them on one
    places.forEach((place, at) =>
      Object.assign(place, { row: Math.floor(at / FOLDED), column: at % FOLDED, channel: 0, filter: 0 }),
    );
  }
  const differ = (axis) => places.some((place) => place[axis] !== places[0][axis]);
  const axis = differ("channel") ? "channel" : differ("filter") ? "filter" : null;
  const sheets = new Map();
  family.forEach((term, at) => {
    const sheet = axis ? places[at][axis] : 0;
    if (!sheets.has(sheet)) sheets.set(sheet, []);
    sheets.get(sheet).push({ ...places[at], term });
  });
  const sums = [...sheets].map(([sheet, cells]) => ({
    sheet,
    sum: cells.reduce((sum, cell) => sum + cell.term.value, 0),
  }));
  return { axis, sheets, sums, lead };
}

// Which sheet is shown: the one picked, or that of the channel looked at in the layer.
export function sheetShown({ axis, sheets }) {
  if (state.group !== null && sheets.has(state.group)) return state.group;
  const node = nodeOf(state.layer);
  if (axis && node) {
    const { input, output } = channelsOf(node);
    const wanted = axis === "channel" ? input : output;
    if (sheets.has(wanted)) return wanted;
  }
  return sheets.keys().next().value;
}

// The channels' sums as bars, to choose the channel whose products are shown.
export function sumBars({ axis, sums }, shown) {
  if (!axis) return null;
  const largest = largestOf(sums.map(({ sum }) => sum));
  const place = sums.findIndex(({ sheet }) => sheet === shown);
  const pick = (at) => {
    const { sheet } = sums[Math.max(0, Math.min(sums.length - 1, at))];
    change(() => {
      state.group = sheet;
      const node = nodeOf(state.layer);
      const groups = node?.settings?.groups ?? 1;
      if (node && groups === 1) channelsOf(node)[axis === "channel" ? "input" : "output"] = sheet;
    });
  };
  return h(
    "div",
    {
      class: "bars",
      tabindex: "0",
      role: "slider",
      "aria-label": say(axis === "channel" ? "sumsOfChannels" : "sumsOfFilters"),
      "aria-valuemin": 0,
      "aria-valuemax": sums.length - 1,
      "aria-valuenow": place,
      "aria-valuetext": `${shown}: ${digits(sums[place].sum)}`,
      onpointerdown: (event) => {
        const box = event.currentTarget.getBoundingClientRect();
        pick(Math.floor(((event.clientX - box.left) / box.width) * sums.length));
      },
      onpointermove: (event) => {
        const box = event.currentTarget.getBoundingClientRect();
        if (event.buttons & 1) pick(Math.floor(((event.clientX - box.left) / box.width) * sums.length));
      },
      onkeydown: (event) => {
        const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        pick(place + step);
      },
    },
    h(
      "svg",
      { viewBox: `0 -1.05 ${sums.length} 2.1`, preserveAspectRatio: "none", "aria-hidden": "true" },
      h("rect", { class: "chosen-bar", x: place, y: -1.05, width: 1, height: 2.1 }),
      sums.map(({ sum }, at) => {
        const share = Math.abs(sum) / largest;
        const tall = Number.isFinite(share) ? share : 0; // all are 0, or the network exploded
        return h("rect", {
          class: sum < 0 ? "below" : "above",
          x: at + 0.1,
          y: sum < 0 ? 0 : -tall,
          width: 0.8,
          height: Math.max(tall, 0.02),
        });
      }),
    ),
  );
}

// The products of one sheet: the values of each factor, and what comes of them.
export function sheet({ sheets, lead }, shown) {
  const cells = sheets.get(shown);
  const rows = [...new Set(cells.map((cell) => cell.row))].sort((a, b) => a - b);
  const columns = [...new Set(cells.map((cell) => cell.column))].sort((a, b) => a - b);
  const at = new Map(cells.map((cell) => [cell.row * 1e6 + cell.column, cell.term]));
  const termAt = (row, column) => at.get(rows[row] * 1e6 + columns[column]);
  const written = columns.length <= WIDEST_GRID && rows.length * columns.length <= WRITTEN;
  const count = cells[0].term.factors.length;
  const one = cells[0].term.factors.map((factor, place) => {
    const constant = !factor.index;
    const value = (term) => term.factors[place].value; // the term itself, if it has no other factor
    return constant
      ? h("div", { class: "constant" }, `${factor.symbol} = ${digits(factor.value)}`)
      : grid(
          layerOf(factor.name) === state.layer ? partOf(factor.name) : factor.name,
          rows.length,
          columns.length,
          termAt,
          value,
          written,
          (term) => term.factors[place],
        );
  });
  const product =
    count > 1
      ? grid(say("products"), rows.length, columns.length, termAt, (term) => term.value, written, null, "products")
      : null;
  const sign = (text) => h("span", { class: "sign", "aria-hidden": "true" }, text);
  const parts = one.flatMap((part, place) => (place ? [sign("×"), part] : [part]));
  return h(
    "div",
    { class: "sheet", key: `${written} ${count} ${lead}` },
    h("div", { class: "factors" }, parts, product ? [sign("="), product] : null),
    written ? null : largestTerms(cells.map((cell) => cell.term)),
  );
}

function grid(title, height, width, termAt, valueOf, written, factorOf, kind = "") {
  const values = [];
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const term = termAt(row, column);
      values.push(term ? valueOf(term) : NaN);
    }
  }
  const largest = largestOf(values.filter((value) => !Number.isNaN(value)));
  const first = values.findIndex((value) => !Number.isNaN(value)); // which the Tab key leads to; from there, arrow keys
  const inside = written
    ? h(
        "div",
        { class: "cells", onkeydown: (event) => stepThrough(event, width) },
        values.map((value, place) =>
          gridCell(value, largest, termAt(Math.floor(place / width), place % width), factorOf, place === first),
        ),
      )
    : h("canvas", {
        class: "pixels",
        style: `aspect-ratio:${width}/${height}`,
        role: "img",
        "aria-label": say("mapOfTerms", title, height, width),
        draw: (canvas) => paint(canvas, height, width, largest, (row, column) => values[row * width + column]),
        drawn: JSON.stringify([state.edits, state.number, state.group, title, theme(), state.channels[state.layer]]),
      });
  return h(
    "div",
    { class: `grid ${kind}${written ? " numbers" : ""}`, style: `--columns:${width}` },
    h("div", { class: "grid-title" }, title),
    inside,
  );
}

function stepThrough(event, width) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width }[event.key];
  if (!step) return;
  event.preventDefault();
  const cells = [...event.currentTarget.children];
  cells[cells.indexOf(document.activeElement) + step]?.focus();
}

function gridCell(value, largest, term, factorOf, isFirst) {
  if (!term) return h("span", { class: "cell empty", title: say("inPadding") }, "");
  const { paper, ink } = colourOf(value, largest);
  const style = `background:${paper};color:${ink}`;
  if (!factorOf)
    return h("span", { class: "cell", style, "data-term": term.value, title: formulaOf(term) }, short(value));
  const { name, index } = factorOf(term);
  const text = `${indexed(name, index)} = ${digits(value, 6)}`;
  return h(
    "button",
    {
      class: "cell",
      style,
      type: "button",
      tabindex: isFirst ? "0" : "-1",
      title: text,
      "data-factor": value,
      "data-term": term.factors.length === 1 ? value : null,
      onclick: () => choose(name, index),
    },
    short(value),
  );
}

// A term in words and numbers: x[0, 1, 2, 0] · weight[0, 0, 0, 3] = 0.5 · 0.1 = 0.05.
export function formulaOf(term) {
  const names = term.factors
    .map((factor) => (factor.index ? indexed(factor.symbol, factor.index) : factor.symbol))
    .join(" · ");
  const numbers = term.factors.map((factor) => digits(factor.value)).join(" · ");
  return term.factors.length > 1 ? `${names} = ${numbers} = ${digits(term.value)}` : `${names} = ${numbers}`;
}

// A term as a line whose elements can be followed.
export function termLine(term) {
  const parts = term.factors.flatMap((factor, place) =>
    place ? [h("span", { class: "sign" }, "×"), factorPart(factor)] : [factorPart(factor)],
  );
  const arrow = h("span", { class: "sign" }, "→");
  const from = (term.arguments ?? []).flatMap((argument) => [factorPart(argument), arrow]); // of a function
  return h(
    "li",
    { class: "term", "data-term": term.value },
    term.path ? h("span", { class: "path" }, say(`path.${term.path}`)) : null,
    h("span", { class: "term-factors" }, from, parts),
    h("span", { class: "term-value" }, "= ", digits(term.value)),
  );
}

// A factor with its name above it; where it is a tensor's element, it can be followed.
function factorPart(factor) {
  const label = factor.index ? indexed(factor.symbol, factor.index) : factor.symbol;
  const inner = [
    h("span", { class: "factor-name" }, label),
    h("span", { class: "factor-value" }, digits(factor.value)),
  ];
  return factor.index
    ? h(
        "button",
        {
          type: "button",
          class: "factor",
          "data-factor": factor.value,
          onclick: () => choose(factor.name, factor.index),
        },
        inner,
      )
    : h("span", { class: "factor", "data-factor": factor.value }, inner);
}

export function largestTerms(terms) {
  const ordered = [...terms]
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, LARGEST_TERMS)
    .filter((term) => term.value !== 0);
  const rest = terms.length - ordered.length;
  const left = terms.reduce((sum, term) => sum + term.value, 0) - ordered.reduce((sum, term) => sum + term.value, 0);
  return h(
    "div",
    { class: "largest" },
    h("div", { class: "grid-title" }, rest ? say("largestTerms", ordered.length) : say("allTerms")),
    h("ol", { class: "terms" }, ordered.map(termLine)),
    rest ? h("p", { class: "quiet" }, say("otherTerms", rest, digits(left))) : null,
  );
}
