// Softmax and cross-entropy, class by class: from the logit to the probability, the loss, and the gradient.

import { lossFormulas } from "../formulas/formulas.js";
import { softmaxSteps } from "../terms/softmax.js";
import { h } from "./dom.js";
import { formulaBox } from "./formula_box.js";
import { digits } from "./numbers.js";
import { change, choose, state } from "./state.js";
import { say } from "./words.js";

const ROWS = 12; // classes in the table unless all are asked for

export function lossView() {
  const { pass, network } = state;
  const steps = softmaxSteps(pass);
  const order = [...steps.classes.keys()].sort((a, b) => steps.classes[b].p - steps.classes[a].p);
  const shown = state.allClasses ? order : order.slice(0, ROWS);
  if (!shown.includes(pass.label)) shown[shown.length - 1] = pass.label;
  const { classNames } = network.description;
  const cell = (value, name, k) =>
    h(
      "td",
      {},
      name
        ? h(
            "button",
            {
              type: "button",
              class: state.number?.name === name && state.number.index[1] === k ? "cell-link chosen" : "cell-link",
              "data-cell": `${name} ${k}`,
              "data-value": value,
              onclick: () => choose(name, [0, k], "loss"),
            },
            digits(value),
          )
        : digits(value),
    );
  return [
    h("div", { class: "layer-head" }, h("h2", {}, say("lossTitle"))),
    h("p", { class: "sentence" }, say(`about.loss.${state.direction}`)),
    formulaBox(lossFormulas(state.direction, pass.labelSmoothing), null),
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        { class: "classes" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["class", "logit", "shifted", "exponential", "probability", "target", "lossTerm", "gradient"].map((key) =>
              h("th", { scope: "col" }, say(`column.${key}`)),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          shown.map((k) => {
            const { z, shifted, exponential, p, q, lossTerm, dlogit } = steps.classes[k];
            return h(
              "tr",
              { class: k === pass.label ? "is-label" : "", key: k },
              h("th", { scope: "row" }, classNames[k]),
              cell(z, "logits", k),
              cell(shifted),
              cell(exponential),
              cell(p, "probabilities", k),
              cell(q),
              cell(lossTerm),
              cell(dlogit, "dlogits", k),
            );
          }),
        ),
        h(
          "tfoot",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "row" }, "Σ"),
            h("td", {}),
            h("td", {}),
            h("td", {}, digits(steps.sum)),
            h("td", {}, "1"),
            h("td", {}, "1"),
            h("td", { "data-loss": steps.loss }, digits(steps.loss)),
            h("td", {}, "0"),
          ),
        ),
      ),
    ),
    order.length > ROWS
      ? h(
          "button",
          {
            type: "button",
            class: "link",
            onclick: () =>
              change(() => {
                state.allClasses = !state.allClasses;
              }),
          },
          say(state.allClasses ? "fewerClasses" : "allClasses", order.length),
        )
      : null,
  ];
}
