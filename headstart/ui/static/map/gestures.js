// What fingers, mouse and keys mean: to move, to come nearer, to go round samples, to point at one.

const STILL = 4; // pixels within which a press is a click
const STEP = 60; // pixels that an arrow moves
const NEARER = 1.25;
const LEAST = 3; // pixels between corners of a lasso

export class Gestures {
  /** `on` has `move(right, down)`, `zoom(factor, left, top)`, `region(corners, how, isDone)`,
   * `point(left, top)`, `leave()`, `pick(left, top)`, `key(name)`; corners are pixels. */
  constructor(canvas, on) {
    this.canvas = canvas;
    this.on = on;
    this.mode = "pan";
    this.pointers = new Map();
    this.corners = null;
    const listen = (name, does, options) => canvas.addEventListener(name, does.bind(this), options);
    listen("pointerdown", this.#down);
    listen("pointermove", this.#move);
    listen("pointerup", this.#up);
    listen("pointercancel", this.#cancel);
    listen("pointerleave", () => on.leave());
    listen("wheel", this.#wheel, { passive: false });
    listen("keydown", this.#key);
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    const at = this.#at(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size > 1) {
      this.#dropRegion(); // a second finger: it was meant to come nearer
      this.isClick = false;
      return;
    }
    this.start = at;
    this.isClick = true;
    const isDrawing = this.mode !== "pan" || event.shiftKey;
    this.how = event.altKey ? "subtract" : event.ctrlKey || event.metaKey ? "add" : "replace";
    this.corners = isDrawing ? [...at] : null;
    this.isBox = this.mode === "box";
  }

  #move(event) {
    const at = this.#at(event);
    const before = this.pointers.get(event.pointerId);
    if (before === undefined) {
      if (event.pointerType !== "touch") this.on.point(...at);
      return;
    }
    if (this.pointers.size > 1) this.#pinch(event.pointerId, at);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size > 1) return;
    if (Math.hypot(at[0] - this.start[0], at[1] - this.start[1]) > STILL) this.isClick = false;
    if (this.isClick) return;
    if (this.corners === null) {
      this.on.move(at[0] - before[0], at[1] - before[1]);
      return;
    }
    this.#draw(at);
    this.on.region(this.corners, this.how, false);
  }

  #draw([left, top]) {
    if (this.isBox) {
      const [first, second] = this.start;
      this.corners = [first, second, left, second, left, top, first, top];
      return;
    }
    const [x, y] = this.corners.slice(-2);
    if (Math.hypot(left - x, top - y) >= LEAST) this.corners.push(left, top);
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size > 0) return;
    const corners = this.corners;
    this.corners = null;
    if (this.isClick) this.on.pick(...this.#at(event));
    else if (corners !== null) this.on.region(corners, this.how, true);
  }

  #cancel(event) {
    this.pointers.delete(event.pointerId);
    this.#dropRegion();
  }

  #dropRegion() {
    if (this.corners === null) return;
    this.corners = null;
    this.on.region([], this.how, false);
  }

  #pinch(id, at) {
    const [[, other]] = [...this.pointers].filter(([one]) => one !== id);
    const before = this.pointers.get(id);
    const apart = (one) => Math.max(1, Math.hypot(one[0] - other[0], one[1] - other[1]));
    const middle = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    this.on.zoom(apart(at) / apart(before), ...middle);
    this.on.move((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.on.zoom(Math.exp(-event.deltaY * lines * 0.002), ...this.#at(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = {
      ArrowLeft: [STEP, 0],
      ArrowRight: [-STEP, 0],
      ArrowUp: [0, STEP],
      ArrowDown: [0, -STEP],
    };
    if (event.key in moves) this.on.move(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.on.zoom(NEARER);
    else if (event.key === "-") this.on.zoom(1 / NEARER);
    else if (!this.on.key(event.key)) return;
    event.preventDefault();
  }
}
