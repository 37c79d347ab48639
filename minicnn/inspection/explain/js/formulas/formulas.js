// The formulas of the operations, with the layer's own stride and padding in them. Each returns equations as MathML,
// or an empty list for an operation that has none.

import {
  equation,
  maxOver,
  mfrac,
  mi,
  mn,
  mo,
  mrow,
  msqrt,
  msub,
  msup,
  mtext,
  parens,
  slope,
  sumOver,
} from "./mathml.js";

const [i, j, c, f, k, n] = ["i", "j", "c", "f", "k", "n"].map(mi);
const [x, y, w, b, z, p, q] = ["x", "y", "w", "b", "z", "p", "q"].map(mi);
const ky = msub(mi("k"), mi("y"));
const kx = msub(mi("k"), mi("x"));
const equals = mo("=");
const dot = mo("·");
const plus = mo("+");
const minus = mo("−");

// i·2 + ky − 3, without what is nothing.
function coordinate(output, stride, offset, dilation, before) {
  const scaled = stride === 1 ? output : mrow(mn(stride), output);
  const spread = dilation === 1 ? offset : mrow(mn(dilation), offset);
  return mrow(scaled, plus, spread, before ? mrow(minus, mn(before)) : "");
}

function patch({ stride = [1, 1], padding, dilation = [1, 1] }) {
  const [[top], [left]] = padding ?? [[0], [0]];
  return [coordinate(i, stride[0], ky, dilation[0], top), coordinate(j, stride[1], kx, dilation[1], left)];
}

function convolution({ settings, parameters }) {
  const element = msub(x, ...patch(settings), c);
  const weight = msub(w, ky, kx, c, f);
  const dy = slope(msub(y, i, j, f));
  return {
    forward: [
      equation(
        msub(y, i, j, f),
        equals,
        sumOver(ky, kx, c),
        element,
        dot,
        weight,
        ...(parameters.bias ? [plus, msub(b, f)] : []),
      ),
    ],
    backward: [
      equation(slope(weight), equals, sumOver(i, j), element, dot, dy),
      ...(parameters.bias ? [equation(slope(msub(b, f)), equals, sumOver(i, j), dy)] : []),
      equation(
        slope(msub(x, mi("r"), mi("s"), c)),
        equals,
        sumOver(mrow(mtext("(i, j, k) "), mo("→"), mtext(" (r, s)")), f),
        dy,
        dot,
        weight,
      ),
    ],
  };
}

function denseLayer({ parameters }) {
  const weight = msub(w, k, f);
  const dy = slope(msub(y, f));
  return {
    forward: [
      equation(msub(y, f), equals, sumOver(k), msub(x, k), dot, weight, ...(parameters.bias ? [plus, msub(b, f)] : [])),
    ],
    backward: [
      equation(slope(weight), equals, msub(x, k), dot, dy),
      ...(parameters.bias ? [equation(slope(msub(b, f)), equals, dy)] : []),
      equation(slope(msub(x, k)), equals, sumOver(f), dy, dot, weight),
    ],
  };
}

function pointwise(forward, derivative) {
  return {
    forward: [equation(y, equals, ...forward)],
    backward: [equation(slope(x), equals, slope(y), dot, ...derivative)],
  };
}

// One thing above zero, another one elsewhere.
function bySign(above, below) {
  const line = (value, sign) => `<mtr><mtd>${value}</mtd><mtd>${mrow(x, mo(sign), mn(0))}</mtd></mtr>`;
  return mrow(mo("{"), `<mtable columnalign="left">${line(above, ">")}${line(below, "≤")}</mtable>`);
}

function pool({ settings }, kind) {
  const element = msub(x, ...patch(settings), c);
  const [height, width] = settings.size;
  const dy = slope(msub(y, i, j, c));
  if (kind === "max") {
    return {
      forward: [equation(msub(y, i, j, c), equals, maxOver(ky, kx), element)],
      backward: [
        equation(
          slope(msub(x, mi("r"), mi("s"), c)),
          equals,
          sumOver(mrow(mi("argmax"), mo("→"), parens(mi("r"), mo(","), mi("s")))),
          dy,
        ),
      ],
    };
  }
  const share = mfrac(mn(1), mn(height * width));
  return {
    forward: [equation(msub(y, i, j, c), equals, share, sumOver(ky, kx), element)],
    backward: [
      equation(
        slope(msub(x, mi("r"), mi("s"), c)),
        equals,
        share,
        sumOver(mrow(parens(i, mo(","), j), mo("∋"), parens(mi("r"), mo(","), mi("s")))),
        dy,
      ),
    ],
  };
}

function globalPool({ inputShape }) {
  const share = mfrac(mn(1), mn(inputShape[0] * inputShape[1]));
  return {
    forward: [equation(msub(y, c), equals, share, sumOver(i, j), msub(x, i, j, c))],
    backward: [equation(slope(msub(x, i, j, c)), equals, share, slope(msub(y, c)))],
  };
}

function batchNorm({ settings }, network) {
  const hat = mrow(`<mover>${x}<mo>^</mo></mover>`);
  const variance = msup(mi("σ"), mn(2));
  const deviation = msqrt(mrow(variance, plus, mi("ε")));
  const dy = slope(y);
  const statistics = [
    equation(
      mi("μ"),
      equals,
      mfrac(mn(1), mi("M")),
      sumOver(i, j),
      x,
      mo(","),
      mtext("  "),
      variance,
      equals,
      mfrac(mn(1), mi("M")),
      sumOver(i, j),
      msup(parens(x, minus, mi("μ")), mn(2)),
    ),
  ];
  const mean = (inside) => mrow(mfrac(mn(1), mi("M")), sumOver(i, j), inside);
  const own = network.training && !settings.frozen;
  return {
    forward: [
      ...(own ? statistics : []),
      normalizationEquation(hat, deviation),
    ],
    backward: [
      own
        ? equation(
            slope(x),
            equals,
            mfrac(w, deviation),
            parens(dy, minus, mean(dy), minus, hat, dot, mean(mrow(dy, dot, hat))),
          )
        : equation(slope(x), equals, mfrac(w, deviation), dot, dy),
      equation(
        slope(w),
        equals,
        sumOver(i, j),
        dy,
        dot,
        hat,
        mo(","),
        mtext("  "),
        slope(b),
        equals,
        sumOver(i, j),
        dy,
      ),
    ],
  };
}

// x̂ = (x − μ) / deviation, y = w·x̂ + b: what batch norm and layer norm have in common.
function normalizationEquation(hat, deviation) {
  const normalised = [hat, equals, mfrac(mrow(x, minus, mi("μ")), deviation)];
  return equation(...normalised, mo(","), mtext("  "), y, equals, w, dot, hat, plus, b);
}

function layerNorm() {
  const hat = mrow(`<mover>${x}<mo>^</mo></mover>`);
  const deviation = msqrt(mrow(msup(mi("σ"), mn(2)), plus, mi("ε")));
  return {
    forward: [
      normalizationEquation(hat, deviation),
    ],
    backward: [equation(slope(hat), equals, w, dot, slope(y))],
  };
}

function responseNorm({ settings }) {
  const s = mrow(
    mn(settings.k),
    plus,
    mfrac(mn(settings.alpha), mn(settings.size)),
    sumOver(mrow(msup(c, mo("′")), mo("≈"), c)),
    msup(msub(x, msup(c, mo("′"))), mn(2)),
  );
  return {
    forward: [equation(msub(y, c), equals, mfrac(msub(x, c), msup(parens(s), mn(settings.beta))))],
    backward: [],
  };
}

const phi = (letter) => mrow(mi(letter), parens(x));
const sigma = (inside) => mrow(mi("σ"), parens(inside));
const ACTIVATIONS = {
  ReLU: () => pointwise([mi("max"), parens(x, mo(","), mn(0))], [bySign(mn(1), mn(0))]),
  ReLU6: () =>
    pointwise([mi("min"), parens(mi("max"), parens(x, mo(","), mn(0)), mo(","), mn(6))], [mtext("1 (0 < x < 6), 0")]),
  LeakyReLU: ({ settings }) => pointwise([bySign(x, mrow(mn(settings.slope), x))], [bySign(mn(1), mn(settings.slope))]),
  Sigmoid: () =>
    pointwise([mfrac(mn(1), mrow(mn(1), plus, msup(mi("e"), mrow(minus, x))))], [y, dot, parens(mn(1), minus, y)]),
  Tanh: () => pointwise([mi("tanh"), parens(x)], [parens(mn(1), minus, msup(y, mn(2)))]),
  SiLU: () =>
    pointwise([x, dot, sigma(x)], [parens(sigma(x), plus, x, dot, sigma(x), dot, parens(mn(1), minus, sigma(x)))]),
  GELU: () => pointwise([x, dot, phi("Φ")], [parens(phi("Φ"), plus, x, dot, phi("φ"))]),
};

const KINDS = {
  Conv2D: convolution,
  Dense: denseLayer,
  MaxPool2D: (node) => pool(node, "max"),
  AvgPool2D: (node) => pool(node, "average"),
  GlobalAvgPool2D: globalPool,
  BatchNorm2D: batchNorm,
  LayerNorm: layerNorm,
  LocalResponseNorm: responseNorm,
  Flatten: () => ({
    forward: [
      equation(msub(y, mrow(parens(i, dot, mi("W"), plus, j), dot, mi("C"), plus, c)), equals, msub(x, i, j, c)),
    ],
    backward: [
      equation(
        slope(msub(x, i, j, c)),
        equals,
        slope(msub(y, mrow(parens(i, dot, mi("W"), plus, j), dot, mi("C"), plus, c))),
      ),
    ],
  }),
  Dropout: ({ settings }) =>
    pointwise(
      [x, dot, mfrac(mi("keep"), mn(Number((1 - settings.rate).toPrecision(6))))],
      [mfrac(mi("keep"), mn(Number((1 - settings.rate).toPrecision(6))))],
    ),
  Residual: () => ({
    forward: [equation(y, equals, mi("body"), parens(x), plus, mi("shortcut"), parens(x))],
    backward: [
      equation(
        slope(x),
        equals,
        mfrac(mrow(mo("∂"), mi("body")), mrow(mo("∂"), x)),
        slope(y),
        plus,
        mfrac(mrow(mo("∂"), mi("shortcut")), mrow(mo("∂"), x)),
        slope(y),
      ),
    ],
  }),
  ...ACTIVATIONS,
};

// The equations of a layer in one direction.
export function formulasOf(node, direction, network) {
  return KINDS[node.kind]?.(node, network)[direction] ?? [];
}

// Softmax and cross-entropy, and the gradient of both.
export function lossFormulas(direction, smoothing) {
  const e = (of) => msup(mi("e"), of);
  const softmax = equation(msub(p, k), equals, mfrac(e(msub(z, k)), mrow(sumOver(n), e(msub(z, n)))));
  if (direction === "backward") return [equation(slope(msub(z, k)), equals, msub(p, k), minus, msub(q, k)), softmax];
  const loss = equation(mi("L"), equals, minus, sumOver(k), msub(q, k), mi("log"), msub(p, k));
  const target = smoothing
    ? [
        equation(
          msub(q, k),
          equals,
          parens(mn(1), minus, mn(smoothing)),
          dot,
          msub(mi("onehot"), k),
          plus,
          mfrac(mn(smoothing), mi("K")),
        ),
      ]
    : [];
  return [softmax, loss, ...target];
}

// The same convolution as matrices.
export function matrixFormulas(direction) {
  const [X, W, Y] = ["X", "W", "Y"].map(mi);
  const transposed = (matrix) => msup(matrix, mi("T"));
  const d = (matrix) => mrow(mi("d"), matrix);
  return direction === "forward"
    ? [equation(X, equals, mi("im2col"), parens(x), mo(","), mtext("  "), Y, equals, X, dot, W, plus, b)]
    : [
        equation(
          d(W),
          equals,
          transposed(X),
          dot,
          d(Y),
          mo(","),
          mtext("  "),
          d(X),
          equals,
          d(Y),
          dot,
          transposed(W),
          mo(","),
          mtext("  "),
          d(x),
          equals,
          mi("col2im"),
          parens(d(X)),
        ),
      ];
}
