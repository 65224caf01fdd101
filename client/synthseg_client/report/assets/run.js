// Sorts, filters and pages the table of a run, and draws one measure of all scans. The table is
// whole without this script; what needs it is hidden until it runs.
"use strict";

const PER_PAGE = 50;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

const data = JSON.parse(byId("data").textContent);
const body = byId("table").tBodies[0];
const rows = Array.from(body.rows);
const names = new Map(rows.map((row) => [row, row.cells[0].textContent.trim()]));
const state = { key: "", falling: false, page: 0, measure: 0 };
const collator = new Intl.Collator("en", { numeric: true });
// What one wants to see first of these is the most.
const FALLS_FIRST = new Set(["far", "warnings", "seconds", "measure"]);

function valueOf(row) {
  return data.values[row.dataset.slug]?.[state.measure] ?? null;
}

function zOf(value) {
  const i = state.measure;
  if (value === null || !data.tellsZ[i]) return null;
  return (0.6745 * (value - data.median[i])) / data.mad[i];
}

function shownNumber(value) {
  if (value === null) return "";
  const text = data.percent[state.measure] ? value.toFixed(1) : Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
  return text.replace("-", "\u2212");
}

function signed(z) {
  const size = Math.abs(z).toFixed(1);
  return size === "0.0" ? size : (z < 0 ? "\u2212" : "+") + size;
}

function isKept(row) {
  const wanted = byId("search").value.trim().toLowerCase();
  if (wanted && !names.get(row).toLowerCase().includes(wanted)) return false;
  if (byId("only-far")?.checked && !(Number(row.dataset.far) > 0)) return false;
  return !(byId("only-warned").checked && row.dataset.warnings === "0");
}

function sortKey(row) {
  if (state.key === "measure" && data.measures.length) return valueOf(row) ?? -Infinity;
  return Number(row.dataset[state.key]);
}

function compare(one, other) {
  const up = state.key === "name"
    ? collator.compare(names.get(one), names.get(other))
    : sortKey(one) - sortKey(other);
  return state.falling ? -up : up;
}

function show() {
  const kept = rows.filter(isKept);
  const sorted = state.key ? kept.toSorted(compare) : kept;
  const pages = Math.max(1, Math.ceil(sorted.length / PER_PAGE));
  state.page = Math.min(state.page, pages - 1);
  const visible = sorted.slice(state.page * PER_PAGE, (state.page + 1) * PER_PAGE);
  body.replaceChildren(...visible);
  byId("count").textContent = kept.length === rows.length ? `${rows.length} scans` : `${kept.length} of ${rows.length} scans`;
  byId("page").textContent = `Page ${state.page + 1} of ${pages}`;
  byId("previous").disabled = state.page === 0;
  byId("next").disabled = state.page === pages - 1;
  byId("pager").hidden = pages === 1;
}

function sortBy(header) {
  const key = header.dataset.key;
  state.falling = state.key === key ? !state.falling : FALLS_FIRST.has(key);
  state.key = key;
  state.page = 0;
  for (const other of header.parentElement.cells) if (other.dataset.key) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", state.falling ? "descending" : "ascending");
  show();
}

function makeSortable() {
  for (const header of byId("table").tHead.rows[0].cells) {
    if (!header.dataset.key) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sortBy(header));
  }
}

function chooseMeasure() {
  state.measure = Number(byId("measure").value);
  const name = data.measures[state.measure];
  const unit = data.percent[state.measure] ? "%" : "mm\u00b3";
  const header = byId("chosen");
  (header.querySelector("button") ?? header).textContent = `${name}, ${unit}`;
  for (const row of rows) {
    const cell = row.querySelector(".chosen");
    const value = valueOf(row);
    const z = zOf(value);
    cell.dataset.title = `${name}, ${unit}`;
    cell.textContent = shownNumber(value);
    if (z !== null) {
      const beside = document.createElement("span");
      beside.textContent = `z ${signed(z)}`;
      cell.append(beside);
    }
    cell.classList.toggle("is-far", z !== null && Math.abs(z) >= data.farZ);
  }
  const known = rows.filter((row) => valueOf(row) !== null).length;
  let told = `Median ${shownNumber(data.median[state.measure])} ${unit} of ${known} scans.`;
  if (data.tellsZ[state.measure]) told += ` The band holds robust z under ${data.farZ}; a scan outside of it is far from the median.`;
  byId("spread").textContent = told;
  // A few dots stretched over the whole width would look far apart.
  byId("chart").toggleAttribute("hidden", known < data.least);
  draw();
  if (state.key === "measure") show();
}

function part(kind, attributes, text) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function draw() {
  const chart = byId("chart");
  const width = chart.clientWidth || 800;
  const height = chart.clientHeight || 136;
  const values = rows.map((row) => [row, valueOf(row)]).filter(([, value]) => value !== null);
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  chart.replaceChildren();
  if (!values.length) return;
  const i = state.measure;
  const reach = (data.farZ * data.mad[i]) / 0.6745;
  const ends = values.map(([, value]) => value);
  if (data.tellsZ[i]) ends.push(data.median[i] - reach, data.median[i] + reach);
  let low = Math.min(...ends);
  let high = Math.max(...ends);
  if (high === low) { low -= 1; high += 1; }
  const edge = 24;
  const place = (value) => edge + ((value - low) / (high - low)) * (width - 2 * edge);
  const floor = height - 26;
  if (data.tellsZ[i]) {
    const left = place(data.median[i] - reach);
    chart.append(part("rect", { class: "band", x: left, y: 0, width: place(data.median[i] + reach) - left, height: floor }));
  }
  chart.append(part("line", { class: "axis", x1: 0, x2: width, y1: floor, y2: floor }));
  const middle = place(data.median[i]);
  chart.append(part("line", { class: "middle", x1: middle, x2: middle, y1: 0, y2: floor }));
  for (const [value, anchor, x] of [[low, "start", 6], [data.median[i], "middle", middle], [high, "end", width - 6]]) {
    chart.append(part("text", { x, y: height - 8, "text-anchor": anchor }, shownNumber(value)));
  }
  drawDots(chart, values, place, floor);
}

// Dots that would cover each other stand above each other.
function drawDots(chart, values, place, floor) {
  const radius = values.length > 400 ? 2 : 4;
  const levels = Math.max(1, Math.floor((floor - radius) / (2 * radius)));
  const stacks = new Map();
  for (const [row, value] of values.toSorted((one, other) => one[1] - other[1])) {
    const x = place(value);
    const column = Math.round(x / (2 * radius));
    const level = stacks.get(column) ?? 0;
    stacks.set(column, level + 1);
    const z = zOf(value);
    const far = z !== null && Math.abs(z) >= data.farZ;
    const dot = part("circle", { cx: x, cy: floor - radius - 1 - (level % levels) * 2 * radius, r: radius, ...(far ? { class: "far" } : {}) });
    dot.append(part("title", {}, `${names.get(row)}: ${shownNumber(value)}`));
    dot.addEventListener("click", () => { location.href = `scans/${row.dataset.slug}.html`; });
    chart.append(dot);
  }
}

function turn(by) {
  state.page += by;
  show();
  byId("scans").scrollIntoView();
}

makeSortable();
byId("filters").hidden = false;
for (const id of ["search", "only-far", "only-warned"]) {
  byId(id)?.addEventListener("input", () => { state.page = 0; show(); });
}
byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
if (byId("compare")) {
  byId("compare").hidden = false;
  byId("measure").addEventListener("input", chooseMeasure);
  window.addEventListener("resize", draw);
  chooseMeasure();
}
show();
