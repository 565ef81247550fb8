// What the colours mean, with how many samples each has, of all and of those selected.

import { countsOf } from "./mask.js";
import { DISTINCT, SHAPES, markOfNone, marksOfClasses, rampAt } from "./palette.js";

const BINS = 8; // rows of a ramp
const MOST_ROWS = 200;
const DIMMED = 0.1;
const SVG = "http://www.w3.org/2000/svg";
const OUTLINES = {
  circle: ["circle", { cx: 6, cy: 6, r: 5 }],
  square: ["rect", { x: 1.5, y: 1.5, width: 9, height: 9 }],
  triangle: ["path", { d: "M6 1 11 11 1 11Z" }],
  diamond: ["path", { d: "M6 0 12 6 6 12 0 6Z" }],
};

export class Legend {
  /** `table` has a body to be filled; `onChange` is called when a class is chosen, or is no more. */
  constructor(table, onChange) {
    this.table = table;
    this.body = table.tBodies[0];
    this.onChange = onChange;
    this.chosen = new Set();
  }

  /** Tell of another column. */
  show(column, isDark) {
    const isSame = this.column === column;
    this.column = column;
    this.isDark = isDark;
    if (!isSame) this.chosen.clear();
    this.codes = column.kind === "classes" ? column.names.length : column.steps;
    this.counts = countsOf(column.codes, this.codes);
    this.rows = column.kind === "classes" ? this.#classes() : this.#bins();
    const without = this.counts[this.codes];
    if (without > 0) {
      const mark = markOfNone(isDark);
      this.rows.push({ name: column.none, mark, codes: [this.codes, this.codes], count: without });
    }
    this.select(this.mask ?? null);
  }

  /** Count in another selection; none where it is null. */
  select(mask) {
    this.mask = mask;
    const counts = mask === null ? null : countsOf(this.column.codes, this.codes, mask);
    for (const row of this.rows) row.selected = counts === null ? null : sumOf(counts, row.codes);
    this.#fill();
  }

  /** How each code is drawn, and those of no code. */
  get marks() {
    const marks = new Array(this.codes);
    let rest = markOfNone(this.isDark);
    this.rows.forEach((row, place) => {
      const isDimmed = this.chosen.size > 0 && !this.chosen.has(place);
      for (let code = row.codes[0]; code <= row.codes[1]; code++) {
        const mark = { ...(row.markOf?.(code) ?? row.mark), ...(isDimmed && { alpha: DIMMED }) };
        if (code < this.codes) marks[code] = mark;
        else rest = mark;
      }
    });
    return { marks, rest };
  }

  #classes() {
    const { names, emphasis } = this.column;
    const marks = marksOfClasses([...this.counts.slice(0, this.codes)], this.isDark, emphasis);
    const rows = names.map((name, code) => {
      const mark = marks[code];
      if (emphasis?.[code] === "quiet") mark.alpha = 0.45;
      return { name, mark, codes: [code, code], count: this.counts[code] };
    });
    if (names.length > DISTINCT) rows.sort((one, other) => other.count - one.count);
    return rows;
  }

  #bins() {
    const { low, high, steps } = this.column;
    const wide = steps / BINS;
    const ends = Array.from({ length: BINS + 1 }, (_, at) => low + ((high - low) * at) / BINS);
    return Array.from({ length: BINS }, (_, bin) => {
      const codes = [bin * wide, (bin + 1) * wide - 1];
      return {
        name: `${told(ends[bin], high - low)} to ${told(ends[bin + 1], high - low)}`,
        mark: { colour: rampAt((bin + 0.5) / BINS, this.isDark), shape: 0 },
        markOf: (code) => ({ colour: rampAt(code / (steps - 1), this.isDark), shape: 0 }),
        codes,
        count: sumOf(this.counts, codes),
      };
    });
  }

  #fill() {
    this.table.caption.textContent = this.column.title;
    this.table.classList.toggle("selecting", this.mask !== null);
    const order = this.rows.map((_, place) => place);
    if (this.mask !== null && this.rows.length > DISTINCT) {
      order.sort((one, other) => this.rows[other].selected - this.rows[one].selected || one - other);
    }
    const focused = this.body.querySelector(":focus")?.dataset.place;
    this.body.replaceChildren(...order.slice(0, MOST_ROWS).map((place) => this.#line(place)));
    if (focused !== undefined) this.body.querySelector(`[data-place="${focused}"]`)?.focus();
    const left = order.length - MOST_ROWS;
    if (left > 0) this.body.append(lineOf(`… and ${left.toLocaleString("en")} more`, "", ""));
  }

  #line(place) {
    const row = this.rows[place];
    const button = document.createElement("button");
    button.type = "button";
    button.className = "map-class";
    button.dataset.place = place;
    button.setAttribute("aria-pressed", this.chosen.has(place));
    button.append(markOf(row.mark), textOf(row.name));
    button.addEventListener("click", () => this.#choose(place));
    const selected = row.selected === null ? "" : row.selected.toLocaleString("en");
    return lineOf(button, row.count.toLocaleString("en"), selected);
  }

  #choose(place) {
    if (!this.chosen.delete(place)) this.chosen.add(place);
    this.#fill();
    this.onChange();
  }
}

function sumOf(counts, [first, last]) {
  let sum = 0;
  for (let code = first; code <= last; code++) sum += counts[code];
  return sum;
}

function told(value, range) {
  return value.toFixed(Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(range || 1)))));
}

function textOf(text) {
  const made = document.createElement("span");
  made.textContent = text;
  return made;
}

function lineOf(first, count, selected) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.append(first);
  line.append(head);
  for (const text of [count, selected]) {
    const cell = document.createElement("td");
    cell.className = "number";
    cell.textContent = text;
    line.append(cell);
  }
  return line;
}

function markOf({ colour, shape }) {
  const [name, settings] = OUTLINES[SHAPES[shape]];
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 12 12");
  picture.setAttribute("aria-hidden", "true");
  const outline = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(settings)) outline.setAttribute(key, value);
  outline.setAttribute("fill", Array.isArray(colour) ? `rgb(${colour.join(",")})` : colour);
  picture.append(outline);
  return picture;
}
