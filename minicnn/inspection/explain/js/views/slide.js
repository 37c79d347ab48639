// The kernel slides over the picture, and the output appears number by number.

import { h } from "./dom.js";
import { change, channelsOf, choose, partOf, state } from "./state.js";
import { say } from "./words.js";

const PACES = [2, 6, 15, 60]; // numbers a second, by the slider

let pace = 1;
let timer = null;

function outputAt(node, place) {
  const [, width] = node.outputShape;
  return [0, Math.floor(place / width), place % width, channelsOf(node).output];
}

export function slideControls(node) {
  const running = state.sliding !== null;
  return h(
    "div",
    { class: "row slide" },
    h(
      "button",
      {
        type: "button",
        id: "slide",
        "aria-pressed": String(running && timer !== null),
        onclick: () => (timer === null ? start(node) : pause()),
      },
      timer === null ? `▶ ${say("slide")}` : `❚❚ ${say("pause")}`,
    ),
    h(
      "button",
      {
        type: "button",
        "aria-label": say("oneStep"),
        title: say("oneStep"),
        onclick: () => {
          pause();
          move(node);
        },
      },
      "+1",
    ),
    running
      ? h(
          "button",
          {
            type: "button",
            onclick: () => {
              pause();
              change(() => {
                state.sliding = null;
              });
            },
          },
          say("showAll"),
        )
      : null,
    h(
      "label",
      { class: "pace" },
      h("span", { class: "unseen" }, say("pace")),
      h("input", {
        type: "range",
        min: 0,
        max: PACES.length - 1,
        step: 1,
        value: pace,
        title: say("pace"),
        oninput: (event) => {
          pace = Number(event.currentTarget.value);
          if (timer !== null) {
            pause();
            start(node);
          }
        },
      }),
    ),
  );
}

function start(node) {
  if (state.sliding === null) move(node);
  timer = setInterval(() => move(node), 1000 / PACES[pace]);
  change(() => {});
}

function pause() {
  clearInterval(timer);
  timer = null;
  change(() => {});
}

function move(node) {
  const count = node.outputShape[0] * node.outputShape[1];
  if (state.layer !== node.name || state.sliding === count - 1) {
    pause();
    if (state.layer !== node.name) return;
  }
  const next = state.sliding === null || state.sliding === count - 1 ? 0 : state.sliding + 1;
  choose(`${node.name}.y`, outputAt(node, next), node.name);
  change(() => {
    state.sliding = next;
  });
}

// What covers the part of the output that the kernel has not reached.
export function cover(node) {
  if (state.sliding === null || !state.number || partOf(state.number.name) !== "y") return null;
  const [height, width] = node.outputShape;
  const [row, column] = [Math.floor(state.sliding / width), state.sliding % width];
  return h(
    "svg",
    { class: "cover", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    h("rect", { x: column + 1, y: row, width: Math.max(0, width - column - 1), height: 1 }),
    h("rect", { x: 0, y: row + 1, width, height: Math.max(0, height - row - 1) }),
  );
}
