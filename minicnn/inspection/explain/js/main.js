// The explain page: a network, a picture, and every number of a forward and a backward pass.

import { gradCam, saliency } from "./maps.js";
import { buildNetwork } from "./network.js";
import { show } from "./views/dom.js";
import { header } from "./views/header.js";
import { layerView } from "./views/layer.js";
import { networkRow, visit } from "./views/network_row.js";
import { numberView } from "./views/number.js";
import { pictureView } from "./views/picture.js";
import { predictionsView } from "./views/predictions.js";
import { storedNotice } from "./views/stored.js";
import { change, onChange, refresh, state } from "./views/state.js";
import { language, say, speak, textNames } from "./views/words.js";

const PARTS = {
  header,
  lead: () => (state.network.live ? say("lead") : []),
  notice: storedNotice,
  input: pictureView,
  says: predictionsView,
  network: networkRow,
  layer: layerView,
  number: numberView,
  footer: () => [say("legend"), " ", say("keyboard"), " ", say(state.network.live ? "footer" : "footerStored")],
};

function drawPage() {
  const { description } = state.network;
  document.title = `minicnn · ${description.model}`;
  for (const [id, view] of Object.entries(PARTS)) show(document.getElementById(id), view());
  bringIntoView(document.querySelector("#network [aria-current]"), document.querySelector("#network nav"));
}

// Scroll the row of layers, and nothing else, to the layer looked at.
let cardInView = null;
function bringIntoView(card, row) {
  if (!card || card === cardInView) return;
  cardInView = card;
  const [inner, outer] = [card.getBoundingClientRect(), row.getBoundingClientRect()];
  if (inner.left < outer.left || inner.right > outer.right) row.scrollLeft += inner.left - outer.left - outer.width / 3;
}

state.network = buildNetwork(JSON.parse(document.getElementById("network-data").textContent));
speak(language());
onChange(drawPage);
state.pass = state.network.run();
visit(state.network.flat[0].name);
refresh();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change(() => {}));
window.explain = { state, languages: textNames, saliency, gradCam }; // for the tests, and for who opens the console
