// The class now: students down, exercises across. Rows outside the view are not built.

import { GridRow } from "./gridrow.js";
import { el, mark, unseen } from "./dom.js";
import { nameOf } from "./names.js";
import { count, percent, shortNames } from "./words.js";

const MORE = 8; // rows built beyond the edge, so that scrolling meets no hole
const ROW = { least: 28, most: 60 };
const CELL = { least: 30, most: 180 };
const FEW = 6; // exercises: so few can be counted without a bar

export class GridView {
  node = el("section", { class: "grid", "aria-label": "The class now" });
  #scroller = el("div", { class: "scroller", tabindex: "-1" });
  #table = el("table");
  #head = el("thead");
  #body = el("tbody");
  #before = el("tr", { class: "gap", "aria-hidden": "true" });
  #after = el("tr", { class: "gap", "aria-hidden": "true" });
  #caption = el("caption", { class: "sr" });
  /** @type {Map<string, GridRow>} */
  #rows = new Map();
  #order = "";
  #headings = "";
  #active = "";
  #model = null;
  #rowHeight = ROW.least;

  constructor(open) {
    this.open = open;
    this.#table.append(this.#caption, this.#head, this.#body);
    this.#scroller.append(this.#table);
    this.node.append(this.#scroller);
    this.#scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.#body.addEventListener("keydown", (event) => this.#move(event));
    new ResizeObserver(() => this.#model && this.render(this.#model)).observe(this.#scroller);
  }

  /** @param {{students: object[], exercises: string[], now: number}} model */
  render(model) {
    this.#model = { ...model, columns: JSON.stringify(model.exercises) };
    this.#heading();
    this.#measure();
    this.#draw();
  }

  #measure() {
    const { students, exercises } = this.#model;
    const width = this.#scroller.clientWidth;
    const narrow = width < 640;
    const few = exercises.length <= FEW;
    const sign = narrow ? 28 : 48;
    const name = narrow ? 140 : Math.min(few ? 360 : 250, Math.max(190, width * 0.2));
    const done = narrow ? 56 : few ? 84 : 150;
    const least = narrow ? 0 : 180; // of the last column, which takes what is left
    const room = (width - sign - name - done - least) / Math.max(1, exercises.length);
    const cell = Math.max(CELL.least, Math.min(CELL.most, Math.floor(room * (few && !narrow ? 0.75 : 1))));
    const where = narrow ? 0 : Math.max(least, width - sign - name - done - cell * exercises.length);
    const height = (this.#scroller.clientHeight - this.#head.offsetHeight - 2) / Math.max(1, students.length);
    this.#rowHeight = Math.max(ROW.least, Math.min(ROW.most, Math.floor(height)));
    for (const [part, size] of Object.entries({ sign, name, done, where, cell, row: this.#rowHeight })) {
      this.#scroller.style.setProperty(`--${part}`, `${size}px`);
    }
    mark(this.#scroller, "data-roomy", cell >= 56);
    mark(this.#scroller, "data-narrow", narrow);
    mark(this.#scroller, "data-few", few);
  }

  #heading() {
    const { students, exercises } = this.#model;
    const passed = exercises.map((name) => students.filter(({ row }) => row.ex[name]?.[0] === 2).length);
    const headings = JSON.stringify([exercises, passed, students.length, this.#scroller.clientWidth]);
    if (headings === this.#headings) return;
    this.#headings = headings;
    mark(this.#table, "aria-rowcount", students.length + 1);
    this.#caption.textContent = `${count(students.length, "student")}, ${count(exercises.length, "exercise")}`;
    const short = exercises.length <= FEW && this.#scroller.clientWidth >= 640 ? exercises : shortNames(exercises);
    mark(this.#scroller, "data-upright", Math.max(0, ...short.map((name) => name.length)) > 3);
    const columns = exercises.map((name, index) => {
      const bar = el("span", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--share", String(students.length ? passed[index] / students.length : 0));
      const share = percent(passed[index], students.length);
      return el("th", { scope: "col", class: "ex", title: `${name}: ${share} passed` },
        el("span", { class: "label", dir: "auto", "aria-hidden": "true" }, short[index]), unseen(`${name}, ${share} passed`), bar);
    });
    this.#head.replaceChildren(
      el("tr", { "aria-rowindex": "1" },
        el("th", { scope: "col", class: "sign" }, unseen("Needs help")),
        el("th", { scope: "col" }, "Student"),
        el("th", { scope: "col", class: "done" }, "Passed"),
        ...columns,
        el("th", { scope: "col", class: "where" }, "Now at")),
    );
    this.#order = "";
  }

  #draw() {
    const { students, exercises, columns, now } = this.#model;
    const top = this.#scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / this.#rowHeight) - MORE);
    const last = Math.min(students.length, Math.ceil((top + this.#scroller.clientHeight) / this.#rowHeight) + MORE);
    const visible = students.slice(first, last);
    const kept = new Map();
    visible.forEach((student, place) => {
      const row = this.#rows.get(student.row.key) ?? new GridRow(() => this.#open(student.row.key));
      row.render(student, { index: first + place, name: nameOf(student.row), exercises, columns, now });
      kept.set(student.row.key, row);
    });
    this.#rows = kept;
    const order = JSON.stringify([first, students.length, this.#rowHeight, exercises.length, [...kept.keys()]]);
    if (order !== this.#order) this.#arrange(first, students.length - last, order);
    const active = kept.has(this.#active) ? this.#active : kept.keys().next().value;
    for (const [key, row] of kept) row.reachable = key === active;
  }

  #arrange(before, after, order) {
    this.#order = order;
    const focused = document.activeElement?.closest?.("tr");
    for (const [gap, rows] of [[this.#before, before], [this.#after, after]]) {
      const cell = el("td", { colspan: this.#model.exercises.length + 4 });
      cell.style.blockSize = `${rows * this.#rowHeight}px`;
      gap.replaceChildren(cell);
    }
    this.#body.replaceChildren(this.#before, ...[...this.#rows.values()].map(({ node }) => node), this.#after);
    // A node that is moved loses the focus.
    for (const row of this.#rows.values()) if (row.node === focused) row.focus();
  }

  #open(key) {
    this.#active = key;
    const student = this.#model.students.find(({ row }) => row.key === key);
    if (student) this.open(student.row);
  }

  #move(event) {
    const { students } = this.#model;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -students.length, End: students.length };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const focused = [...this.#rows].find(([, { node }]) => node.contains(event.target))?.[0];
    const index = students.findIndex(({ row }) => row.key === focused);
    const next = Math.max(0, Math.min(students.length - 1, index + step));
    this.#active = students[next].row.key;
    const room = this.#scroller.clientHeight - 2 * this.#rowHeight;
    const top = next * this.#rowHeight;
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    if (top > this.#scroller.scrollTop + room - 48) this.#scroller.scrollTop = top - room + 48;
    this.#draw();
    this.#rows.get(this.#active)?.focus();
  }
}
