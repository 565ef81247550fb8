// The selected samples as a file, in the columns that `headstart dataset correct` takes.

const LABEL = "label";
const SPLIT = "split";

export async function saveSelected(view) {
  const said = view.part("said");
  try {
    const [ids, labels, splits] = await Promise.all([
      view.columns.ids(),
      view.columns.get(LABEL),
      view.columns.get(SPLIT),
    ]);
    const lines = ["id,split,label,new_label,exclude"];
    for (const row of view.selected()) {
      lines.push([ids[row], nameIn(splits, row), nameIn(labels, row), "", ""].map(quoted).join(","));
    }
    save(new Blob([lines.join("\r\n"), "\r\n"], { type: "text/csv" }), "selected.csv");
    said.textContent = "selected.csv: fill in new_label or exclude, for headstart dataset correct.";
  } catch (error) {
    said.textContent = error.message;
  }
}

function nameIn(column, row) {
  if (column.values) return Number.isNaN(column.values[row]) ? "" : String(column.values[row]);
  return column.names[column.codes[row]] ?? "";
}

function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
