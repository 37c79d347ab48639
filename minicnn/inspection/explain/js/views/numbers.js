// Numbers as a reader sees them.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

// A number to so many significant digits, without an exponent where it can be read without: 0.0123, −3.46, 1.2·10⁻⁹.
export function digits(value, significant = 4) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (magnitude >= 1e-4 && magnitude < 1e7) {
    const rounded = Number(magnitude.toPrecision(significant));
    const places = Math.max(0, significant - 1 - Math.floor(Math.log10(rounded)));
    const text = rounded.toFixed(Math.min(places, 12));
    return sign + (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  }
  const [mantissa, exponent] = magnitude.toExponential(significant - 1).split("e");
  return `${sign}${mantissa.replace(/\.?0+$/, "")}·10${superscript(Number(exponent))}`;
}

function superscript(number) {
  return (number < 0 ? "⁻" : "") + [...String(Math.abs(number))].map((digit) => SUPERSCRIPTS[digit]).join("");
}

// A number in a small cell, in at most five characters: .12, .03, 12.3, 3e−4.
export function short(value) {
  const magnitude = Math.abs(value);
  if (value === 0) return "0";
  if (magnitude >= 0.995 && magnitude < 999.5) return digits(value, magnitude < 9.95 ? 2 : 3);
  if (magnitude >= 0.00095 && magnitude < 1) return digits(value, magnitude < 0.0995 ? 1 : 2).replace("0.", ".");
  return value.toExponential(0).replace("-", "−").replace("e-", "e−").replace("e+", "e");
}

export function percent(share) {
  const hundredths = share * 100;
  if (hundredths >= 0.05 && hundredths < 99.95) return `${hundredths.toFixed(1)} %`;
  return `${digits(hundredths, hundredths > 99 ? 5 : 2)} %`;
}

export function times(shape) {
  return shape.length ? shape.join(" × ") : "1";
}

export function indexed(name, index) {
  return index.length ? `${name}[${index.join(", ")}]` : name;
}
