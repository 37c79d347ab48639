// A handle on what can be changed by hand: a weight, a bias, a running statistic, a pixel.

import { offset } from "../tensor.js";
import { h } from "./dom.js";
import { digits, indexed } from "./numbers.js";
import { largestOfTensor } from "./map.js";
import { change, choose, layerOf, nodeOf, partOf, state } from "./state.js";
import { say } from "./words.js";

const CHANGEABLE = ["weight", "bias"];

// The handle of a number, or null for what is computed. The same number's gradient stands beside it.
export function handle(name, index) {
  const part = partOf(name);
  if (!state.network.live) return null;
  if (name === "images" || isPicture(name)) return pixelHandle(index, name);
  if (!CHANGEABLE.includes(part) || !nodeOf(layerOf(name))) return null;
  const value = state.pass.get(name).data[offset(state.pass.get(name).shape, index)];
  const reach = Math.max(0.5, 2 * largestOfTensor(state.pass.get(name)));
  const gradient = `${layerOf(name)}.d${part}`;
  return h(
    "div",
    { class: "handle" },
    slider(name, say("dragIt", indexed(name, index)), value, -reach, reach, reach / 500, (wanted) =>
      change(() => state.network.set(name, index, wanted), true),
    ),
    state.pass.get(gradient)
      ? h(
          "p",
          {},
          h(
            "button",
            { type: "button", class: "link", onclick: () => choose(gradient, index) },
            say(
              "itsGradient",
              indexed(gradient, index),
              digits(state.pass.get(gradient).data[offset(state.pass.get(gradient).shape, index)]),
            ),
          ),
        )
      : null,
  );
}

function isPicture(name) {
  const first = state.network.flat[0].name;
  return name === "x" || name === `${first}.x`;
}

function pixelHandle(index, name) {
  const [, row, column] = index;
  const { images } = state.network;
  const colours = images.shape[3] === 3 ? ["red", "green", "blue"] : [...Array(images.shape[3]).keys()];
  const gradient = `${state.network.flat[0].name}.dx`;
  const d = state.pass.get(gradient);
  return h(
    "div",
    { class: "handle" },
    colours.map((colour, channel) => {
      const place = [0, row, column, channel];
      const byte = images.data[offset(images.shape, place)];
      return slider(`pixel ${colour}`, say("dragColour", say(colour)), Math.round(byte), 0, 255, 1, (wanted) => {
        const possible = Math.max(0, Math.min(255, wanted));
        change(() => state.network.set("images", place, possible), true);
        return possible;
      });
    }),
    d && name !== "images"
      ? h(
          "p",
          {},
          h(
            "button",
            { type: "button", class: "link", onclick: () => choose(gradient, index) },
            say("itsGradient", indexed(gradient, index), digits(d.data[offset(d.shape, index)])),
          ),
        )
      : null,
  );
}

// set(wanted): changes the number; returns what it has become, where that is not what was wanted.
function slider(key, label, value, low, high, step, set) {
  const type = ({ currentTarget: field }) => {
    const wanted = Number(field.value);
    if (field.value === "" || !Number.isFinite(wanted)) return;
    const possible = set(wanted) ?? wanted;
    if (possible !== wanted) field.value = possible;
  };
  return h(
    "div",
    { class: "slider", key },
    h(
      "label",
      {},
      label,
      h("input", { type: "range", min: low, max: high, step, value, oninput: type, "data-handle": key }),
    ),
    h("input", {
      type: "number",
      step: "any",
      value: Number(value.toPrecision(6)),
      "aria-label": label,
      onchange: type,
    }),
  );
}
