// What the page says of a network that is too large to be computed on it.

import { h } from "./dom.js";
import { state } from "./state.js";
import { say } from "./words.js";

export function storedNotice() {
  const { live, why } = state.network.description;
  if (live) return [];
  const reason = say(`why.${why.key}`, why.number?.toLocaleString("en"), why.limit?.toLocaleString("en"), why.layer);
  return h("p", { class: "note" }, say("stored", reason));
}
