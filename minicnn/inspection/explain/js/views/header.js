// The page's title and what concerns all of it: forward or backward, the language, light or dark.

import { theme } from "./colours.js";
import { h } from "./dom.js";
import { change, layerOf, partOf, state } from "./state.js";
import { language, say, speak } from "./words.js";

const TWINS = {
  y: "dy",
  x: "dx",
  weight: "dweight",
  bias: "dbias",
  logits: "dlogits",
  probabilities: "dlogits",
  loss: "dlogits",
};

export function header() {
  const { description } = state.network;
  return [
    h("h1", {}, h("span", { class: "brand" }, "minicnn"), ` ${description.model}`),
    h(
      "div",
      { class: "controls" },
      segmented(
        say("direction"),
        [
          ["forward", say("forward")],
          ["backward", say("backward")],
        ],
        state.direction,
        turn,
      ),
      state.network.hasTwoModes && !state.network.tooFewPixels && state.network.live
        ? segmented(
            say("mode"),
            [
              ["use", say("asUsed")],
              ["training", say("asTrained")],
            ],
            state.network.training ? "training" : "use",
            (chosen) => change(() => state.network.setTraining(chosen === "training"), true),
          )
        : null,
      segmented(
        say("languageLabel"),
        [
          ["en", "English"],
          ["zh", "中文"],
        ],
        language(),
        (chosen) => change(() => speak(chosen)),
      ),
      h(
        "button",
        {
          type: "button",
          class: "icon",
          "aria-label": say(theme() === "dark" ? "toLight" : "toDark"),
          title: say(theme() === "dark" ? "toLight" : "toDark"),
          onclick: () =>
            change(() => {
              document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
            }),
        },
        theme() === "dark" ? "☀" : "☾",
      ),
    ),
  ];
}

// A choice of a few, all of them in view. choices: [value, text] each.
export function segmented(label, choices, chosen, onpick) {
  return h(
    "div",
    { class: "segmented", role: "group", "aria-label": label },
    choices.map(([value, text]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(value === chosen),
          "data-choice": value,
          onclick: () => onpick(value),
        },
        text,
      ),
    ),
  );
}

// Turn the direction; the number looked at becomes its gradient, or the other way round.
export function turn(direction) {
  change(() => {
    state.direction = direction;
    if (!state.number) return;
    const { name, index } = state.number;
    const layer = layerOf(name);
    const part = partOf(name);
    const pairs =
      direction === "backward"
        ? TWINS
        : Object.fromEntries(
            Object.entries(TWINS)
              .slice(0, 5)
              .map(([value, gradient]) => [gradient, value]),
          );
    const twin = pairs[part];
    const other = twin && (layer === "loss" ? "loss" : layer) === "loss" ? twin : `${layer}.${twin}`;
    if (twin && state.pass.get(other)?.shape.length === index.length) state.number = { name: other, index };
  });
}
