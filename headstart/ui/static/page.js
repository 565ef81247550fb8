// What every page has: buttons that copy, tables that sort, rows that fold. All of it can be done
// without; nothing is fetched.

function element(name, text, facts = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, facts);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue; // only where the page is at localhost or behind TLS
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function valueOf(cell) {
  const given = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(given.replace(/[,%]/g, "").trim() || NaN);
  return Number.isNaN(number) ? given : number;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one !== typeof other) return typeof one === "number" ? 1 : -1;
  return collator.compare(one, other);
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = element("button", head.textContent, { type: "button" });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      // Numbers from the largest down first, words from A on.
      const isNumber = head.classList.contains("number");
      const was = head.getAttribute("aria-sort");
      const isUp = was ? was === "descending" : !isNumber;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [valueOf(row.cells[column]), row]);
      rows.sort(([one], [other]) => (isUp ? 1 : -1) * compare(one, other));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
document.querySelectorAll("table[data-sorts]").forEach(sortable);

for (const body of document.querySelectorAll("tbody[data-fold]")) {
  const row = element("tr", "");
  const cell = element("td", "", { colSpan: body.rows[0].cells.length });
  const button = element("button", body.dataset.fold, { type: "button", className: "fold" });
  cell.replaceChildren(button);
  row.append(cell);
  const above = element("tbody", "");
  above.append(row);
  body.before(above);
  body.hidden = true;
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    body.hidden = !body.hidden;
    button.setAttribute("aria-expanded", String(!body.hidden));
  });
}

// What is wider than the page can be scrolled without a mouse.
function reachable() {
  for (const place of document.querySelectorAll(".scroll, .code pre")) {
    const isWide = place.scrollWidth > place.clientWidth;
    if (isWide) place.tabIndex = 0;
    else place.removeAttribute("tabindex");
    if (!place.classList.contains("scroll") || place.hasAttribute("role")) continue;
    const words = place.querySelector("caption, svg[aria-label]");
    place.setAttribute("role", "region");
    place.setAttribute(
      "aria-label",
      words?.getAttribute("aria-label") ?? words?.textContent ?? "A wide table",
    );
  }
}
reachable();
addEventListener("resize", reachable);

// On a narrow screen the navigation is wider than the page: where one is stands in sight.
document.querySelector("nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
