// Resizing as Pillow does it: two passes of an antialiased filter, with fixed-point weights of 22 bits.
// Source: Pillow, src/libImaging/Resample.c (MIT-CMU).

const BITS = 22;

const FILTERS = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    weight: (x) => {
      const a = -0.5;
      x = Math.abs(x);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  },
};

/** For each of `to` places: the first of the `from` places that it reads, and their weights. */
function weights(from, to, filter) {
  const scale = from / to;
  const widened = Math.max(scale, 1);
  const support = filter.support * widened;
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(from, Math.trunc(centre + support + 0.5));
    const exact = [];
    let sum = 0;
    for (let x = first; x < last; x++) {
      exact.push(filter.weight((x - centre + 0.5) / widened));
      sum += exact.at(-1);
    }
    return { first, of: exact.map((w) => Math.trunc((w / sum) * (1 << BITS) + (w < 0 ? -0.5 : 0.5))) };
  });
}

const clipped = (sum) => Math.min(255, Math.max(0, sum >> BITS));

/** One pass over RGB pixels: `step` leads to the next place along the axis, `others` are the starts of the lines. */
function pass(pixels, target, lines, plan, step, targetStep) {
  for (const [start, targetStart] of lines) {
    for (let place = 0; place < plan.length; place++) {
      const { first, of } = plan[place];
      let red = 1 << (BITS - 1), green = red, blue = red;
      for (let k = 0, at = start + first * step; k < of.length; k++, at += step) {
        red += pixels[at] * of[k];
        green += pixels[at + 1] * of[k];
        blue += pixels[at + 2] * of[k];
      }
      const at = targetStart + place * targetStep;
      target[at] = clipped(red);
      target[at + 1] = clipped(green);
      target[at + 2] = clipped(blue);
    }
  }
  return target;
}

function across(pixels, width, height, toWidth, filter) {
  if (toWidth === width) return pixels;
  const lines = Array.from({ length: height }, (_, y) => [y * width * 3, y * toWidth * 3]);
  return pass(pixels, new Uint8Array(toWidth * height * 3), lines, weights(width, toWidth, filter), 3, 3);
}

function down(pixels, width, height, toHeight, filter) {
  if (toHeight === height) return pixels;
  const lines = Array.from({ length: width }, (_, x) => [x * 3, x * 3]);
  const row = width * 3;
  return pass(pixels, new Uint8Array(width * toHeight * 3), lines, weights(height, toHeight, filter), row, row);
}

/** RGB pixels of `width` x `height` as those of `toWidth` x `toHeight`; a slim tall photo is made lower first. */
export function resized(pixels, width, height, toWidth, toHeight, interpolation) {
  const filter = FILTERS[interpolation];
  if (height > 2 * width && toHeight < height) {
    return across(down(pixels, width, height, toHeight, filter), width, toHeight, toWidth, filter);
  }
  return down(across(pixels, width, height, toWidth, filter), toWidth, height, toHeight, filter);
}

const roundedToEven = (x) => {
  const down = Math.floor(x);
  return x - down === 0.5 ? down + (down % 2) : Math.round(x);
};

/** The graph's input of one photo, (side, side, 3), from RGB pixels the right way up. */
export function prepared(pixels, width, height, preprocessing) {
  const size = preprocessing.size;
  const [rows, columns] = Array.isArray(size) ? size : [size, size];
  if (preprocessing.resize_mode === "squash") {
    return resized(pixels, width, height, columns, rows, preprocessing.interpolation);
  }
  const longer = Math.trunc((rows * Math.max(width, height)) / Math.min(width, height));
  const [toWidth, toHeight] = width <= height ? [rows, longer] : [longer, rows];
  const whole = resized(pixels, width, height, toWidth, toHeight, preprocessing.interpolation);
  const left = roundedToEven((toWidth - columns) / 2);
  const top = roundedToEven((toHeight - rows) / 2);
  const cut = new Uint8Array(columns * rows * 3);
  for (let y = 0; y < rows; y++) {
    const from = ((top + y) * toWidth + left) * 3;
    cut.set(whole.subarray(from, from + columns * 3), y * columns * 3);
  }
  return cut;
}
