// Which samples lie within a polygon.
//
// By the even-odd rule with the comparison of matplotlib's `Path.contains_points`, so that both say
// the same of every sample. The polygon is cut into slabs, each with the edges that cross it:
// a million samples are compared with a few edges each, and not with hundreds.

import { emptyMask } from "./mask.js";

const SLABS = 512;

/** A mask of those `places` (x, y, …) that lie within `polygon` (x, y, …), closed by itself. */
export function within(places, polygon) {
  const count = places.length >> 1;
  const mask = emptyMask(count);
  if (polygon.length < 6) return mask;
  const { left, right, bottom, top, starts, edges } = slabsOf(polygon);
  const perUnit = SLABS / (top - bottom || 1);
  for (let row = 0; row < count; row++) {
    const x = places[2 * row];
    const y = places[2 * row + 1];
    if (!(x >= left && x <= right && y >= bottom && y <= top)) continue;
    const slab = slabAt(y, bottom, perUnit);
    let isInside = false;
    for (let at = starts[slab]; at < starts[slab + 1]; at++) {
      const edge = 4 * at;
      const isAbove = edges[edge + 3] >= y;
      if (edges[edge + 1] >= y === isAbove) continue;
      const rising = (edges[edge + 3] - y) * (edges[edge] - edges[edge + 2]);
      const across = (edges[edge + 2] - x) * (edges[edge + 1] - edges[edge + 3]);
      if (rising >= across === isAbove) isInside = !isInside;
    }
    if (isInside) mask[row >> 5] |= 1 << (row & 31);
  }
  return mask;
}

export function boxOf([left, bottom, right, top]) {
  return [left, bottom, right, bottom, right, top, left, top];
}

/** Edges (x, y, x, y) of a polygon, by the slab that they cross. */
function slabsOf(polygon) {
  const corners = polygon.length >> 1;
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let corner = 0; corner < corners; corner++) {
    left = Math.min(left, polygon[2 * corner]);
    right = Math.max(right, polygon[2 * corner]);
    bottom = Math.min(bottom, polygon[2 * corner + 1]);
    top = Math.max(top, polygon[2 * corner + 1]);
  }
  const perUnit = SLABS / (top - bottom || 1);
  const spans = [];
  const starts = new Uint32Array(SLABS + 1);
  for (let corner = 0; corner < corners; corner++) {
    const next = (corner + 1) % corners;
    const one = polygon[2 * corner + 1];
    const other = polygon[2 * next + 1];
    if (one === other) continue; // crossed by no ray
    const first = slabAt(Math.min(one, other), bottom, perUnit);
    const last = slabAt(Math.max(one, other), bottom, perUnit);
    spans.push([corner, next, first, last]);
    for (let slab = first; slab <= last; slab++) starts[slab + 1]++;
  }
  for (let slab = 0; slab < SLABS; slab++) starts[slab + 1] += starts[slab];
  const edges = new Float64Array(4 * starts[SLABS]);
  const free = starts.slice();
  for (const [corner, next, first, last] of spans) {
    const ends = [2 * corner, 2 * corner + 1, 2 * next, 2 * next + 1].map((at) => polygon[at]);
    for (let slab = first; slab <= last; slab++) edges.set(ends, 4 * free[slab]++);
  }
  return { left, right, bottom, top, starts, edges };
}

function slabAt(y, bottom, perUnit) {
  return Math.min(SLABS - 1, Math.floor((y - bottom) * perUnit));
}
