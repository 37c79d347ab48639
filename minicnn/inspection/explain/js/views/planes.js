// What is drawn of a tensor at once: a plane, rows and columns of its numbers.
//
// A (1, H, W, C) tensor has a plane a channel; a convolution's weight (KH, KW, C, F) one for each channel of each
// filter; a dense layer that reads a flattened picture is drawn like a convolution whose kernel covers all of it; any
// other list of numbers is folded into rows.

const FOLD = 16; // numbers in a row of what is folded

function isWeights(name, shape) {
  return shape.length > 1 && /\.d?weight$/.test(name);
}

// Return the plane of channel `channel` (of a weight: and of filter `filter`) of a tensor: {height, width, count,
// start, rowStep, columnStep}, the number at (row, column) being data[start + row·rowStep + column·columnStep].
// picture: the (H, W, C) that was flattened into the layer's inputs, or null. null: the channel is not stored.
export function planeOf(name, tensor, picture, channel, filter) {
  const { shape } = tensor;
  const last = shape[shape.length - 1] ?? 1;
  const kept = tensor.channels ? tensor.channels.length : last;
  const position = (place) => (tensor.channels ? tensor.channels.indexOf(place) : place);
  const weights = isWeights(name, shape);
  if (shape.length === 4) {
    const [height, width] = weights ? shape : [shape[1], shape[2]];
    const start = weights ? channel * last + filter : position(channel);
    if (start < 0) return null;
    const columnStep = weights ? shape[2] * last : kept;
    return { height, width, count: height * width, start, rowStep: width * columnStep, columnStep };
  }
  const length = weights || shape.length < 2 ? (shape[0] ?? 1) : kept;
  const step = weights ? last : 1;
  const start = weights ? filter : 0;
  if (picture && length === picture[0] * picture[1] * picture[2]) {
    const [height, width, channels] = picture;
    const columnStep = channels * step;
    return {
      height,
      width,
      count: height * width,
      start: start + channel * step,
      rowStep: width * columnStep,
      columnStep,
    };
  }
  const width = Math.min(length, FOLD);
  return { height: Math.ceil(length / width), width, count: length, start, rowStep: width * step, columnStep: step };
}

// The number of a plane at (row, column); NaN where a folded list has ended.
export function numberAt(tensor, plane, row, column) {
  if (row * plane.width + column >= plane.count) return NaN;
  return tensor.data[plane.start + row * plane.rowStep + column * plane.columnStep];
}

// The tensor's index of what lies at (row, column) of a plane, or null where nothing does.
export function indexAt(name, tensor, plane, row, column) {
  if (row < 0 || column < 0 || row >= plane.height || column >= plane.width) return null;
  if (row * plane.width + column >= plane.count) return null;
  const stored = tensor.channels ? [...tensor.shape.slice(0, -1), tensor.channels.length] : tensor.shape;
  let offset = plane.start + row * plane.rowStep + column * plane.columnStep;
  const index = [];
  for (let axis = stored.length - 1; axis >= 0; axis -= 1) {
    index[axis] = offset % stored[axis];
    offset = Math.floor(offset / stored[axis]);
  }
  if (tensor.channels) index[index.length - 1] = tensor.channels[index[index.length - 1]];
  return index;
}

// Where an index lies on the planes: {row, column, channel, filter}; channel is null where all planes are one.
export function placeOf(name, shape, picture, index) {
  const weights = isWeights(name, shape);
  if (shape.length === 4) {
    return weights
      ? { row: index[0], column: index[1], channel: index[2], filter: index[3] }
      : { row: index[1], column: index[2], channel: index[3] };
  }
  const k = shape.length === 0 ? 0 : weights || shape.length === 1 ? index[0] : index[1];
  const length = weights || shape.length < 2 ? (shape[0] ?? 1) : shape[1];
  const filter = weights ? index[1] : undefined;
  if (picture && length === picture[0] * picture[1] * picture[2]) {
    const [, width, channels] = picture;
    const pixel = Math.floor(k / channels);
    return { row: Math.floor(pixel / width), column: pixel % width, channel: k % channels, filter };
  }
  const width = Math.min(length, FOLD);
  return { row: Math.floor(k / width), column: k % width, channel: null, filter };
}

// Which planes a tensor of values (no weight) has: the channels' numbers.
export function channelsIn(tensor, picture) {
  const { shape } = tensor;
  const folded = picture && shape.length === 2 && shape[1] === picture[0] * picture[1] * picture[2];
  if (shape.length === 4 && tensor.channels) return tensor.channels;
  const count = shape.length === 4 ? shape[3] : folded ? picture[2] : 1;
  return Array.from({ length: count }, (_, channel) => channel);
}
