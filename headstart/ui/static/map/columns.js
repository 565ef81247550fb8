// What is known of the samples: a binary column each, fetched when it is asked for, once.

export const NONE = 65535; // the code of a sample of which nothing is known
const STEPS = 256; // of a ramp of colours

/** An answer that is no column: what the server says of it. */
export class Refused extends Error {}

export class Columns {
  constructor(address) {
    this.address = address;
    this.known = new Map();
  }

  /** The places of all samples: x, y, x, y, … */
  async places() {
    return new Float32Array(await bytesOf(`${this.address}/coordinates`));
  }

  /** `{kind, title, note, codes, names | low, high, values}` of one column. */
  get(colour) {
    if (!this.known.has(colour)) {
      const asked = this.#fetch(colour);
      asked.catch(() => this.known.delete(colour)); // it may be tried again
      this.known.set(colour, asked);
    }
    return this.known.get(colour);
  }

  /** The ids of all samples, in order. */
  async ids() {
    return (await jsonOf(`${this.address}/ids`)).ids;
  }

  /** The number of the first sample with a text in its id; null if there is none. */
  async find(text) {
    return (await jsonOf(`${this.address}/find?text=${encodeURIComponent(text)}`)).row;
  }

  async #fetch(colour) {
    const query = `?colour=${encodeURIComponent(colour)}`;
    const [legend, content] = await Promise.all([
      jsonOf(`${this.address}/legend${query}`),
      bytesOf(`${this.address}/values${query}`),
    ]);
    if (legend.kind === "classes") return { ...legend, codes: new Uint16Array(content) };
    const values = new Float32Array(content);
    return { ...legend, values, codes: stepsOf(values, legend.low, legend.high), steps: STEPS };
  }
}

export async function jsonOf(address, asked) {
  return (await answerOf(address, asked)).json();
}

async function bytesOf(address) {
  return (await answerOf(address)).arrayBuffer();
}

async function answerOf(address, asked = { headers: { accept: "application/json" } }) {
  const answer = await fetch(address, asked).catch(() => {
    throw new Refused("The page's server does not answer: try again.");
  });
  if (answer.ok) return answer;
  if (answer.status === 401) throw new Refused("Not let in any more: the page was started anew.");
  const told = await answer.json().catch(() => null);
  const error = told?.error ?? { message: `${answer.status} ${answer.statusText}` };
  throw new Refused([error.message, error.hint].filter(Boolean).join(". "));
}

function stepsOf(values, low, high) {
  const perUnit = (STEPS - 1) / (high - low || 1);
  return Uint16Array.from(values, (one) =>
    Number.isNaN(one) ? NONE : Math.max(0, Math.min(STEPS - 1, Math.round((one - low) * perUnit))),
  );
}
