// The picture: painted on, read pixel by pixel, and with what the network looked at laid over it.

import { gradCam, saliency } from "../maps.js";
import { h } from "./dom.js";
import { segmented } from "./header.js";
import { change, choose, state } from "./state.js";
import { say } from "./words.js";

const COLOURS = ["#ffffff", "#000000", "#d62828", "#2a9d3f", "#2364c8", "#f2c230"];
const OVERLAY_STRENGTH = 0.65;

export function pictureView() {
  const { images } = state.network;
  const [, height, width] = images.shape;
  return [
    h("h2", {}, say("picture")),
    h(
      "div",
      {
        class: state.brush ? "picture painting" : "picture",
        style: `aspect-ratio:${width}/${height}`,
        tabindex: "0",
        role: "application",
        "aria-label": say("pictureHelp", height, width),
        "aria-roledescription": say("mapRole"),
        id: "picture",
        onpointerdown: (event) => {
          event.currentTarget.focus();
          touch(event);
        },
        onpointermove: (event) => {
          if (event.buttons & 1) touch(event);
        },
        onkeydown: moveOverPicture,
      },
      h("canvas", { class: "pixels", "aria-hidden": "true", drawn: `${state.edits}`, draw: drawPicture }),
      state.overlay === "none"
        ? null
        : h("canvas", {
            class: "pixels over",
            "aria-hidden": "true",
            drawn: `${state.edits} ${state.overlay} ${state.pass.label}`,
            draw: drawOverlay,
          }),
      cursor(height, width),
    ),
    !state.network.live
      ? null
      : segmented(
          say("overlay"),
          [
            ["none", say("overlayNone")],
            ["saliency", say("saliency")],
            ["gradcam", "Grad-CAM"],
          ],
          state.overlay,
          (chosen) =>
            change(() => {
              state.overlay = chosen;
            }),
        ),
    state.overlay === "none"
      ? null
      : h("p", { class: "quiet" }, say(`about.${state.overlay}`, classNameOf(state.pass.label))),
    state.network.live ? brushes() : null,
  ];
}

export function classNameOf(label) {
  return state.network.description.classNames[label];
}

function brushes() {
  const { brush } = state;
  return h(
    "div",
    { class: "brushes", role: "group", "aria-label": say("paint") },
    h("span", { class: "quiet" }, say("paint")),
    COLOURS.map((colour) =>
      h("button", {
        type: "button",
        class: "swatch",
        style: `background:${colour}`,
        "aria-label": say("paintWith", say(`colour.${colour}`)),
        title: say("paintWith", say(`colour.${colour}`)),
        "data-colour": colour,
        "aria-pressed": String(brush?.colour === colour),
        onclick: () =>
          change(() => {
            state.brush = brush?.colour === colour ? null : { colour, size: brush?.size ?? 3 };
          }),
      }),
    ),
    brush
      ? h(
          "label",
          { class: "brush-size" },
          say("brushSize"),
          h("input", {
            type: "range",
            min: 1,
            max: 9,
            step: 2,
            value: brush.size,
            oninput: (event) => {
              const size = Number(event.currentTarget.value);
              change(() => {
                state.brush = { ...state.brush, size };
              });
            },
          }),
        )
      : null,
  );
}

function drawPicture(canvas) {
  const { images } = state.network;
  const [, height, width, channels] = images.shape;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      picture.data[4 * pixel + channel] = images.data[pixel * channels + Math.min(channel, channels - 1)];
    }
    picture.data[4 * pixel + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

function drawOverlay(canvas) {
  const make = state.overlay === "saliency" ? saliency : gradCam;
  const { height, width, data } = make(state.network, state.pass, state.pass.label);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const largest = data.reduce((most, value) => Math.max(most, value), 0) || 1;
  data.forEach((value, pixel) => {
    const share = Math.max(0, value) / largest;
    picture.data.set(
      [255, Math.round(230 * (1 - share)) + 20, 20, Math.round(255 * OVERLAY_STRENGTH * share)],
      4 * pixel,
    );
  });
  context.putImageData(picture, 0, 0);
}

function pixelChosen() {
  const { number } = state;
  const first = state.network.flat[0].name;
  if (!number || !["x", "images", `${first}.x`, `${first}.dx`].includes(number.name) || number.index.length !== 4)
    return null;
  return number.index;
}

function cursor(height, width) {
  const index = pixelChosen();
  if (!index) return null;
  return h(
    "svg",
    { class: "marks", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    h("rect", { class: "chosen", x: index[2], y: index[1], width: 1, height: 1 }),
  );
}

function touch(event) {
  const [, height, width] = state.network.images.shape;
  const box = event.currentTarget.getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top) / box.height) * height);
  const column = Math.floor(((event.clientX - box.left) / box.width) * width);
  if (row < 0 || column < 0 || row >= height || column >= width) return;
  if (state.brush) paintAt(row, column);
  else lookAtPixel(row, column);
}

function lookAtPixel(row, column) {
  const first = state.network.flat[0].name;
  choose(`${first}.${state.direction === "backward" ? "dx" : "x"}`, [0, row, column, pixelChosen()?.[3] ?? 0], first);
}

function paintAt(row, column) {
  const { images } = state.network;
  const [, height, width, channels] = images.shape;
  const { colour, size } = state.brush;
  const bytes = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  const reach = (size - 1) / 2;
  change(() => {
    for (let y = Math.max(0, row - reach); y <= Math.min(height - 1, row + reach); y += 1) {
      for (let x = Math.max(0, column - reach); x <= Math.min(width - 1, column + reach); x += 1) {
        if ((y - row) ** 2 + (x - column) ** 2 > (reach + 0.5) ** 2) continue;
        for (let channel = 0; channel < channels; channel += 1)
          state.network.set("images", [0, y, x, channel], bytes[channel % 3]);
      }
    }
  }, true);
}

function moveOverPicture(event) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (!step && event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  const [, height, width] = state.network.images.shape;
  const here = pixelChosen();
  const [row, column] = here ? [here[1], here[2]] : [Math.floor(height / 2), Math.floor(width / 2)];
  if (!step && state.brush && here) paintAt(row, column);
  else {
    const [down, right] = step && here ? step : [0, 0];
    lookAtPixel(Math.max(0, Math.min(height - 1, row + down)), Math.max(0, Math.min(width - 1, column + right)));
  }
}
