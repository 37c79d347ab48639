// Tensors: {shape, data}, the numbers in one typed array, the last axis the fastest, as NumPy lays them out.
// Numbers are float64 (Float64Array); an arg max is an Int32Array, a dropout mask a Uint8Array.

export function size(shape) {
  return shape.reduce((product, axis) => product * axis, 1);
}

export function tensor(shape, data) {
  if (data.length !== size(shape)) {
    throw new RangeError(`a tensor of shape ${shape.join("×")} holds ${size(shape)} numbers, not ${data.length}`);
  }
  return { shape, data };
}

export function zeros(shape) {
  return { shape, data: new Float64Array(size(shape)) };
}

export function scalar(value) {
  return { shape: [], data: Float64Array.of(value) };
}

// The same numbers in another shape: no copy.
export function reshaped(t, shape) {
  return tensor(shape, t.data);
}

export function copied(t) {
  return { shape: t.shape, data: t.data.slice() };
}

// A tensor of t's shape, each number of it made from t's number at the same place.
export function mapped(t, f) {
  const data = new Float64Array(t.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(t.data[i]);
  return { shape: t.shape, data };
}

// The same of two tensors of one shape.
export function mapped2(a, b, f) {
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(a.data[i], b.data[i]);
  return { shape: a.shape, data };
}

// Where the number at `index` lies in the data. RangeError where there is no such number.
export function offset(shape, index) {
  const inside = (i, axis) => Number.isInteger(i) && i >= 0 && i < shape[axis];
  const fits = index.length === shape.length && index.every(inside);
  if (!fits) throw new RangeError(`no number at [${index}] of a tensor of shape ${shape.join("×") || "one number"}`);
  return index.reduce((place, i, axis) => place * shape[axis] + i, 0);
}

// The index of the number at a place in the data: the inverse of `offset`.
export function unravel(shape, place) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = place % shape[axis];
    place = Math.floor(place / shape[axis]);
  }
  return index;
}

export function at(t, index) {
  return t.data[offset(t.shape, index)];
}

// The bytes of a text in base64.
export function decodedBytes(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// Numbers of a dtype, little-endian, from a text in base64; in float64 from here on.
export function decodedNumbers(dtype, base64) {
  const kinds = { float32: Float32Array, float64: Float64Array };
  return Float64Array.from(new kinds[dtype](decodedBytes(base64).buffer));
}

// A tensor from {shape, dtype, data}.
export function decodedTensor({ shape, dtype, data }) {
  return tensor(shape, decodedNumbers(dtype, data));
}
