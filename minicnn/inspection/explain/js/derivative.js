// The numerical derivative of the loss: differences that know when they are not to be trusted.
// As in minicnn/inspection/finite_differences.py: with the slopes to the right and to the left,
//
//   right(h) = (L(h) − L(0)) / h        left(h) = (L(0) − L(−h)) / h
//
// there are three estimates of the derivative, each wrong by O(h²) only where L is smooth:
//
//   central = (right(h/2) + left(h/2)) / 2      from the right = 2·right(h/2) − right(h)      from the left, likewise
//
// A kink within reach (a ReLU that passes 0, a max-pool whose maximum moves) pulls them apart.

import { producer } from "./terms/producer.js";
import { parted } from "./terms/spellers.js";
import { at, copied, offset, unravel } from "./tensor.js";

const STEPS = [1e-4, 1e-3, 1e-5, 1e-6]; // the one that suits most, a larger one for flat places, smaller ones for kinks
const ACCURACY = 1e-5; // how closely, relatively, the three estimates must agree
const ROUNDINGS = 16; // how many roundings of the loss, by ε·(1 + |L|) each, its last digits have seen
const MOST_KINKS = 8; // that are told

// The derivative of the loss by one number: a parameter's, "conv1.weight", the input's, "x", or an output's, "conv1.y".
//
//   {value, doubt, step, verdict, estimates: [central, right, left], lossPlus, lossMinus, kinks}
//
// verdict: "known"; "rounding" where the loss is so flat that its own rounding hides the slope; "kink" where the
// estimates never agree. doubt: how far off the value may be. step: h. lossPlus, lossMinus: the loss at ±h/2. kinks: of
// a kink, what changes sides between −h and h, [{name, index}]. RangeError where there is no such number, or none that
// could be changed.
export function numericalDerivative(network, name, index) {
  const base = network.forwardFrom(network.last, network.changed);
  const passAt = tryer(network, base, name, index);
  const loss = base.loss.data[0];
  let best = null;
  for (const step of STEPS) {
    const found = estimated(passAt, loss, step);
    if (best === null || found.doubt < best.doubt) best = found;
    if (best.doubt <= ACCURACY * Math.abs(best.value)) return { ...best, verdict: "known", kinks: [] };
  }
  if (best.spread <= best.rounding) return { ...best, verdict: "rounding", kinks: [] };
  const { step } = best;
  return { ...best, verdict: "kink", kinks: kinksBetween(passAt(-step).pass, passAt(step).pass) };
}

// Whether a derivative by the formulas is the one that was found by differences; null at a kink, where there is none.
export function derivativeAgrees(numerical, analytic) {
  if (numerical.verdict === "kink") return null;
  return Math.abs(numerical.value - analytic) <= Math.max(2 * numerical.doubt, 10 * ACCURACY * Math.abs(analytic));
}

function estimated(passAt, loss, step) {
  const slopes = [step, step / 2, -step / 2, -step].map((wanted) => {
    const { pass, moved } = passAt(wanted);
    return { slope: (pass.loss.data[0] - loss) / moved, loss: pass.loss.data[0] };
  });
  const [right, nearRight, nearLeft, left] = slopes.map(({ slope }) => slope);
  const estimates = [(nearRight + nearLeft) / 2, 2 * nearRight - right, 2 * nearLeft - left];
  const spread = Math.max(...estimates) - Math.min(...estimates);
  const untouched = slopes.every(({ slope }) => slope === 0); // the number reaches no loss: that is exact
  const rounding = untouched ? 0 : (ROUNDINGS * Number.EPSILON * (1 + Math.abs(loss))) / step;
  const doubt = Math.max(spread, rounding);
  const [lossPlus, lossMinus] = [slopes[1].loss, slopes[2].loss];
  return { value: estimates[0], doubt, step, estimates, lossPlus, lossMinus, spread, rounding };
}

// A function of how far the number shall be moved, which returns the forward pass with it there, and how far it was.
function tryer(network, base, name, index) {
  const from = producer(base, name);
  if (from === null) {
    const layer = network.layer(parted(name).layer);
    const value = network.get(name, index);
    const pass = (to) => network.tried(name, index, to, () => network.forwardFrom(base, new Set([layer])));
    return (distance) => ({ pass: pass(value + distance), moved: value + distance - value });
  }
  if (from !== "x" && parted(from).key !== "y") throw new RangeError(`${name} cannot be changed by itself`);
  const t = base.get(from);
  const value = at(t, index);
  return (distance) => {
    const tensor = copied(t);
    tensor.data[offset(t.shape, index)] = value + distance;
    return { pass: network.forwardFrom(base, new Set(), { name: from, tensor }), moved: value + distance - value };
  };
}

// The outputs of two passes that lie on two sides of a kink: [{name, index}].
function kinksBetween(one, other) {
  const found = [];
  for (const [layer, made] of one.made) {
    const there = other.made.get(layer);
    const side = SIDES[made.operation];
    if (made === there || !side) continue;
    for (let place = 0; place < made.y.data.length && found.length < MOST_KINKS; place++) {
      if (side(made, place) === side(there, place)) continue;
      found.push({ name: `${layer}.y`, index: unravel(made.y.shape, place) });
    }
  }
  return found;
}

const SIDES = {
  relu: ({ x }, place) => x.data[place] > 0,
  leaky_relu: ({ x }, place) => x.data[place] > 0,
  relu6: ({ x }, place) => (x.data[place] > 0) + (x.data[place] >= 6),
  max_pool2d: ({ argmax }, place) => argmax.data[place],
};
