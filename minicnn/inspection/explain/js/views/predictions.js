// What the network says of the picture, what it should say, and a step of learning.

import { h } from "./dom.js";
import { digits, percent } from "./numbers.js";
import { change, choose, state } from "./state.js";
import { say } from "./words.js";

const LIKELIEST = 5;
const REMEMBERED = 60; // losses in the small curve

export function predictionsView() {
  const { pass, network } = state;
  const { classNames } = network.description;
  const order = [...pass.probabilities.data.keys()].sort(
    (a, b) => pass.probabilities.data[b] - pass.probabilities.data[a],
  );
  const shown = order.slice(0, LIKELIEST);
  if (!shown.includes(pass.label)) shown[shown.length - 1] = pass.label;
  return [
    h("h2", {}, say("predictions")),
    h(
      "ol",
      { class: "likeliest" },
      shown.map((k) => predictionBar(k, pass, classNames[k])),
    ),
    h(
      "div",
      { class: "row" },
      h(
        "label",
        {},
        say("trueClass"),
        " ",
        h(
          "select",
          {
            id: "label",
            value: pass.label,
            disabled: !state.network.live,
            onchange: (event) => {
              const k = Number(event.currentTarget.value);
              change(() => network.setLabel(k), true);
            },
          },
          classNames.map((name, k) => h("option", { value: k }, name)),
        ),
      ),
      h(
        "button",
        { type: "button", class: "loss link", onclick: () => choose("loss", [], "loss") },
        say("loss"),
        " ",
        h("b", { id: "loss", "data-value": pass.loss.data[0] }, digits(pass.loss.data[0], 5)),
      ),
    ),
    state.network.live ? learning() : null,
  ];
}

function predictionBar(k, pass, name) {
  const p = pass.probabilities.data[k];
  return h(
    "li",
    { class: k === pass.label ? "is-label" : "" },
    h(
      "button",
      {
        type: "button",
        class: "bar",
        onclick: () => choose("probabilities", [0, k], "loss"),
        title: say("seeHow", name),
      },
      h("span", { class: "fill", style: `width:${Math.max(0.4, p * 100)}%` }),
      h("span", { class: "bar-name" }, name, k === pass.label ? h("span", { class: "tag" }, say("truth")) : null),
      h("span", { class: "bar-value", "data-probability": p }, percent(p)),
    ),
  );
}

function learning() {
  return h(
    "div",
    { class: "learning" },
    h(
      "div",
      { class: "row" },
      h(
        "label",
        {},
        say("learningRate"),
        " ",
        h("input", {
          type: "number",
          id: "rate",
          min: 0,
          step: "any",
          value: state.rate,
          onchange: (event) => {
            const rate = Number(event.currentTarget.value);
            const usable = event.currentTarget.value !== "" && rate >= 0;
            if (!usable) event.currentTarget.value = state.rate;
            else
              change(() => {
                state.rate = rate;
              });
          },
        }),
      ),
      h(
        "button",
        { type: "button", class: "primary", id: "step", onclick: takeStep, title: say("stepHelp") },
        say("step"),
      ),
      h("button", { type: "button", id: "reset", disabled: !state.touched, onclick: startAgain }, say("reset")),
    ),
    lossCurve(),
  );
}

function takeStep() {
  change(() => {
    if (!state.losses.length) state.losses.push(state.pass.loss.data[0]);
    state.network.sgdStep(state.pass, { lr: state.rate });
    state.awaiting = true; // the loss after the step joins the curve when it is known
  }, true);
}

function startAgain() {
  change(() => {
    state.network.reset();
    state.losses = [];
    state.touched = false;
  }, true);
}

function lossCurve() {
  const { losses, awaiting } = state;
  if (awaiting) {
    losses.push(state.pass.loss.data[0]);
    state.awaiting = false;
  }
  if (losses.length < 2) return h("p", { class: "quiet" }, say("stepHint"));
  const recent = losses.slice(-REMEMBERED);
  const most = Math.max(...recent);
  const points = recent
    .map((loss, at) => `${(at / (recent.length - 1)) * 100},${38 - (most > 0 ? loss / most : 0) * 34}`)
    .join(" ");
  const text = say("lossCurve", losses.length - 1, digits(losses[0], 4), digits(losses[losses.length - 1], 4));
  return h(
    "figure",
    { class: "curve" },
    h(
      "svg",
      { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": text },
      h("polyline", { points }),
    ),
    h("figcaption", { class: "quiet" }, text),
  );
}
