// What a person says of all selected samples at once: written into the journal of corrections,
// which the screen of labels shows and applies.

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
    const ids = await this.view.columns.ids();
    const rows = this.view.selected();
    const fields = new URLSearchParams({ action, label });
    for (const row of rows) fields.append("sample", ids[row]);
    const headers = { accept: "application/json" };
    const asked = { method: "POST", body: fields, headers, redirect: "manual" };
    const answer = await fetch(this.form.action, asked);
    if (answer.type === "opaqueredirect") {
      const what = action === "label" ? `to be ${label}` : "to be left out";
      const many = rows.length.toLocaleString("en");
      this.said.textContent = `${many} are written down ${what}: apply it under Labels.`;
      return;
    }
    const told = await answer.json().catch(() => null);
    this.said.textContent = told?.error?.message ?? `${answer.status} ${answer.statusText}`;
  }
}
