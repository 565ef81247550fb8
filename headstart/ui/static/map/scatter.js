// Points by WebGL 2: places once, and four bytes a point that say how it is drawn.
//
// All that the graphics memory holds is kept here as well: a lost context is made again from it.
// What is to be seen lies nearer: one pass over the points is enough, whatever their order.

import { NONE } from "./columns.js";
import { ALPHA_STEPS, LARGE, LARGE_BY, SELECTED, markTable } from "./marks.js";
import { rowsOf } from "./mask.js";

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
const SHADERS = {
  vertex: `#version 300 es
    precision highp float;
    precision highp int;
    layout(location = 0) in vec2 place;
    layout(location = 1) in uvec4 mark;
    uniform vec2 centre;
    uniform vec2 scale;
    uniform float size;
    uniform bool isSelecting;
    flat out vec4 colour;
    flat out int shape;
    flat out float edge;
    void main() {
      uint told = mark.a;
      float alpha = float(told >> 4u) / ${ALPHA_STEPS}.0;
      bool isLarge = (told & ${LARGE}u) != 0u;
      float depth = isLarge ? 0.5 : 0.9;
      if (isSelecting) {
        bool isIn = (told & ${SELECTED}u) != 0u;
        alpha = isIn ? 1.0 : alpha * 0.15;
        depth -= isIn ? 0.9 : 0.0;
      }
      gl_Position = vec4((place - centre) * scale, depth, 1.0);
      gl_PointSize = isLarge ? size * ${LARGE_BY} : size;
      edge = 2.0 / gl_PointSize; // a pixel, softly
      colour = vec4(vec3(mark.rgb) / 255.0, alpha);
      shape = gl_PointSize < 2.5 ? -1 : int(told & 3u);
    }`,
  fragment: `#version 300 es
    precision highp float;
    flat in vec4 colour;
    flat in int shape;
    flat in float edge;
    out vec4 seen;
    void main() {
      float alpha = colour.a;
      if (shape >= 0) { // smaller ones are a pixel or two
        vec2 at = abs(gl_PointCoord - 0.5) * 2.0;
        float reach = length(at);
        if (shape == 1) reach = max(at.x, at.y) * 1.12;
        if (shape == 2) reach = max(1.0 + (at.x - gl_PointCoord.y) * 0.9, gl_PointCoord.y + 0.05);
        if (shape == 3) reach = at.x + at.y;
        if (reach >= 1.0) discard;
        alpha *= min(1.0, (1.0 - reach) / edge);
      }
      seen = vec4(colour.rgb * alpha, alpha);
    }`,
};

export class Scatter {
  /** Draw `places` (x, y, …) into a canvas.
   *
   * Throws an Error where the browser has no WebGL 2. */
  constructor(canvas, places) {
    this.canvas = canvas;
    this.places = places;
    this.count = places.length >> 1;
    this.codes = new Uint16Array(this.count).fill(NONE);
    this.table = markTable([], { colour: "#888888" });
    this.marks = new Uint32Array(this.count);
    this.mask = null;
    this.isLost = false;
    const options = { antialias: false, premultipliedAlpha: true };
    this.gl = canvas.getContext("webgl2", options);
    if (this.gl === null) throw new Error("this browser has no WebGL 2");
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // so that it is given back
      this.isLost = true;
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.isLost = false;
      this.#prepare();
      this.onRestored?.();
    });
    this.#prepare();
  }

  /** How points are drawn: by the class, or the step of a ramp, of each.
   *
   * `marks` has `{colour, shape, alpha, isLarge}` of each code; others, and no code, are as `rest`. */
  setColours(codes, marks, rest) {
    this.codes = codes;
    this.table = markTable(marks, rest);
    this.#fill();
  }

  /** The points that stand out; all alike where it is null. */
  setSelection(mask) {
    this.mask = mask;
    this.#fill();
  }

  /** Draw what a camera sees, with points of so many CSS pixels. */
  draw(camera, size, ratio) {
    const { gl, canvas } = this;
    if (this.isLost || gl.isContextLost()) return;
    const [wide, tall] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
    if (canvas.width !== wide || canvas.height !== tall) [canvas.width, canvas.height] = [wide, tall];
    gl.viewport(0, 0, wide, tall);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniform2f(this.at.centre, camera.x, camera.y);
    gl.uniform2f(this.at.scale, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform1f(this.at.size, size * ratio);
    gl.uniform1i(this.at.isSelecting, this.mask === null ? 0 : 1);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  /** Wait until all that was asked for is drawn. */
  finish() {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  #prepare() {
    const { gl } = this;
    const program = programOf(gl);
    gl.useProgram(program);
    const names = ["centre", "scale", "size", "isSelecting"];
    this.at = Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL); // those that lie as near are mixed
    gl.bindVertexArray(gl.createVertexArray());
    filled(gl, 0, this.places);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    this.markBuffer = filled(gl, 1, this.marks);
    gl.vertexAttribIPointer(1, 4, gl.UNSIGNED_BYTE, 0, 0);
  }

  #fill() {
    const { gl, codes, table, marks, mask } = this;
    for (let row = 0; row < marks.length; row++) marks[row] = table[codes[row]];
    if (mask !== null) for (const row of rowsOf(mask)) marks[row] |= SELECTED << 24;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.markBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, marks, gl.DYNAMIC_DRAW);
  }
}

/** Whether a browser has WebGL 2 on a graphics card. */
export function hasGraphics() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (gl === null) return false;
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE.test(renderer);
}

/** Pixels of a point: few points are large, and nearer ones larger. */
export function sizeOfPoints(count, zoom) {
  const whole = count > 300_000 ? 2 : count > 30_000 ? 3 : count > 3_000 ? 5 : 8;
  return Math.min(14, whole * Math.max(1, zoom) ** 0.3);
}

function filled(gl, location, content) {
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, content, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(location);
  return buffer;
}

function programOf(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, SHADERS.vertex],
    [gl.FRAGMENT_SHADER, SHADERS.fragment],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
      throw new Error(gl.getShaderInfoLog(shader));
    }
  }
  gl.linkProgram(program);
  return program;
}
