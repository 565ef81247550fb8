// Jobs while they go on: rows that are on the page are brought up to date; a new job reloads it.

const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const table = document.querySelector("[data-jobs]");
const AGAIN = 5000; // milliseconds
const status = document.querySelector("[data-stream]");

function put(row, name, text) {
  const place = row.querySelector(`[data-is="${name}"]`);
  if (place && place.textContent !== text) place.textContent = text;
  return place;
}

function cells(worker, isLost) {
  const row = document.createElement("tr");
  const texts = [
    worker.host,
    worker.process ?? "-",
    number(worker.committed),
    number(worker.claimed),
    number(worker.rate, 1),
    `${number(worker.heard)} s ago`,
    isLost ? "lost" : "at work",
  ];
  texts.forEach((text, place) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (place > 0 && place < 6) cell.className = "number";
    row.append(cell);
  });
  return row;
}

function show(row, job) {
  const state = put(row, "state", job.state);
  if (state) state.className = `state ${job.state}`;
  put(row, "done", job.done);
  put(row, "rate", job.rate ? number(job.rate, 1) : "-");
  put(row, "left", job.seconds_left ? `${number(job.seconds_left)} s` : "-");
  const lost = job.lost_workers.length ? ` (${job.lost_workers.length} lost)` : "";
  put(row, "workers", `${job.workers.length}${lost}`);
  const bar = row.querySelector('[data-is="progress"]');
  bar.max = Math.max(job.total, 1);
  bar.value = job.committed + job.failed;
  const workers = row.querySelector('[data-is="worker-rows"]');
  workers?.replaceChildren(
    ...job.workers.map((one) => cells(one, false)),
    ...job.lost_workers.map((one) => cells(one, true)),
  );
  const nobody = row.querySelector('[data-is="nobody"]');
  if (nobody) nobody.hidden = job.workers.length + job.lost_workers.length > 0;
}

/** Whether nobody works at a job of which somebody has died. */
const isLost = (job) => job.state === "queued" && job.lost_workers.length > 0 && !job.workers.length;

/** Whether the page says what is not so any more: it has words for how a job ended. */
function isOld(row, job) {
  const shown = row.querySelector('[data-is="state"]').textContent;
  return shown !== job.state || isLost(job) !== Boolean(row.querySelector('[data-is="lost"]'));
}

function bring(jobs, events) {
  const isList = table.tagName === "TABLE";
  for (const job of jobs) {
    const row = table.querySelector(`[data-job="${job.id}"]`);
    if (row ? !isList && isOld(row, job) : isList) {
      events.close();
      location.reload();
      return;
    }
    if (row) show(row, job);
  }
}

function listen() {
  const events = new EventSource("/jobs/events");
  events.addEventListener("error", () => {
    status.textContent = "Not live: the page's server does not answer.";
    // A browser asks again by itself, but not behind an answer that is no stream, as a proxy's.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN);
  });
  events.addEventListener("late", (event) => {
    status.textContent = `Not live: ${JSON.parse(event.data)}.`;
  });
  events.addEventListener("message", (event) => {
    status.textContent = "Live: as the ledger has it.";
    bring(JSON.parse(event.data), events);
  });
}
listen();
