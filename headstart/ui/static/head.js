// A head: answers for a dropped file or a text, and what is left at a threshold.

import { jsonOf } from "./map/columns.js";

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function element(name, text, facts = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return Object.assign(made, facts);
}

function answers(found) {
  const list = element("ul", undefined, { className: "answers" });
  for (const { label, probability } of found.top ?? []) {
    const item = element("li");
    const bar = element("meter", undefined, { min: 0, max: 1, value: probability });
    bar.setAttribute("aria-label", `${label}: ${percent(probability)}`);
    item.append(element("b", String(label)), bar, element("span", percent(probability)));
    list.append(item);
  }
  const said = found.label ?? found.value ?? found.values;
  return list.children.length ? list : element("p", String(said));
}

function trying(place) {
  const [file, text, button, status] = ["input", "textarea", "button", "[role=status]"].map((one) =>
    place.querySelector(one),
  );
  const ask = async (content, kind, name) => {
    status.replaceChildren(element("p", "One moment …"));
    button.disabled = true;
    try {
      const headers = { "Content-Type": kind, Accept: "application/json" };
      const told = await jsonOf(place.dataset.try, { method: "POST", headers, body: content });
      const shown = told.map(answers);
      if (content instanceof Blob && content.type.startsWith("image/")) {
        const address = URL.createObjectURL(content);
        const picture = element("img", undefined, { src: address, alt: "", width: 160 });
        picture.addEventListener("load", () => URL.revokeObjectURL(address));
        shown.unshift(picture);
      }
      status.replaceChildren(...shown, element("p", told[0]?.trust ?? "", { className: "quiet" }));
    } catch (error) {
      const said = error.message.replace("[0]:", () => `${name}:`);
      status.replaceChildren(element("p", said, { className: "bad-text" }));
    } finally {
      button.disabled = false;
    }
  };
  const go = () => {
    const [chosen] = file?.files ?? [];
    if (chosen) ask(chosen, "application/octet-stream", chosen.name);
    else if (text?.value.trim()) ask(text.value, "text/plain;charset=utf-8", "the text");
    else status.replaceChildren(element("p", file ? "Choose a file first." : "Write a text first."));
  };
  button.addEventListener("click", go);
  file?.addEventListener("change", go);
  if (file) text?.addEventListener("input", () => (file.value = ""));
  if (!file) return;
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    const [dropped] = event.dataTransfer.files;
    if (dropped) ask(dropped, "application/octet-stream", dropped.name);
  });
}

function threshold(form) {
  const covered = JSON.parse(form.dataset.coverage);
  const [slider, output] = [form.querySelector("input"), form.querySelector("output")];
  const show = () => {
    const one = covered[slider.value];
    const right = one.accuracy === null ? "nothing" : `${percent(one.accuracy)} of them rightly`;
    output.textContent = `From ${one.threshold} on: ${percent(one.coverage)} answered, ${right}.`;
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  slider.addEventListener("input", show);
  show();
}

document.querySelectorAll("[data-try]").forEach(trying);
document.querySelectorAll("[data-coverage]").forEach(threshold);
