// im2col as a picture: every window of the input is a row of a matrix, and the convolution is one product of matrices.

import { matrixFormulas } from "../formulas/formulas.js";
import { im2colRow, rowsOfPixel } from "../terms/im2col.js";
import { colourOf, paint, theme } from "./colours.js";
import { h } from "./dom.js";
import { formulaBox } from "./formula_box.js";
import { largestOfTensor, lookAtChannel, map } from "./map.js";
import { relatedTo } from "./number.js";
import { digits, indexed, short, times } from "./numbers.js";
import { channelsOf, choose, isInput, partOf, state } from "./state.js";
import { say } from "./words.js";

const SEEN_ROWS = 27; // of the matrix, around the one that is looked at
const SEEN_CELLS = 90; // of a row, written out

export function columnsView(node) {
  if (node.settings.groups > 1) return h("p", { class: "note" }, say("columnsOfGroups", node.settings.groups));
  const channels = channelsOf(node);
  const related = relatedTo();
  const lit = litBy(node);
  const backward = state.direction === "backward";
  return h(
    "div",
    { class: "columns" },
    formulaBox(matrixFormulas(state.direction), null),
    h("p", { class: "quiet" }, say(lit.pixel ? "litByPixel" : "litByRow", lit.rows.length)),
    h(
      "div",
      { class: "matrices" },
      map({
        name: `${node.name}.${backward ? "dx" : "x"}`,
        node,
        channel: channels.input,
        title: h("b", {}, backward ? "dx" : "x"),
        related: withPatch(related, node, lit),
        layer: node.name,
      }),
      h("span", { class: "sign" }, backward ? "←" : "→"),
      matrix(node, backward ? "dcolumns" : "columns", lit, say("matrixX")),
      backward
        ? null
        : [
            h("span", { class: "sign" }, "·"),
            filters(node, channels),
            h("span", { class: "sign" }, "="),
            results(node, channels, lit),
          ],
    ),
    lit.pixel ? null : rowCells(node, lit.rows[0]),
  );
}

// Which rows of the matrix belong to the number looked at: of an output its window; of an input all that hold it.
function litBy(node) {
  const { name, index } = state.number ?? {};
  const [, width] = node.outputShape;
  if (name && isInput(partOf(name)) && index.length === 4) {
    const places = rowsOfPixel(state.pass, node.name, index);
    return { pixel: true, rows: places.map(({ row }) => row), cells: places };
  }
  const row = name && ["y", "dy"].includes(partOf(name)) ? index[1] * width + index[2] : 0;
  return { pixel: false, rows: [row], cells: [] };
}

function withPatch(related, node, lit) {
  if (lit.pixel) return related;
  const name = `${node.name}.${state.direction === "backward" ? "dx" : "x"}`;
  const inside = im2colRow(state.pass, node.name, lit.rows[0]).cells.filter((cell) => cell.inside);
  return new Map([...related, [name, inside.map((cell) => [0, cell.y, cell.x, cell.c])]]);
}

function windowOfRows(node, lit) {
  const total = node.outputShape[0] * node.outputShape[1];
  const middle = lit.rows[Math.floor(lit.rows.length / 2)] ?? 0;
  const count = Math.min(SEEN_ROWS, total);
  const first = Math.max(0, Math.min(total - count, middle - Math.floor(count / 2)));
  return { first, count, total };
}

function lookAtRow(node, row) {
  const [height, width] = node.outputShape;
  const inside = Math.max(0, Math.min(height * width - 1, row));
  choose(
    `${node.name}.${state.direction === "backward" ? "dy" : "y"}`,
    [0, Math.floor(inside / width), inside % width, channelsOf(node).output],
    node.name,
  );
}

function strip({ key, title, shape, first, count, wide, largest, at, marks, onpick, label, current }) {
  return h(
    "figure",
    { class: "matrix", key },
    h("figcaption", {}, h("b", {}, title), " ", h("span", { class: "quiet" }, times(shape))),
    h(
      "div",
      {
        class: "plane",
        style: `--rows:${count};--columns:${wide}`,
        tabindex: "0",
        role: "application",
        "aria-label": label,
        "data-matrix": key,
        onpointerdown: (event) => {
          const box = event.currentTarget.getBoundingClientRect();
          onpick(
            first + Math.floor(((event.clientY - box.top) / box.height) * count),
            Math.floor(((event.clientX - box.left) / box.width) * wide),
          );
        },
        onkeydown: (event) => {
          const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
          if (!step) return;
          event.preventDefault();
          onpick(current[0] + step[0], current[1] + step[1]);
        },
      },
      h("canvas", {
        class: "pixels",
        "aria-hidden": "true",
        drawn: `${state.edits} ${key} ${first} ${theme()}`,
        draw: (canvas) => paint(canvas, count, wide, largest, at),
      }),
      h(
        "svg",
        { class: "marks", viewBox: `0 0 ${wide} ${count}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        marks.map(([x, y, width, height, kind]) => h("rect", { class: kind, x, y, width, height })),
      ),
    ),
  );
}

function matrix(node, part, lit, label) {
  const name = `${node.name}.${part}`;
  const tensor = state.pass.get(name);
  const wide = tensor.shape[1];
  const { first, count } = windowOfRows(node, lit);
  const marks = lit.pixel
    ? lit.cells
        .filter(({ row }) => row >= first && row < first + count)
        .map(({ row, column }) => [column, row - first, 1, 1, "chosen"])
    : [[0, lit.rows[0] - first, wide, 1, "chosen"]];
  return strip({
    key: name,
    title: part === "columns" ? "X = im2col(x)" : "dX",
    shape: tensor.shape,
    first,
    count,
    wide,
    largest: largestOfTensor(tensor),
    label,
    at: (row, column) => tensor.data[(first + row) * wide + column],
    marks,
    current: [lit.rows[0] ?? 0, 0],
    onpick: (row) => lookAtRow(node, row),
  });
}

function filters(node, channels) {
  const name = `${node.name}.weight`;
  const tensor = state.pass.get(name);
  const wide = tensor.shape[3];
  const tall = tensor.data.length / wide;
  return strip({
    key: name,
    title: "W",
    shape: [tall, wide],
    first: 0,
    count: tall,
    wide,
    largest: largestOfTensor(tensor),
    label: say("matrixW"),
    at: (row, column) => tensor.data[row * wide + column],
    marks: [[channels.output, 0, 1, tall, "chosen"]],
    current: [0, channels.output],
    onpick: (_, column) => {
      if (column >= 0 && column < wide) lookAtChannel(node, "output", column);
    },
  });
}

function results(node, channels, lit) {
  const name = `${node.name}.y`;
  const tensor = state.pass.get(name);
  const wide = tensor.shape[3];
  const { first, count, total } = windowOfRows(node, lit);
  const marks = lit.pixel ? [] : [[channels.output, lit.rows[0] - first, 1, 1, "chosen"]];
  return strip({
    key: name,
    title: "Y",
    shape: [total, wide],
    first,
    count,
    wide,
    largest: largestOfTensor(tensor),
    label: say("matrixY"),
    at: (row, column) => tensor.data[(first + row) * wide + column],
    marks,
    current: [lit.rows[0] ?? 0, channels.output],
    onpick: (row, column) => {
      const [height, width] = node.outputShape;
      if (row >= 0 && row < height * width && column >= 0 && column < wide)
        choose(name, [0, Math.floor(row / width), row % width, column], node.name);
    },
  });
}

function rowCells(node, row) {
  const { cells } = im2colRow(state.pass, node.name, row);
  const largest = largestOfTensor(state.pass.get(`${node.name}.x`));
  return h(
    "div",
    { class: "row-cells" },
    h("div", { class: "grid-title" }, say("rowOf", row, cells.length)),
    h(
      "div",
      { class: "scroll" },
      h(
        "div",
        { class: "cells one-row" },
        cells.slice(0, SEEN_CELLS).map((cell) => {
          const { paper, ink } = colourOf(cell.value, largest);
          return h(
            "button",
            {
              type: "button",
              class: "cell",
              style: `background:${paper};color:${ink}`,
              "data-column": cell.column,
              "data-value": cell.value,
              disabled: !cell.inside,
              title: `${indexed("x", [cell.n, cell.y, cell.x, cell.c])} = ${digits(cell.value)}`,
              onclick: () => choose(`${node.name}.x`, [cell.n, cell.y, cell.x, cell.c], node.name),
            },
            short(cell.value),
          );
        }),
      ),
    ),
  );
}
