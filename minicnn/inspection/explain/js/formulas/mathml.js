// MathML in short: each function returns markup.

const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");

export const mi = (text) => `<mi>${escaped(text)}</mi>`;
export const mn = (text) => `<mn>${escaped(text)}</mn>`;
export const mo = (text) => `<mo>${escaped(text)}</mo>`;
export const mtext = (text) => `<mtext>${escaped(text)}</mtext>`;
export const mrow = (...parts) => `<mrow>${parts.join("")}</mrow>`;
export const msub = (base, ...below) => `<msub>${base}<mrow>${below.join(mo(","))}</mrow></msub>`;
export const msup = (base, above) => `<msup>${base}${above}</msup>`;
export const mfrac = (above, below) => `<mfrac>${above}${below}</mfrac>`;
export const msqrt = (inside) => `<msqrt>${inside}</msqrt>`;
export const sumOver = (...below) => `<munder><mo>∑</mo><mrow>${below.join(mo(","))}</mrow></munder>`;
export const maxOver = (...below) => `<munder><mi>max</mi><mrow>${below.join(mo(","))}</mrow></munder>`;
export const parens = (...inside) => mrow(mo("("), ...inside, mo(")"));
export const slope = (of) => mfrac(mrow(mo("∂"), mi("L")), mrow(mo("∂"), of));
export const equation = (...parts) => `<math display="block">${mrow(...parts)}</math>`;
