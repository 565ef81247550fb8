// How a point is drawn, in four bytes: red, green, blue; and in the last shape (2 bits), whether it
// is large (1 bit), whether it is selected (1 bit), how opaque it is (4 bits).

import { rgbOf } from "./palette.js";

export const ALPHA_STEPS = 15;
export const LARGE = 4;
export const SELECTED = 8;
export const LARGE_BY = 1.6;
const CODES = 65_536;

/** Of each code, how it is drawn; those without a mark of their own as `rest`. */
export function markTable(marks, rest) {
  const table = new Uint32Array(CODES).fill(packed(rest));
  marks.forEach((mark, code) => (table[code] = packed(mark)));
  return table;
}

/** How far a place in the square of a mark (0 to 1) is from its middle; 1 is the mark's edge. */
export function reachOf(shape, left, top) {
  const [x, y] = [Math.abs(left - 0.5) * 2, Math.abs(top - 0.5) * 2];
  if (shape === 1) return Math.max(x, y) * 1.12;
  if (shape === 2) return Math.max(1 + (x - top) * 0.9, top + 0.05);
  if (shape === 3) return x + y;
  return Math.hypot(x, y);
}

function packed({ colour, shape = 0, alpha = 0.87, isLarge = false }) {
  const [red, green, blue] = Array.isArray(colour) ? colour : rgbOf(colour);
  const last = (Math.round(alpha * ALPHA_STEPS) << 4) | (isLarge ? LARGE : 0) | shape;
  return ((last << 24) | (blue << 16) | (green << 8) | red) >>> 0; // bytes, the lowest first
}
