// Points by WebGL 2: places once, a code a point, colours in a table, the selection as bits.
//
// All that the graphics memory holds is kept here as well: a lost context is made again from it.

import { NONE } from "./columns.js";
import { rgbOf } from "./palette.js";

const WORDS_WIDE = 1024; // of the texture with the selection
const CODES_WIDE = 256; // of the table of colours: 65,536 codes
const ALPHA_STEPS = 31; // five bits
const SHADERS = {
  vertex: `#version 300 es
    precision highp float;
    precision highp int;
    precision highp usampler2D;
    layout(location = 0) in vec2 place;
    layout(location = 1) in uint code;
    uniform vec2 centre;
    uniform vec2 scale;
    uniform float size;
    uniform int turn; // 0: all points; 1: those outside the selection; 2: those in it
    uniform usampler2D colours;
    uniform usampler2D selection;
    flat out vec4 colour;
    flat out int shape;
    void main() {
      uvec4 mark = texelFetch(colours, ivec2(int(code & 255u), int(code >> 8u)), 0);
      float alpha = float(mark.a >> 3u) / ${ALPHA_STEPS}.0;
      gl_Position = vec4((place - centre) * scale, 0.0, 1.0);
      gl_PointSize = size;
      if (turn != 0) {
        int word = gl_VertexID >> 5;
        uint bits = texelFetch(selection, ivec2(word % ${WORDS_WIDE}, word / ${WORDS_WIDE}), 0).r;
        bool isIn = ((bits >> uint(gl_VertexID & 31)) & 1u) == 1u;
        if (isIn != (turn == 2)) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
        alpha = turn == 2 ? 1.0 : alpha * 0.12;
      }
      colour = vec4(vec3(mark.rgb) / 255.0, alpha);
      shape = int(mark.a & 3u);
      if ((mark.a & 4u) != 0u) gl_PointSize *= 1.6;
    }`,
  fragment: `#version 300 es
    precision highp float;
    flat in vec4 colour;
    flat in int shape;
    uniform float size;
    out vec4 seen;
    void main() {
      vec2 at = abs(gl_PointCoord - 0.5) * 2.0;
      float out_of = length(at);
      if (shape == 1) out_of = max(at.x, at.y) * 1.12;
      if (shape == 2) out_of = max(1.0 + (at.x - gl_PointCoord.y) * 0.9, gl_PointCoord.y + 0.05);
      if (shape == 3) out_of = at.x + at.y;
      float edge = 2.0 / size; // a pixel, softly
      float alpha = colour.a * (1.0 - smoothstep(1.0 - edge, 1.0, out_of));
      if (alpha < 0.004) discard;
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
    this.marks = new Uint8Array(4 * CODES_WIDE * CODES_WIDE);
    this.mask = null;
    this.isLost = false;
    const options = { antialias: false, depth: false, premultipliedAlpha: true };
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

  /** The class, or the step of a ramp, of each point. */
  setCodes(codes) {
    this.codes = codes;
    this.#fillCodes();
  }

  /** How each code is drawn, `{colour, shape, alpha, isLarge}`; others, and no code, as `rest`. */
  setMarks(marks, rest) {
    const table = new Uint32Array(this.marks.buffer);
    table.fill(packed(rest));
    marks.forEach((mark, code) => (table[code] = packed(mark)));
    this.#fillMarks();
  }

  /** The points that stand out; all alike where it is null. */
  setSelection(mask) {
    this.mask = mask;
    this.#fillSelection();
  }

  /** Draw what a camera sees, with points of so many CSS pixels. */
  draw(camera, size, ratio) {
    const { gl, canvas } = this;
    if (this.isLost || gl.isContextLost()) return;
    const [wide, tall] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
    if (canvas.width !== wide || canvas.height !== tall) [canvas.width, canvas.height] = [wide, tall];
    gl.viewport(0, 0, wide, tall);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(this.at.centre, camera.x, camera.y);
    gl.uniform2f(this.at.scale, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform1f(this.at.size, size * ratio);
    for (const turn of this.mask === null ? [0] : [1, 2]) {
      gl.uniform1i(this.at.turn, turn);
      gl.drawArrays(gl.POINTS, 0, this.count);
    }
  }

  /** Wait until all that was asked for is drawn. */
  finish() {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  #prepare() {
    const { gl } = this;
    const program = programOf(gl);
    gl.useProgram(program);
    const names = ["centre", "scale", "size", "turn", "colours", "selection"];
    this.at = Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
    gl.uniform1i(this.at.colours, 0);
    gl.uniform1i(this.at.selection, 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.bindVertexArray(gl.createVertexArray());
    filled(gl, 0, this.places);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    this.codeBuffer = filled(gl, 1, this.codes);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_SHORT, 0, 0);
    this.textures = [texture(gl), texture(gl)];
    this.#fillMarks();
    this.#fillSelection();
  }

  #fillCodes() {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.codeBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, this.codes, gl.STATIC_DRAW);
  }

  #fillMarks() {
    const { gl } = this;
    this.#bind(0);
    const [wide, kind] = [CODES_WIDE, gl.UNSIGNED_BYTE];
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8UI, wide, wide, 0, gl.RGBA_INTEGER, kind, this.marks);
  }

  #fillSelection() {
    const { gl } = this;
    this.#bind(1);
    const words = this.mask ?? new Uint32Array(1);
    const tall = Math.max(1, Math.ceil(words.length / WORDS_WIDE));
    const whole = new Uint32Array(tall * WORDS_WIDE);
    whole.set(words);
    const [wide, kind] = [WORDS_WIDE, gl.UNSIGNED_INT];
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32UI, wide, tall, 0, gl.RED_INTEGER, kind, whole);
  }

  #bind(unit) {
    this.gl.activeTexture(this.gl.TEXTURE0 + unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, this.textures[unit]);
  }
}

/** Pixels of a point: few points are large, and nearer ones larger. */
export function sizeOfPoints(count, zoom) {
  const whole = count > 300_000 ? 2 : count > 30_000 ? 3 : count > 3_000 ? 5 : 8;
  return Math.min(14, whole * Math.max(1, zoom) ** 0.3);
}

function packed({ colour, shape = 0, alpha = 0.85, isLarge = false }) {
  const [red, green, blue] = Array.isArray(colour) ? colour : rgbOf(colour);
  const last = (Math.round(alpha * ALPHA_STEPS) << 3) | (isLarge ? 4 : 0) | shape;
  return ((last << 24) | (blue << 16) | (green << 8) | red) >>> 0; // bytes, the lowest first
}

function filled(gl, location, content) {
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, content, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(location);
  return buffer;
}

function texture(gl) {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
    gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST); // whole numbers are not mixed
  }
  return made;
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
