// The samples by where they lie, to find the one under a pointer.

const PER_CELL = 2;
const MOST_CELLS = 1024; // a side

export class Grid {
  constructor(places, bounds) {
    this.places = places;
    this.low = bounds.low;
    const count = places.length >> 1;
    this.side = Math.max(1, Math.min(MOST_CELLS, Math.ceil(Math.sqrt(count / PER_CELL))));
    this.perX = this.side / Math.max(bounds.high[0] - bounds.low[0], 1e-9);
    this.perY = this.side / Math.max(bounds.high[1] - bounds.low[1], 1e-9);
    this.starts = new Uint32Array(this.side * this.side + 1);
    const cells = new Uint32Array(count);
    for (let row = 0; row < count; row++) {
      const cell = this.#cellOf(places[2 * row], places[2 * row + 1]);
      cells[row] = cell;
      this.starts[cell + 1]++;
    }
    for (let cell = 1; cell < this.starts.length; cell++) this.starts[cell] += this.starts[cell - 1];
    const free = this.starts.slice();
    this.rows = new Uint32Array(count);
    for (let row = 0; row < count; row++) this.rows[free[cells[row]]++] = row;
  }

  /** The sample nearest to a place, no farther than a radius; -1 if none is. */
  nearest(x, y, radius) {
    let best = -1;
    let least = radius * radius;
    this.#visit([x - radius, y - radius, x + radius, y + radius], (row) => {
      const right = this.places[2 * row] - x;
      const up = this.places[2 * row + 1] - y;
      const away = right * right + up * up;
      if (away <= least) [least, best] = [away, row];
      return true;
    });
    return best;
  }

  /** The samples in a window (left, bottom, right, top); null if there are more than `most`. */
  inside(window, most) {
    const [left, bottom, right, top] = window;
    const found = [];
    this.#visit(window, (row) => {
      const x = this.places[2 * row];
      const y = this.places[2 * row + 1];
      if (x >= left && x <= right && y >= bottom && y <= top) found.push(row);
      return found.length <= most;
    });
    return found.length > most ? null : found;
  }

  #visit([left, bottom, right, top], visitor) {
    const [first, last] = [this.#column(left), this.#column(right)];
    for (let line = this.#line(bottom); line <= this.#line(top); line++) {
      const start = this.starts[line * this.side + first];
      const stop = this.starts[line * this.side + last + 1];
      for (let at = start; at < stop; at++) if (!visitor(this.rows[at])) return;
    }
  }

  #column(x) {
    return Math.max(0, Math.min(this.side - 1, Math.floor((x - this.low[0]) * this.perX)));
  }

  #line(y) {
    return Math.max(0, Math.min(this.side - 1, Math.floor((y - this.low[1]) * this.perY)));
  }

  #cellOf(x, y) {
    return this.#line(y) * this.side + this.#column(x);
  }
}
