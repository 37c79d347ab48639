// Equations as a block, and as a text for who cannot see them the formulas as the code's documentation has them.

import { h } from "./dom.js";

export function formulaBox(equations, texts) {
  if (!equations.length) return null;
  const label = Object.values(texts ?? {}).join("; ");
  return h(
    "div",
    { class: "formula", role: "group", "aria-label": label || null },
    equations.map((markup, place) => h("div", { html: markup, key: `equation ${place}` })),
  );
}
