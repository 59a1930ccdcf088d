// The lesson's pace: how many have reached each cell, over time.

import { el, svg } from "./dom.js";
import { clock, count, cut, shortNames } from "./words.js";

const WIDE = { width: 1200, height: 560, left: 52, right: 240, top: 20, bottom: 40 };
const SLIM = { width: 420, height: 460, left: 34, right: 120, top: 14, bottom: 34 };
const LABEL = 20;
const MINUTE = 60_000;

export class PaceView {
  node = el("section", { class: "pace", "aria-label": "The lesson's pace", tabindex: "0" });
  address = "api/pace";
  #figure = el("figure", {});
  #table = el("div", {});
  #details = el("details", {}, el("summary", {}, "The same as a table"), this.#table); // it stays open

  /** @param {{times: number[], cells: string[], reached: number[][]}} pace */
  show(pace) {
    if (!pace.times.length) {
      this.node.replaceChildren(el("p", { class: "empty" }, el("strong", {}, "No cell has been run yet.")));
      return;
    }
    const isSlim = this.node.clientWidth < 640;
    this.#figure.replaceChildren(el("figcaption", {}, "How many students have reached each cell, over time"), plot(pace, isSlim ? SLIM : WIDE));
    this.#table.replaceChildren(table(pace));
    if (!this.node.contains(this.#details)) this.node.replaceChildren(this.#figure, this.#details);
  }
}

function plot({ times, cells, reached }, size) {
  const highest = Math.max(1, ...reached.map((numbers) => numbers.at(-1)));
  const inner = { width: size.width - size.left - size.right, height: size.height - size.top - size.bottom };
  const x = (index) => size.left + (inner.width * index) / (times.length - 1);
  const y = (number) => size.top + inner.height * (1 - number / highest);
  const picture = svg("svg", { viewBox: `0 0 ${size.width} ${size.height}`, role: "img", "aria-label": `${count(cells.length, "cell")}, reached by up to ${count(highest, "student")}; the numbers are in the table below` });
  picture.append(...axes(times, highest, x, y, size));
  const places = labelPlaces(reached.map((numbers) => y(numbers.at(-1))), size);
  const most = size === SLIM ? 8 : 20;
  const labels = cells.some((cell) => cell.length > most) ? shortNames(cells) : cells;
  cells.forEach((cell, index) => {
    const hue = cells.length > 1 ? index / (cells.length - 1) : 0;
    const from = Math.max(0, reached[index].findIndex(Boolean) - 1);
    const points = reached[index].map((number, step) => `${x(step).toFixed(1)},${y(number).toFixed(1)}`).slice(from);
    const line = svg("g", { class: "line", "data-labelled": places[index] !== undefined }, svg("title", {}, `${cell}: ${reached[index].at(-1)}`), svg("polyline", { points: points.join(" ") }));
    line.style.setProperty("--turn", String(hue));
    const end = y(reached[index].at(-1));
    if (places[index] !== undefined) {
      line.append(
        svg("path", { class: "leader", d: `M${size.width - size.right + 2} ${end}L${size.width - size.right + 12} ${places[index]}` }),
        svg("text", { x: size.width - size.right + 16, y: places[index], dy: "0.35em" }, `${cut(labels[index], most)}\u200e `, svg("tspan", { class: "value" }, String(reached[index].at(-1)))));
    }
    picture.append(line);
  });
  return picture;
}

/** Where each line's label stands: beside its end, or as near as others leave room; else nowhere. */
function labelPlaces(ends, size) {
  const room = Math.floor((size.height - size.top - size.bottom) / LABEL) + 1;
  const every = Math.ceil(ends.length / room);
  const labelled = ends.map((end, index) => ({ end, index })).filter(({ index }) => index % every === 0);
  labelled.sort((a, b) => a.end - b.end || a.index - b.index);
  const bottom = size.height - size.bottom;
  let free = size.top;
  labelled.forEach((label, place) => {
    const last = bottom - (labelled.length - 1 - place) * LABEL;
    label.place = Math.min(Math.max(label.end, free), last);
    free = label.place + LABEL;
  });
  const places = [];
  for (const { index, place } of labelled) places[index] = place;
  return places;
}

function axes(times, most, x, y, size) {
  const nodes = [];
  const step = Math.max(1, [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].find((each) => most / each <= 6) ?? most);
  for (let number = 0; number <= most; number += step) {
    nodes.push(svg("line", { class: "rule", x1: size.left, x2: size.width - size.right, y1: y(number), y2: y(number) }),
      svg("text", { class: "tick", x: size.left - 8, y: y(number), dy: "0.35em", "text-anchor": "end" }, String(number)));
  }
  const indexOf = (at) => ((times.length - 1) * (at - times[0])) / Math.max(1, times.at(-1) - times[0]);
  for (const at of fullMinutes(times[0], times.at(-1), size === SLIM ? 4 : 8)) {
    nodes.push(svg("text", { class: "tick", x: x(indexOf(at)), y: size.height - size.bottom + 24, "text-anchor": "middle" }, clock(at)));
  }
  return nodes;
}

/** Times for the axis: at full minutes, or hours; of less than a minute its beginning. */
function fullMinutes(begin, end, most) {
  const step = MINUTE * ([1, 2, 5, 10, 15, 30, 60, 120].find((minutes) => (end - begin) / (minutes * MINUTE) <= most) ?? 240);
  const first = Math.ceil(begin / step) * step;
  const times = Array.from({ length: Math.max(0, Math.floor((end - first) / step) + 1) }, (_, index) => first + index * step);
  return times.length ? times : [begin];
}

function table({ cells, reached, times }) {
  const rows = cells.map((cell, index) => {
    const first = reached[index].findIndex(Boolean);
    return el("tr", {}, el("th", { scope: "row", dir: "auto" }, cell),
      el("td", { class: "number" }, String(reached[index].at(-1))), el("td", { class: "number" }, first < 0 ? "" : clock(times[first])));
  });
  return el("table", {}, el("thead", {}, el("tr", {}, ...["Cell", "Reached by", "First at"].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, ...rows));
}
