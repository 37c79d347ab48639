// Where a number comes from: tensors that are handed from layer to layer have several names.

import { parted, spellerOf } from "./spellers.js";

// The name under which a tensor's numbers were computed: of conv2.x pool1.y, of relu1.dy pool1.dx; null where they were
// given. A Flatten computes its own: it moves them to other indices.
export function producer(pass, name) {
  if (!pass.live) return pass.producer(name);
  const t = tensorOf(pass, name);
  const known = producersOf(pass).get(t);
  if (known) return known;
  return spellerOf(pass, name) ? name : null;
}

export function isGiven(pass, name) {
  return producer(pass, name) === null;
}

// The name of the gradient of the loss by what is called `name`: conv1.dweight of conv1.weight, dx of x, relu1.dy of
// what relu1.y and conv2.x are; null of what has none: bytes, statistics, indices, gradients themselves.
export function gradientName(pass, name) {
  const from = producer(pass, name) ?? name;
  if (from === "x") return "dx";
  const { layer, key } = parted(from);
  const own = { y: "dy", weight: "dweight", bias: "dbias" }[key];
  return own && pass.get(`${layer}.${own}`) ? `${layer}.${own}` : null;
}

// The tensor of that name. Throws RangeError where there is none.
export function tensorOf(pass, name) {
  const t = pass.get(name);
  if (!t) throw new RangeError(`the pass has no ${name}`);
  return t;
}

// Of each tensor of a pass that is handed from layer to layer the name that it was made under.
function producersOf(pass) {
  const found = new Map([[pass.x, "x"]]);
  const add = (t, name) => found.has(t) || found.set(t, name);
  for (const [layer, { y }] of pass.made) add(y, `${layer}.y`);
  if (pass.hasGradients) {
    add(pass.dlogits, "dlogits");
    for (const [layer, { dx }] of pass.gradients) add(dx, `${layer}.dx`);
  }
  return found;
}
