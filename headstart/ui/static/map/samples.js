// What a sample is: under the pointer in a few words, and in a panel with those most similar.

import { jsonOf } from "./columns.js";

const REST = 70; // ms that a pointer has to rest
const KEPT = 500; // samples that are remembered
const BESIDE = 14; // pixels from the pointer

export class Samples {
  /** `onGo` is told the number of a sample that is to be opened, `onClose` that none is. */
  constructor(address, tip, panel, onGo, onClose) {
    Object.assign(this, { address, tip, panel, onGo, onClose });
    this.known = new Map();
    this.hovered = -1;
  }

  /** Tell of the sample under the pointer, which rests at a pixel; of none where it is -1. */
  hover(row, left, top) {
    if (row === this.hovered) return;
    this.hovered = row;
    clearTimeout(this.timer);
    this.tip.hidden = true;
    this.tip.replaceChildren(); // a sound that was playing ends
    if (row < 0) return;
    this.timer = setTimeout(async () => {
      const sample = await this.get(row);
      if (row !== this.hovered) return;
      this.tip.replaceChildren(...contentOf(sample), ...playerOf(sample, true), ...wordsOf(sample));
      this.tip.hidden = false;
      this.#put(left, top);
    }, REST);
  }

  /** A sample with those most similar, in the panel. */
  async open(row) {
    this.opened = row;
    const sample = await this.get(row);
    if (row !== this.opened) return;
    const shown = element("div", "", "map-sample");
    shown.append(...contentOf(sample), ...playerOf(sample), ...wordsOf(sample).slice(1));
    await this.#tell(sample.id, [shown], "Looking for the most similar …", () =>
      jsonOf(`${this.address}/near/${row}`),
    );
  }

  /** The samples most similar to a file or a text, in the panel. */
  async like(content, name) {
    this.opened = name;
    const headers = { accept: "application/json", "content-type": "application/octet-stream" };
    await this.#tell(name, [], "Computing its features …", () =>
      jsonOf(`${this.address}/like`, { method: "POST", headers, body: content }),
    );
  }

  close() {
    this.opened = -1;
    this.panel.hidden = true;
  }

  /** A title, what is to be seen, and then what is most similar. */
  async #tell(title, shown, waiting, ask) {
    const meant = this.opened;
    const near = element("p", waiting, "quiet");
    const line = element("div", "", "top-line");
    const close = element("button", "Close");
    close.type = "button";
    close.addEventListener("click", () => this.onClose());
    line.append(element("h2", title), close);
    this.panel.replaceChildren(line, ...shown, element("h3", "Most similar, with distances"), near);
    this.panel.hidden = false;
    try {
      const { matches } = await ask();
      if (meant === this.opened) near.replaceWith(this.#listOf(matches));
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
    const list = element("ol", "", "map-near");
    list.classList.toggle("of-texts", matches.some((one) => one.text));
    for (const match of matches) {
      const item = element("li");
      const told = [...contentOf(match), element("b", match.label ?? "no label")];
      item.append(match.row === null ? wrapped(told) : this.#goTo(match, told));
      const where = match.row === null ? `${match.split}, not on this map` : match.split;
      item.append(...playerOf(match), element("span", `${match.distance.toFixed(3)} ${where}`));
      list.append(item);
    }
    return list;
  }

  #goTo(match, told) {
    const go = element("button", "", "map-go");
    go.type = "button";
    go.title = match.id;
    go.append(...told);
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

function wordsOf({ id, label, split }) {
  return [element("b", id), element("span", label ?? "no label"), element("span", split)];
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

/** What plays a sound; by itself where the browser lets it. */
function playerOf({ sound, id }, byItself = false) {
  if (!sound) return [];
  const player = document.createElement("audio");
  Object.assign(player, { controls: true, preload: "none", autoplay: byItself, src: sound });
  player.setAttribute("aria-label", id);
  return [player];
}

function wrapped(parts) {
  const made = element("div");
  made.append(...parts);
  return made;
}

function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
}
