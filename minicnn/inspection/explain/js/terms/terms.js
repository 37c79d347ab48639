// What made this number: any number of a pass as the terms that it is the sum of.
//
// Most numbers of a network are sums of products; the few that are not (a maximum, a function value) are one term, and
// a note says how it came about. Elements that lie in the padding are 0 and left out.

import { at } from "../tensor.js";
import { producer, tensorOf } from "./producer.js";
import { spellerOf } from "./spellers.js";

// The number at `index` of the tensor called `name`, spelled out:
//
//   {name, index, value, producer, operation, result, terms, sum, note}
//
// producer: the name under which it was computed, by that operation as that result. terms: [{value, factors, path?,
// arguments?}], a factor being {symbol, value}, and {name, index} of where it stands, if it does. note: null, or {key,
// …}. undefined where the number was given: a pixel, a weight, a running statistic. RangeError where there is none.
// Of a stored pass, which has the terms of some numbers only, undefined too where they are not there.
export function terms(pass, name, index) {
  if (!pass.live) return pass.explanation(name, index);
  const value = at(tensorOf(pass, name), index);
  const from = producer(pass, name);
  if (from === null) return undefined;
  const [operation, result, spell] = spellerOf(pass, from);
  const spelled = spell(index);
  const sum = spelled.terms.reduce((total, term) => total + term.value, 0);
  return { name, index, value, producer: from, operation, result, terms: spelled.terms, sum, note: spelled.note };
}
