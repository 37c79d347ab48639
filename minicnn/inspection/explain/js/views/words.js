// What the page says, in the language that is chosen.

import { chinese } from "../words/zh.js";
import { english } from "../words/en.js";

const LANGUAGES = { en: english, zh: chinese };
let chosen = (navigator.language || "en").startsWith("zh") ? "zh" : "en";

export function language() {
  return chosen;
}

export function speak(name) {
  chosen = name in LANGUAGES ? name : "en";
  document.documentElement.lang = chosen === "zh" ? "zh-Hans" : "en";
}

// The text of that name; texts with gaps are functions of what fills them.
export function say(key, ...gaps) {
  const text = LANGUAGES[chosen][key];
  return typeof text === "function" ? text(...gaps) : (text ?? "");
}

export function canSay(key) {
  return key in LANGUAGES[chosen];
}

// The names of all texts, by language.
export function textNames() {
  return Object.fromEntries(Object.entries(LANGUAGES).map(([name, texts]) => [name, Object.keys(texts)]));
}
