// A pool's windows both ways: which number of a window got through, and which windows a number got its gradient from.

import { poolWindow, windowsOnPixel } from "../terms/routing.js";
import { colourOf, largestOf } from "./colours.js";
import { h } from "./dom.js";
import { indexed, short } from "./numbers.js";
import { choose, isInput, layerOf, partOf, state } from "./state.js";
import { say } from "./words.js";

export function routing(node, gradients) {
  const { name, index } = state.number ?? {};
  if (!name || layerOf(name) !== node.name || index.length !== 4 || !state.network.live) return null;
  if (!isInput(partOf(name))) return gradients ? null : oneWindow(node, index);
  const all = windowsOnPixel(state.pass, node.name, index);
  if (gradients || !all.length) return windows(node, index, all);
  const { i, j } = all.find(({ wins }) => wins) ?? all[0];
  return [
    oneWindow(node, [index[0], i, j, index[3]]),
    state.direction === "forward" ? windows(node, index, all) : null,
  ];
}

function oneWindow(node, index) {
  const { cells } = poolWindow(state.pass, node.name, index);
  const largest = largestOf(cells.filter((cell) => cell.inside).map((cell) => cell.value));
  const across = Math.max(...cells.map((cell) => cell.kx)) + 1;
  const isMax = node.kind === "MaxPool2D";
  return h(
    "div",
    { class: "routing" },
    h("div", { class: "grid-title" }, say(isMax ? "windowMax" : "windowAverage")),
    h(
      "div",
      { class: "cells", style: `--columns:${across}` },
      cells.map((cell) => {
        if (!cell.inside) return h("span", { class: "cell empty", title: say("inPadding") }, isMax ? "−∞" : "0");
        const { paper, ink } = colourOf(cell.value, largest);
        return h(
          "button",
          {
            type: "button",
            class: cell.wins ? "cell wins" : "cell",
            style: `background:${paper};color:${ink}`,
            title: indexed("x", [index[0], cell.y, cell.x, index[3]]),
            onclick: () => choose(`${node.name}.x`, [index[0], cell.y, cell.x, index[3]], node.name),
          },
          short(cell.value),
        );
      }),
    ),
    h("div", { class: "flow", "aria-hidden": "true" }, "↓"),
    h("div", { class: "grid-title" }, indexed("y", index)),
  );
}

function windows(node, index, all) {
  const isMax = node.kind === "MaxPool2D";
  return h(
    "div",
    { class: "routing" },
    h(
      "div",
      { class: "grid-title" },
      say(all.length ? (isMax ? "windowsHere" : "windowsHereAverage") : "noWindowHere", all.length),
    ),
    h(
      "ul",
      { class: "windows" },
      all.map(({ i, j, wins }) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: wins || !isMax ? "one wins" : "one",
              onclick: () =>
                choose(
                  `${node.name}.${state.direction === "backward" ? "dy" : "y"}`,
                  [index[0], i, j, index[3]],
                  node.name,
                ),
            },
            indexed("y", [index[0], i, j, index[3]]),
            isMax ? ` ${say(wins ? "wins" : "loses")}` : "",
          ),
        ),
      ),
    ),
  );
}
