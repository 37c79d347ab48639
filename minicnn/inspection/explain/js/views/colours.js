// Colours of numbers: blue above zero, orange below it, and zero the colour of the paper.
// How strong a colour is says how far from zero the number is.

const ABOVE = [8, 119, 189];
const BELOW = [232, 128, 20];
const PAPER = { light: [255, 255, 255], dark: [24, 27, 32] };
const SHADES = 255;
const GAMMA = 0.65; // below 1, so that weak numbers can be told from zero
const tables = {};

// The colours of −1 … 1 in 511 steps, as the bytes of a canvas (little-endian RGBA in a Uint32Array).
function tableOf(theme) {
  if (!tables[theme]) {
    tables[theme] = new Uint32Array(2 * SHADES + 1);
    for (let step = -SHADES; step <= SHADES; step += 1) {
      const [red, green, blue] = colourAt(step / SHADES, theme);
      tables[theme][step + SHADES] = (255 << 24) | (blue << 16) | (green << 8) | red;
    }
  }
  return tables[theme];
}

function colourAt(share, theme) {
  const end = share >= 0 ? ABOVE : BELOW;
  const strength = Math.min(1, Math.abs(share)) ** GAMMA;
  return PAPER[theme].map((paper, channel) => Math.round(paper + (end[channel] - paper) * strength));
}

export function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

// The colour of a number where `largest` is the strongest one, and that of a text upon it.
export function colourOf(value, largest) {
  const share = largest > 0 ? value / largest : 0;
  const [red, green, blue] = colourAt(share, theme());
  const bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140;
  return { paper: `rgb(${red} ${green} ${blue})`, ink: bright ? "#16181c" : "#fff" };
}

// Paint rows × columns of numbers onto a canvas, a pixel each; `at(row, column)` gives a number, or NaN for none.
export function paint(canvas, height, width, largest, at) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const table = tableOf(theme());
  const scale = largest > 0 ? SHADES / largest : 0;
  for (let row = 0, place = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1, place += 1) {
      const value = at(row, column);
      if (Number.isNaN(value)) continue;
      pixels[place] = table[Math.max(0, Math.min(2 * SHADES, Math.round(value * scale) + SHADES))];
    }
  }
  context.putImageData(image, 0, 0);
}

// The strongest number of an array, by magnitude.
export function largestOf(data) {
  let largest = 0;
  for (let place = 0; place < data.length; place += 1) {
    const magnitude = Math.abs(data[place]);
    if (magnitude > largest && magnitude !== Infinity) largest = magnitude;
  }
  return largest;
}
