// Which samples are selected: a bit each, 32 in a number.

export function emptyMask(count) {
  return new Uint32Array((count + 31) >> 5);
}

export function isIn(mask, row) {
  return (mask[row >> 5] >>> (row & 31)) & 1;
}

/** Put `more` to a mask, or take it away. */
export function joined(mask, more, how) {
  if (how === "replace" || mask === null) return how === "subtract" ? emptyLike(more) : more;
  return mask.map((word, at) => (how === "add" ? word | more[at] : word & ~more[at]));
}

export function countOf(mask) {
  let found = 0;
  for (let word of mask) {
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    found += (((word + (word >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
  }
  return found;
}

export function rowsOf(mask) {
  const rows = new Uint32Array(countOf(mask));
  let found = 0;
  for (let at = 0; at < mask.length; at++) {
    for (let word = mask[at]; word !== 0; word &= word - 1) {
      rows[found++] = (at << 5) + (31 - Math.clz32(word & -word));
    }
  }
  return rows;
}

/** How many samples each code has, of all or of those in a mask; the last is of no code. */
export function countsOf(codes, classes, mask = null) {
  const counts = new Uint32Array(classes + 1);
  for (let row = 0; row < codes.length; row++) {
    if (mask !== null) {
      if ((row & 31) === 0 && mask[row >> 5] === 0) {
        row += 31;
        continue;
      }
      if (!isIn(mask, row)) continue;
    }
    const code = codes[row];
    counts[code < classes ? code : classes]++;
  }
  return counts;
}

function emptyLike(mask) {
  return new Uint32Array(mask.length);
}
