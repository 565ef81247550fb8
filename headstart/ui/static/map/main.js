// The map of a dataset: the parts put together.
//
// `window.headstartMap` is there for the console, and for tests.

import { Camera, boundsOf } from "./camera.js";
import { Columns } from "./columns.js";
import { Gestures } from "./gestures.js";
import { Grid } from "./grid.js";
import { Legend } from "./legend.js";
import { countOf, joined, rowsOf } from "./mask.js";
import { Pictures } from "./pictures.js";
import { boxOf, within } from "./region.js";
import { Relabel } from "./relabel.js";
import { Samples } from "./samples.js";
import { Raster } from "./raster.js";
import { Scatter, hasGraphics, sizeOfPoints } from "./scatter.js";
import { saveSelected } from "./selected_file.js";

const REACH = 12; // pixels within which a point is meant
const SETTLED = 150; // ms after the last move
const SEEN = 60; // pixels of what is opened that have to be seen
const NEAREST = { block: "nearest" };
const dark = matchMedia("(prefers-color-scheme: dark)");

class MapView {
  constructor(host, places, columns, Painter) {
    this.host = host;
    this.columns = columns;
    this.places = places;
    this.part = (name) => host.querySelector(`[data-part="${name}"]`);
    this.stage = this.part("stage");
    this.canvas = this.part("canvas");
    this.bounds = boundsOf(places);
    this.camera = new Camera(this.bounds);
    this.scatter = new Painter(this.canvas, places);
    this.scatter.onRestored = () => this.redraw();
    this.legend = new Legend(this.part("legend"), () => this.#paint());
    this.samples = new Samples(
      host.dataset.address,
      this.part("tip"),
      this.part("sample"),
      (row) => this.open(row, true),
      () => this.close(),
    );
    this.pictures = new Pictures(this.part("pictures"), this.samples);
    const form = this.part("relabel"); // none on a read-only page
    this.relabel = form && new Relabel(this, form);
    this.mask = null;
    this.opened = -1;
    this.#listen();
  }

  get count() {
    return this.places.length >> 1;
  }

  /** Colour by another column. */
  async colourBy(colour) {
    const column = await this.columns.get(colour);
    this.column = column;
    this.part("note").textContent = column.note;
    this.legend.show(column, dark.matches);
    this.#paint();
  }

  /** Select what lies within a polygon (x, y, …) in the places' own numbers. */
  select(polygon, how = "replace") {
    const started = performance.now();
    this.setSelection(joined(this.mask, within(this.places, polygon), how));
    requestAnimationFrame(() => {
      performance.measure("map:selection", { start: started, end: performance.now() });
    });
  }

  setSelection(mask) {
    const count = mask === null ? 0 : countOf(mask);
    this.mask = count === 0 ? null : mask;
    this.scatter.setSelection(this.mask);
    this.legend.select(this.mask);
    for (const name of ["clear", "save"]) this.part(name).disabled = this.mask === null;
    this.relabel?.select(count);
    const all = this.count.toLocaleString("en");
    this.part("said").textContent =
      mask === null ? "" : `${count.toLocaleString("en")} of ${all} samples are selected.`;
    this.redraw();
  }

  /** The numbers of the selected samples. */
  selected() {
    return this.mask === null ? new Uint32Array(0) : rowsOf(this.mask);
  }

  /** Show one sample in the panel; go there, where it was not pointed at. */
  async open(row, isFar = false) {
    this.opened = row;
    if (isFar) this.camera.lookAt(this.places[2 * row], this.places[2 * row + 1]);
    this.redraw();
    this.part("sample").parentElement.scrollTop = 0;
    await this.samples.open(row);
    const panel = this.part("sample"); // on a narrow screen it stands below the map
    if (panel.getBoundingClientRect().top > innerHeight - SEEN) panel.scrollIntoView(NEAREST);
  }

  close() {
    this.opened = -1;
    this.samples.close();
    this.canvas.focus({ preventScroll: true });
    this.canvas.scrollIntoView(NEAREST);
    this.redraw();
  }

  redraw() {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      this.#draw();
    });
  }

  #paint() {
    const { marks, rest } = this.legend.marks;
    this.scatter.setColours(this.column.codes, marks, rest);
    this.redraw();
  }

  #draw() {
    this.scatter.draw(this.camera, this.#size, devicePixelRatio || 1);
    const pixelOf = (row) => this.camera.toPixel(this.places[2 * row], this.places[2 * row + 1]);
    const ring = this.part("ring");
    ring.toggleAttribute("hidden", this.opened < 0);
    if (this.opened >= 0) {
      const [left, top] = pixelOf(this.opened);
      ring.setAttribute("cx", left);
      ring.setAttribute("cy", top);
      ring.setAttribute("r", this.pictures.radiusOf(this.opened) ?? this.#size / 2 + 5);
    }
    this.pictures.place(pixelOf);
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.#settle(pixelOf), SETTLED);
  }

  /** Nothing moved for a while: there may be room for pictures. */
  #settle(pixelOf) {
    const isFar = this.camera.zoom < 1.5 || !("pictures" in this.host.dataset);
    const seen = isFar ? null : this.grid.inside(this.camera.window, Pictures.most);
    const known = this.pictures.radiusOf(this.opened);
    this.pictures.show(seen ?? [], pixelOf).then(() => {
      if (known !== this.pictures.radiusOf(this.opened)) this.redraw();
    });
  }

  get grid() {
    this.knownGrid ??= new Grid(this.places, this.bounds);
    return this.knownGrid;
  }

  get #size() {
    return sizeOfPoints(this.count, this.camera.zoom);
  }

  #rowAt(left, top) {
    const reach = Math.max(REACH, this.#size) / this.camera.scale;
    return this.grid.nearest(...this.camera.toPlace(left, top), reach);
  }

  #listen() {
    this.gestures = new Gestures(this.canvas, {
      move: (right, down) => this.#see(() => this.camera.pan(right, down)),
      zoom: (factor, left, top) => this.#see(() => this.camera.zoomAt(factor, left, top)),
      region: (corners, how, isDone) => this.#region(corners, how, isDone),
      point: (left, top) => this.samples.hover(this.#rowAt(left, top), left, top),
      leave: () => this.samples.hover(-1),
      pick: (left, top) => this.#pick(left, top),
      key: (name) => this.#key(name),
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented) this.setSelection(null);
    });
    new ResizeObserver(() => this.#resize()).observe(this.stage);
    dark.addEventListener("change", () => {
      this.legend.show(this.column, dark.matches);
      this.#paint();
    });
    this.#resize();
    const does = {
      whole: () => this.#see(() => this.camera.fit()),
      nearer: () => this.#see(() => this.camera.zoomAt(1.5)),
      farther: () => this.#see(() => this.camera.zoomAt(1 / 1.5)),
      seen: () => this.select(boxOf(this.camera.window)),
      clear: () => this.setSelection(null),
      save: () => saveSelected(this),
    };
    for (const [name, act] of Object.entries(does)) this.part(name).addEventListener("click", act);
    for (const one of this.host.querySelectorAll("[name=map-mode]")) {
      one.addEventListener("change", () => this.#mode(one.value));
      if (one.checked) this.#mode(one.value);
    }
    this.part("colour").addEventListener("change", () => this.#recolour());
    this.part("find").addEventListener("submit", (event) => this.#find(event));
    this.#listenForOthers();
  }

  /** Files and texts that are none of the dataset's; there is no such part on a read-only page. */
  #listenForOthers() {
    const like = (content, name) => this.samples.like(content, name);
    const file = this.part("file");
    file?.addEventListener("change", () => file.files[0] && like(file.files[0], file.files[0].name));
    this.part("like")?.addEventListener("click", () => {
      const text = this.part("text").value.trim();
      if (text !== "") like(text, `“${text}”`);
    });
    if (!file) return;
    this.stage.addEventListener("dragover", (event) => event.preventDefault());
    this.stage.addEventListener("drop", (event) => {
      event.preventDefault();
      const [dropped] = event.dataTransfer.files;
      if (dropped) like(dropped, dropped.name);
    });
  }

  #resize() {
    this.camera.resize(this.stage.clientWidth, this.stage.clientHeight);
    this.redraw();
  }

  #see(move) {
    move();
    this.samples.hover(-1);
    this.redraw();
  }

  #mode(mode) {
    this.gestures.mode = mode;
    this.stage.dataset.mode = mode;
  }

  #region(corners, how, isDone) {
    const line = isDone ? [] : corners;
    this.part("outline").setAttribute("points", line.map((one) => one.toFixed(1)).join(" "));
    if (!isDone) return;
    const polygon = [];
    for (let at = 0; at < corners.length; at += 2) {
      polygon.push(...this.camera.toPlace(corners[at], corners[at + 1]));
    }
    this.select(polygon, how);
  }

  #pick(left, top) {
    const row = this.#rowAt(left, top);
    if (row >= 0) this.open(row);
  }

  #key(name) {
    const does = {
      0: () => this.#see(() => this.camera.fit()),
      Enter: () => this.#pickMiddle(),
      s: () => this.select(boxOf(this.camera.window)),
      Escape: () => this.setSelection(null),
    };
    does[name]?.();
    return name in does;
  }

  /** The sample nearest to the middle of what is seen. */
  #pickMiddle() {
    const { x, y, width, height, scale } = this.camera;
    const row = this.grid.nearest(x, y, Math.hypot(width, height) / 2 / scale);
    if (row >= 0) this.open(row);
    else this.part("said").textContent = "No sample is seen here; 0 shows the whole map.";
  }

  async #recolour() {
    const { value } = this.part("colour");
    const said = this.part("said");
    said.textContent = "Asking for the colours …";
    try {
      await this.colourBy(value);
      said.textContent = "";
      const address = new URL(location.href);
      address.searchParams.set("colour", value);
      history.replaceState(null, "", address);
    } catch (error) {
      said.textContent = error.message;
    }
  }

  async #find(event) {
    event.preventDefault();
    const said = this.part("said");
    const text = this.part("text").value.trim();
    if (text === "") return;
    said.textContent = "Looking …";
    try {
      const row = await this.columns.find(text);
      said.textContent = row === null ? `No sample's id has ${text} in it.` : "";
      if (row !== null) await this.open(row, true);
    } catch (error) {
      said.textContent = error.message;
    }
  }
}

async function start(host) {
  const said = host.querySelector('[data-part="said"]');
  const columns = new Columns(host.dataset.address);
  const colour = host.querySelector('[data-part="colour"]').value;
  try {
    const asked = Promise.all([columns.places(), columns.get(colour)]);
    const way = new URLSearchParams(location.search).get("draw"); // `webgl`, to try it
    const Painter = way === "webgl" || hasGraphics() ? Scatter : Raster; // while the server works
    const [places] = await asked;
    const view = new MapView(host, places, columns, Painter);
    await view.colourBy(colour);
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    view.scatter.finish();
    performance.measure("map:ready", { start: 0, end: performance.now() });
    window.headstartMap = view;
    host.dataset.state = "ready";
    if (host.dataset.row) view.open(Number(host.dataset.row), true);
  } catch (error) {
    host.dataset.state = "failed";
    said.textContent = `The map cannot be shown: ${error.message}. \`headstart features plot\` draws it.`;
  }
}

const host = document.getElementById("map");
if (host) start(host);
