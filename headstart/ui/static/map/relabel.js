// What a person says of all selected samples at once: written into the journal of corrections,
// which the screen of labels shows and applies.

import { jsonOf } from "./columns.js";

const MOST = 1000; // samples that the journal takes at once

export class Relabel {
  constructor(view, form) {
    Object.assign(this, { view, form, said: form.querySelector("[role=status]") });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say(event.submitter.value);
    });
  }

  /** Tell of another selection. */
  select(count) {
    this.form.hidden = count === 0;
    const isMany = count > MOST;
    for (const button of this.form.querySelectorAll("button")) button.disabled = isMany;
    this.said.textContent = isMany
      ? `At most ${MOST.toLocaleString("en")} at once; the CSV takes all.`
      : "";
  }

  async #say(action) {
    const label = this.form.elements.label.value.trim();
    if (action === "label" && label === "") {
      this.said.textContent = "Name a class.";
      return;
    }
    try {
      this.said.textContent = await this.#sent(action, label);
    } catch (error) {
      this.said.textContent = error.message;
    }
  }

  /** Have it written down; what came of it, in words. */
  async #sent(action, label) {
    const ids = await this.view.columns.ids();
    const version = this.form.elements.version.value;
    const fields = new URLSearchParams({ action, label, version });
    for (const row of this.view.selected()) fields.append("sample", ids[row]);
    const headers = { accept: "application/json" };
    const told = await jsonOf(this.form.action, { method: "POST", body: fields, headers });
    const what = action === "label" ? `to be ${label}` : "to be left out";
    const [many, over] = [told.said, told.over].map((one) => one.toLocaleString("en"));
    const instead = told.over ? ` Of ${over} something else had been said, which does not count now.` : "";
    return `${many} are written down ${what}: apply it under Labels.${instead}`;
  }
}
