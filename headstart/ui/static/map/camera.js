// Where one looks, and how near: from places of samples to pixels and back.

const NEAREST = 1e6; // times as near as when all is seen: float32 has no more to show
const FARTHEST = 0.2;
const MARGIN = 1.08;

export class Camera {
  constructor(bounds) {
    this.bounds = bounds;
    this.width = 1;
    this.height = 1;
    this.fit();
  }

  /** The canvas is so many CSS pixels large. */
  resize(width, height) {
    const zoom = this.zoom;
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.whole = this.#wholeScale();
    this.scale = this.whole * zoom;
  }

  /** Look at all samples. */
  fit() {
    const { low, high } = this.bounds;
    this.x = (low[0] + high[0]) / 2;
    this.y = (low[1] + high[1]) / 2;
    this.whole = this.#wholeScale();
    this.scale = this.whole;
  }

  get zoom() {
    return this.scale / this.whole;
  }

  /** Pixels for which the picture moves. */
  pan(right, down) {
    this.x -= right / this.scale;
    this.y += down / this.scale;
  }

  /** Come nearer by a factor, while what is at a pixel stays there. */
  zoomAt(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.toPlace(left, top);
    const wanted = this.zoom * factor;
    this.scale = this.whole * Math.min(NEAREST, Math.max(FARTHEST, wanted));
    this.x = x - (left - this.width / 2) / this.scale;
    this.y = y + (top - this.height / 2) / this.scale;
  }

  /** Look at one place, no less near than now. */
  lookAt(x, y) {
    this.x = x;
    this.y = y;
  }

  toPlace(left, top) {
    return [
      this.x + (left - this.width / 2) / this.scale,
      this.y - (top - this.height / 2) / this.scale,
    ];
  }

  toPixel(x, y) {
    return [
      (x - this.x) * this.scale + this.width / 2,
      (this.y - y) * this.scale + this.height / 2,
    ];
  }

  /** What is seen: left, bottom, right, top. */
  get window() {
    const [left, top] = this.toPlace(0, 0);
    const [right, bottom] = this.toPlace(this.width, this.height);
    return [left, bottom, right, top];
  }

  #wholeScale() {
    const { low, high } = this.bounds;
    const wide = Math.max(high[0] - low[0], 1e-9);
    const tall = Math.max(high[1] - low[1], 1e-9);
    return Math.min(this.width / wide, this.height / tall) / MARGIN;
  }
}

/** The least and largest of x and y over `places` (x, y, x, y, …). */
export function boundsOf(places) {
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  for (let at = 0; at < places.length; at += 2) {
    const x = places[at];
    const y = places[at + 1];
    if (x < low[0]) low[0] = x;
    if (x > high[0]) high[0] = x;
    if (y < low[1]) low[1] = y;
    if (y > high[1]) high[1] = y;
  }
  return { low, high };
}
