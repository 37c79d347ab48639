// The numerical derivative of the loss beside the gradient that backward computed: the loss is computed anew with the
// number a little larger and a little smaller.

import { derivativeAgrees, numericalDerivative } from "../derivative.js";
import { at } from "../tensor.js";
import { h } from "./dom.js";
import { digits } from "./numbers.js";
import { change, layerOf, partOf, state } from "./state.js";
import { say } from "./words.js";

const PAUSE = 120; // milliseconds without a change until it is computed

let waiting = null;

// What the number is the gradient of: {name, index} of a parameter or of the network's input, or null.
function subject(name, index) {
  const part = partOf(name);
  const layer = layerOf(name);
  const first = state.network.flat[0].name;
  if (part === "dweight" || part === "dbias") return { name: `${layer}.${part.slice(1)}`, index };
  if (name === `${first}.dx`) return { name: "x", index };
  return null;
}

export function derivative(name, index) {
  const of = subject(name, index);
  if (!of || !state.network.live) return null;
  const key = `${state.edits} ${of.name} ${of.index}`;
  const ready = state.derivative?.key === key ? state.derivative.result : null;
  if (!ready) later(key, of);
  const analytic = at(state.pass.get(name), index);
  return h(
    "div",
    { class: "derivative", "data-verdict": ready?.verdict ?? "waiting" },
    h("h3", {}, say("derivativeTitle")),
    h("p", { class: "sentence" }, say("derivativeHow", of.name)),
    ready
      ? [
          h(
            "table",
            { class: "ledger" },
            h(
              "tbody",
              {},
              ready.lossPlus !== undefined ? row(say("lossPlus", digits(ready.step / 2, 2)), ready.lossPlus, 10) : null,
              ready.lossMinus !== undefined
                ? row(say("lossMinus", digits(ready.step / 2, 2)), ready.lossMinus, 10)
                : null,
              h(
                "tr",
                { class: "total" },
                h("th", { scope: "row" }, say("differenceQuotient")),
                h("td", { "data-numerical": ready.value }, digits(ready.value, 8)),
              ),
              h(
                "tr",
                { class: "total" },
                h("th", { scope: "row" }, say("byBackward")),
                h("td", { "data-analytic": analytic }, digits(analytic, 8)),
              ),
            ),
          ),
          verdict(ready, analytic),
        ]
      : h("p", { class: "quiet" }, say("computing")),
  );
}

function row(label, value, significant) {
  return h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, digits(value, significant)));
}

function verdict(result, analytic) {
  if (result.verdict === "kink") {
    const where = (result.kinks ?? []).map((kink) => `${kink.name}[${kink.index.join(", ")}]`).join("; ");
    return h(
      "p",
      { class: "verdict kink" },
      say("atAKink", where, ...(result.estimates ?? []).map((value) => digits(value, 5))),
    );
  }
  if (result.verdict === "rounding") return h("p", { class: "verdict" }, say("belowRounding"));
  const agrees = derivativeAgrees(result, analytic);
  return h("p", { class: agrees ? "verdict agrees" : "verdict differs" }, say(agrees ? "agrees" : "differs"));
}

function later(key, of) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const result = numericalDerivative(state.network, of.name, of.index);
    change(() => {
      state.derivative = { key, result };
    });
  }, PAUSE);
}
