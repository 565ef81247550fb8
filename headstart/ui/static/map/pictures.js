// Pictures in the place of points, where so few are seen that there is room.

const MOST = 60;
const SIDE = 56;

export class Pictures {
  constructor(layer, samples) {
    this.layer = layer;
    this.samples = samples;
    this.shown = new Map();
  }

  /** Show those of some rows, each at its pixel. */
  async show(rows, pixelOf) {
    const wanted = new Set(rows);
    for (const [row, image] of this.shown) {
      if (!wanted.has(row)) {
        image.remove();
        this.shown.delete(row);
      }
    }
    await Promise.all(rows.map((row) => this.#add(row)));
    this.place(pixelOf);
  }

  /** Where they are now. */
  place(pixelOf) {
    for (const [row, image] of this.shown) {
      const [left, top] = pixelOf(row);
      image.style.transform = `translate(${left - SIDE / 2}px, ${top - SIDE / 2}px)`;
    }
  }

  /** Of a circle round the picture of a row; undefined where there is none. */
  radiusOf(row) {
    return this.shown.has(row) ? SIDE * 0.72 : undefined;
  }

  async #add(row) {
    if (this.shown.has(row)) return;
    const { picture } = await this.samples.get(row);
    if (!picture || this.shown.has(row)) return;
    const image = document.createElement("img");
    image.alt = ""; // the point's own words are told on its own
    image.hidden = true; // until it is there, the point is seen
    image.addEventListener("load", () => (image.hidden = false));
    image.src = picture;
    this.shown.set(row, image);
    this.layer.append(image);
  }

  static get most() {
    return MOST;
  }
}
