// A plane of a tensor as a picture: point at a number to read it, click it to see what made it, walk over it with the
// arrow keys. Small planes show their numbers.

import { colourOf, largestOf, paint, theme } from "./colours.js";
import { h } from "./dom.js";
import { digits, indexed, short } from "./numbers.js";
import { channelsIn, indexAt, numberAt, placeOf, planeOf } from "./planes.js";
import { change, choose, isInput, keepsChannels, layerOf, partOf, pictureOf, state } from "./state.js";
import { say } from "./words.js";

const CELLS = 64; // numbers of a plane that are written out
const WIDEST = 5; // columns of such a plane
const SINGLE_MARKS = 400; // places that are marked one by one; more of them by a frame around all
const THUMBNAIL = 28; // the most pixels of a side of a map in a mosaic

const strongest = new WeakMap(); // by tensor data
const numbers = new WeakMap(); // of tensor data, counted as they are first drawn
let drawn = 0;

export function largestOfTensor(tensor) {
  if (!strongest.has(tensor.data)) strongest.set(tensor.data, largestOf(tensor.data));
  return strongest.get(tensor.data);
}

// What tells a tensor's numbers from all others: those that a change leaves as they are need not be drawn again.
function numberOf(tensor) {
  if (!numbers.has(tensor.data)) numbers.set(tensor.data, (drawn += 1));
  return numbers.get(tensor.data);
}

function largestOfPlane(tensor, plane) {
  let largest = 0;
  for (let row = 0; row < plane.height; row += 1) {
    for (let column = 0; column < plane.width; column += 1) {
      const magnitude = Math.abs(numberAt(tensor, plane, row, column));
      if (magnitude > largest && magnitude !== Infinity) largest = magnitude;
    }
  }
  return largest;
}

// Show one plane of the tensor `name`. node: the layer, for a picture that was flattened. title: above it. related: by
// tensor name, the indices that the number looked at is made of. layer: the layer that stays in view on a click.
export function map({ name, node, channel = 0, filter = 0, title, related, layer = layerOf(name) }) {
  const tensor = state.pass.get(name);
  if (!tensor) return null;
  const picture = pictureOf(node, partOf(name));
  const plane = planeOf(name, tensor, picture, channel, filter);
  if (!plane)
    return h(
      "figure",
      { class: "map", key: `${name} nothing` },
      h("figcaption", {}, title),
      h("p", { class: "note" }, say("channelNotStored", channel)),
    );
  const largest = largestOfPlane(tensor, plane);
  const here = chosenIn(name, tensor, picture, channel, filter);
  const marks = marksIn(name, tensor, picture, channel, filter, related);
  const pick = (row, column) => {
    const index = indexAt(name, tensor, plane, row, column);
    if (index) choose(name, index, layer);
  };
  const written = plane.count <= CELLS && plane.width <= WIDEST;
  const inside = written ? cells(tensor, plane, largest) : pixels(name, tensor, plane, largest, channel, filter);
  const readout = here
    ? `${indexed(name, state.number.index)} = ${digits(numberAt(tensor, plane, here.row, here.column))}`
    : "";
  return h(
    "figure",
    { class: "map", key: `${name} ${written}` },
    h("figcaption", {}, title, h("span", { class: "range" }, `±${digits(largest, 3)}`)),
    h(
      "div",
      {
        class: written ? "plane written" : "plane",
        style: `--rows:${plane.height};--columns:${plane.width}`,
        tabindex: "0",
        role: "application",
        "aria-label": say("mapHelp", name, plane.height, plane.width, readout),
        "aria-roledescription": say("mapRole"),
        "data-tensor": name,
        "data-channel": channel,
        "data-filter": filter,
        onpointerdown: (event) => {
          if (event.button === 0) follow(event, plane, pick);
        },
        onpointermove: (event) => {
          const [row, column] = under(event, plane);
          const index = indexAt(name, tensor, plane, row, column);
          if (index)
            tell(
              event.currentTarget,
              `${indexed(partOf(name), index)} = ${digits(numberAt(tensor, plane, row, column))}`,
            );
          if (event.buttons & 1) pick(row, column);
        },
        onpointerleave: (event) => tell(event.currentTarget, null),
        onkeydown: (event) => walk(event, here, plane, pick),
      },
      inside,
      overlay(plane, marks, here),
    ),
    h("output", { class: "readout", "data-rest": readout }, readout),
  );
}

function tell(plane, text) {
  const output = plane.parentElement.querySelector("output");
  output.textContent = text ?? output.dataset.rest;
}

function cells(tensor, plane, largest) {
  const all = [];
  for (let row = 0; row < plane.height; row += 1) {
    for (let column = 0; column < plane.width; column += 1) {
      const value = numberAt(tensor, plane, row, column);
      if (Number.isNaN(value) && row * plane.width + column >= plane.count) continue;
      const { paper, ink } = colourOf(value, largest);
      all.push(h("span", { class: "cell", style: `background:${paper};color:${ink}` }, short(value)));
    }
  }
  return h("div", { class: "cells", "aria-hidden": "true" }, all);
}

function pixels(name, tensor, plane, largest, channel, filter) {
  return h("canvas", {
    class: "pixels",
    "aria-hidden": "true",
    drawn: `${numberOf(tensor)} ${name} ${channel} ${filter} ${theme()}`,
    draw: (canvas) =>
      paint(canvas, plane.height, plane.width, largest, (row, column) => numberAt(tensor, plane, row, column)),
  });
}

function under(event, plane) {
  const box = event.currentTarget.getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top) / box.height) * plane.height);
  const column = Math.floor(((event.clientX - box.left) / box.width) * plane.width);
  return [row, column];
}

function follow(event, plane, pick) {
  event.currentTarget.focus();
  pick(...under(event, plane));
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function walk(event, here, plane, pick) {
  const step = ARROWS[event.key];
  if (!step && event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  const from = here ?? { row: Math.floor(plane.height / 2), column: Math.floor(plane.width / 2) };
  const far = event.shiftKey ? 5 : 1;
  const [down, right] = step && here ? step : [0, 0];
  const row = Math.max(0, Math.min(plane.height - 1, from.row + down * far));
  const column = Math.max(0, Math.min(plane.width - 1, from.column + right * far));
  pick(row, column);
}

function chosenIn(name, tensor, picture, channel, filter) {
  if (!state.number || state.number.name !== name) return null;
  const place = placeOf(name, tensor.shape, picture, state.number.index);
  return isShown(place, channel, filter) ? place : null;
}

function isShown(place, channel, filter) {
  return (
    (place.channel === null || place.channel === channel) && (place.filter === undefined || place.filter === filter)
  );
}

// Return what is to be framed: {top, left, bottom, right} each.
function marksIn(name, tensor, picture, channel, filter, related) {
  const indices = related?.get(name);
  if (!indices) return [];
  const places = indices
    .map((index) => placeOf(name, tensor.shape, picture, index))
    .filter((place) => isShown(place, channel, filter));
  if (!places.length) return [];
  const rows = places.map((place) => place.row);
  const columns = places.map((place) => place.column);
  const bounds = (list) =>
    list.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  const [top, bottom] = bounds(rows);
  const [left, right] = bounds(columns);
  const distinct = new Set(places.map((place) => place.row * 1e6 + place.column)).size;
  if (distinct === (bottom - top + 1) * (right - left + 1) || distinct > SINGLE_MARKS)
    return [{ top, left, bottom, right }];
  return places.map(({ row, column }) => ({ top: row, left: column, bottom: row, right: column }));
}

function overlay(plane, marks, here) {
  const frame = (kind, { top, left, bottom, right }) =>
    h("rect", { class: kind, x: left, y: top, width: right - left + 1, height: bottom - top + 1 });
  return h(
    "svg",
    {
      class: "marks",
      viewBox: `0 0 ${plane.width} ${plane.height}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    marks.map((mark) => frame("related", mark)),
    here ? frame("chosen", { top: here.row, left: here.column, bottom: here.row, right: here.column }) : null,
  );
}

// All channels of a tensor side by side, to choose one. chosen: the one looked at. onpick(channel).
export function mosaic({ name, node, chosen, onpick, title }) {
  const tensor = state.pass.get(name);
  if (!tensor) return null;
  const picture = pictureOf(node, partOf(name));
  const channels = channelsIn(tensor, picture);
  if (channels.length < 2) return null;
  const tiling = tilesOf(name, tensor, picture, channels);
  const place = Math.max(0, channels.indexOf(chosen));
  const pick = (wanted) => {
    if (wanted >= 0 && wanted < channels.length) onpick(channels[wanted]);
  };
  return h(
    "div",
    {
      class: "mosaic",
      tabindex: "0",
      role: "slider",
      "aria-label": say("channelOf", title ?? name),
      "data-channels": name,
      "aria-valuemin": channels[0],
      "aria-valuemax": channels[channels.length - 1],
      "aria-valuenow": channels[place],
      onpointerdown: (event) => {
        const box = event.currentTarget.getBoundingClientRect();
        const row = Math.floor(((event.clientY - box.top) / box.height) * tiling.rows);
        const column = Math.floor(((event.clientX - box.left) / box.width) * tiling.columns);
        pick(row * tiling.columns + column);
      },
      onkeydown: (event) => {
        const step = ARROWS[event.key];
        if (!step) return;
        event.preventDefault();
        pick(place + step[0] * tiling.columns + step[1]);
      },
    },
    tiles(name, tensor, tiling),
    h(
      "svg",
      {
        class: "marks",
        viewBox: `0 0 ${tiling.columns} ${tiling.rows}`,
        preserveAspectRatio: "none",
        "aria-hidden": "true",
      },
      channels.includes(chosen) &&
        h("rect", {
          class: "chosen",
          x: place % tiling.columns,
          y: Math.floor(place / tiling.columns),
          width: 1,
          height: 1,
        }),
    ),
  );
}

// Some channels of a tensor in a small picture. Returns null for what has none.
export function thumbnails(name, node, most) {
  const tensor = state.pass.get(name);
  if (!tensor) return null;
  const picture = pictureOf(node, partOf(name));
  const channels = channelsIn(tensor, picture).slice(0, most);
  return tiles(name, tensor, tilesOf(name, tensor, picture, channels, 4));
}

function tilesOf(name, tensor, picture, channels, across = Math.max(4, Math.ceil(Math.sqrt(channels.length * 1.8)))) {
  const planes = channels.map((channel) => planeOf(name, tensor, picture, channel, 0));
  const { height, width } = planes[0];
  const columns = Math.min(channels.length, across);
  const step = Math.max(1, Math.ceil(Math.max(height, width) / THUMBNAIL));
  const [tall, wide] = [Math.ceil(height / step), Math.ceil(width / step)];
  return { planes, columns, rows: Math.ceil(channels.length / columns), step, tall, wide };
}

function tiles(name, tensor, { planes, columns, rows, step, tall, wide }) {
  const largest = largestOfTensor(tensor);
  const gap = planes.length > 1 ? 1 : 0;
  return h("canvas", {
    class: "pixels",
    "aria-hidden": "true",
    drawn: `${numberOf(tensor)} ${name} ${planes.length} ${theme()}`,
    draw: (canvas) =>
      paint(canvas, rows * (tall + gap), columns * (wide + gap), largest, (y, x) => {
        const plane = planes[Math.floor(y / (tall + gap)) * columns + Math.floor(x / (wide + gap))];
        const [row, column] = [y % (tall + gap), x % (wide + gap)];
        if (!plane || row === tall || column === wide) return NaN;
        return numberAt(
          tensor,
          plane,
          Math.min(plane.height - 1, row * step),
          Math.min(plane.width - 1, column * step),
        );
      }),
  });
}

// Look at another channel of a layer; the number looked at moves there with it.
export function lookAtChannel(node, end, channel) {
  change(() => {
    const channels = state.channels[node.name];
    const both = keepsChannels(node);
    channels[end] = channel;
    if (both) channels.input = channels.output = channel;
    const { name, index } = state.number ?? {};
    if (!name || layerOf(name) !== node.name || index.length !== 4) return;
    const part = partOf(name);
    const moved = [...index];
    if (part === "weight" || part === "dweight") moved[end === "input" ? 2 : 3] = channel;
    else if (both || (end === "input") === isInput(part)) moved[3] = channel;
    else return;
    const groups = node.settings?.groups ?? 1;
    if (groups === 1) state.number = { name, index: moved };
  });
}
