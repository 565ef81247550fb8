// What a sample is: under the pointer in a few words, and in a panel with those most similar.

import { jsonOf } from "./columns.js";

const REST = 70; // ms that a pointer has to rest
const KEPT = 500; // samples that are remembered
const BESIDE = 14; // pixels from the pointer

export class Samples {
  constructor(address, tip, panel, onGo) {
    Object.assign(this, { address, tip, panel, onGo });
    this.known = new Map();
    this.hovered = -1;
  }

  /** Tell of the sample under the pointer, which rests at a pixel; of none where it is -1. */
  hover(row, left, top) {
    if (row === this.hovered) return;
    this.hovered = row;
    clearTimeout(this.timer);
    this.tip.hidden = true;
    if (row < 0) return;
    this.timer = setTimeout(async () => {
      const sample = await this.get(row);
      if (row !== this.hovered) return;
      this.tip.replaceChildren(...contentOf(sample), ...wordsOf(sample));
      this.tip.hidden = false;
      this.#put(left, top);
    }, REST);
  }

  /** A sample with those most similar, in the panel. */
  async open(row) {
    this.opened = row;
    const sample = await this.get(row);
    if (row !== this.opened) return;
    const title = element("h2", sample.id);
    title.tabIndex = -1;
    const near = element("p", "Looking for the most similar …", "quiet");
    const shown = element("div", "", "map-sample");
    shown.append(...contentOf(sample), ...wordsOf(sample).slice(1));
    this.panel.replaceChildren(title, shown, element("h3", "Most similar"), near);
    this.panel.hidden = false;
    try {
      const found = await jsonOf(`${this.address}/near/${row}`);
      if (row === this.opened) near.replaceWith(this.#listOf(found.matches));
    } catch (error) {
      near.textContent = error.message;
      near.className = "note bad";
    }
  }

  /** The samples most similar to a file or a text, in the panel. */
  async like(content, name) {
    this.opened = -1;
    const near = element("p", "Computing its features …", "quiet");
    this.panel.replaceChildren(element("h2", `Most similar to ${name}`), near);
    this.panel.hidden = false;
    try {
      const headers = { accept: "application/json", "content-type": "application/octet-stream" };
      const asked = { method: "POST", headers, body: content };
      const found = await jsonOf(`${this.address}/like`, asked);
      near.replaceWith(this.#listOf(found.matches));
    } catch (error) {
      near.textContent = error.message;
      near.className = "note bad";
    }
  }

  /** What is known of a sample. */
  get(row) {
    if (!this.known.has(row)) {
      if (this.known.size >= KEPT) this.known.delete(this.known.keys().next().value);
      const asked = jsonOf(`${this.address}/sample/${row}`).catch((error) => {
        this.known.delete(row);
        return { id: error.message, label: null, split: "" };
      });
      this.known.set(row, asked);
    }
    return this.known.get(row);
  }

  #listOf(matches) {
    const list = element("ol", "", "cards map-near");
    for (const match of matches) {
      const card = element("li", "", "card");
      card.append(...contentOf(match), element("b", match.label ?? "no label"));
      card.append(element("span", `${match.distance.toFixed(3)} · ${match.split}`));
      card.append(this.#nameOf(match));
      list.append(card);
    }
    return list;
  }

  #nameOf(match) {
    if (match.row === null) return element("span", `${match.id} (not on this map)`);
    const go = element("button", match.id, "map-go");
    go.type = "button";
    go.addEventListener("click", () => this.onGo(match.row));
    return go;
  }

  #put(left, top) {
    const { offsetWidth: wide, offsetHeight: tall, offsetParent: stage } = this.tip;
    const [most, lowest] = [stage.clientWidth - wide, stage.clientHeight - tall];
    const beside = left + BESIDE > most ? left - BESIDE - wide : left + BESIDE;
    this.tip.style.left = `${Math.max(0, Math.min(most, beside))}px`;
    this.tip.style.top = `${Math.max(0, Math.min(lowest, top + BESIDE))}px`;
  }
}

function wordsOf({ id, label, split, windows }) {
  const words = [element("b", id), element("span", label ?? "no label"), element("span", split)];
  if (windows) words.push(element("span", windows));
  return words;
}

function contentOf({ picture, text, id }) {
  if (picture) {
    const image = element("img", "");
    image.alt = id;
    image.loading = "lazy";
    image.src = picture;
    return [image];
  }
  return text ? [element("p", text, "words")] : [];
}

function element(name, text, kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
}
