// Colours that colour-blind people can tell apart (Okabe and Ito, https://jfly.uni-koeln.de/color/),
// and shapes beside them: there are no 28 such colours, but 7 in 4 shapes.

const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#b8458a", "#b97700", "#45a5e0", "#4b3b8f"];
const DARK = ["#4ba3e3", "#ff7f32", "#2fd3a3", "#f096c6", "#f0b429", "#8fd3ff", "#f4ec6a"];
export const SHAPES = ["circle", "square", "triangle", "diamond"];
const TRIANGLE = SHAPES.indexOf("triangle");
export const DISTINCT = LIGHT.length * SHAPES.length;
const GREY = { light: "#8a8f98", dark: "#7d838d" };
const QUIET = { light: "#7fa6c4", dark: "#5d86a8" };
const LOUD = { light: "#c8320a", dark: "#ff7448" };

// Cividis (Nuñez et al. 2018, https://doi.org/10.1371/journal.pone.0199239) at five places.
const RAMP = [
  [0, 34, 78],
  [65, 77, 107],
  [124, 123, 120],
  [187, 174, 107],
  [254, 232, 56],
];
const RAMP_ON_DARK_FROM = 0.18; // below it, dark blue is not seen on a dark page

/** How each class is drawn: `{colour, shape}`; those beyond `DISTINCT`, by how many samples they
 * have, are all grey. */
export function marksOfClasses(counts, isDark, emphasis) {
  const theme = isDark ? "dark" : "light";
  if (emphasis) {
    const colours = { quiet: QUIET[theme], loud: LOUD[theme], none: GREY[theme] };
    return emphasis.map((one) => {
      const isLarge = one === "loud";
      return { colour: colours[one], shape: isLarge ? TRIANGLE : 0, isLarge };
    });
  }
  const colours = isDark ? DARK : LIGHT;
  const marks = counts.map(() => ({ colour: GREY[theme], shape: 0, isOther: true }));
  distinctOf(counts).forEach((code, place) => {
    marks[code] = {
      colour: colours[place % colours.length],
      shape: Math.floor(place / colours.length),
    };
  });
  return marks;
}

export function markOfNone(isDark) {
  return { colour: GREY[isDark ? "dark" : "light"], shape: 0 };
}

/** The codes that have a mark of their own, in order. */
function distinctOf(counts) {
  const codes = counts.map((_, code) => code);
  if (codes.length <= DISTINCT) return codes;
  codes.sort((one, other) => counts[other] - counts[one] || one - other);
  return codes.slice(0, DISTINCT).sort((one, other) => one - other);
}

/** The colour of a share from 0 to 1, `[r, g, b]`. */
export function rampAt(share, isDark) {
  const from = isDark ? RAMP_ON_DARK_FROM : 0;
  const place = (from + (1 - from) * Math.min(1, Math.max(0, share))) * (RAMP.length - 1);
  const below = Math.min(RAMP.length - 2, Math.floor(place));
  return RAMP[below].map((one, part) =>
    Math.round(one + (RAMP[below + 1][part] - one) * (place - below)),
  );
}

export function rgbOf(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}
