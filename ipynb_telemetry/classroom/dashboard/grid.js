// The class now: students down, exercises across. Rows outside the view are not built.

import { GridRow } from "./gridrow.js";
import { cellOf, el, hand, mark, unseen } from "./dom.js";
import { nameOf } from "./names.js";
import { count, cut, percent, shortNames } from "./words.js";

const MORE = 4; // rows built beyond the edge, so that scrolling meets no hole
const ROW = { least: 26, most: 60 };
const CELL = { least: 30, most: 180 };
const HEAD = { low: 60, high: 170, rest: 32 }; // higher where the exercises' names stand upright
const FITS = 20; // letters in a column that is as wide as it gets
const LETTER = 9.5; // wide, in a heading
const LONGEST = Math.floor((HEAD.high - HEAD.rest) / LETTER); // upright
const FEW = 6; // exercises: so few can be counted without a bar

export class GridView {
  node = el("section", { class: "grid", "aria-label": "The class now" });
  #scroller = el("div", { class: "scroller", tabindex: "-1" });
  #table = el("table", { role: "table" });
  #head = el("thead", { role: "rowgroup" });
  #body = el("tbody", { role: "rowgroup" });
  #caption = el("caption", { class: "sr" });
  /** @type {Map<string, GridRow>} */
  #rows = new Map();
  #nobody = el("p", { class: "empty", hidden: true });
  #order = "";
  #headings = "";
  /** @type {{bar: HTMLElement, words: HTMLElement, share: number}[]} */
  #shares = [];
  #active = "";
  #model = null;
  #longest = 0; // letters of an exercise's name in the heading
  #rowHeight = ROW.least;
  // Kept, because to ask the page for them has it lay out all that is half drawn.
  #room = { width: 0, height: 0, top: 0 };
  #headHeight = HEAD.low;

  constructor(open) {
    this.open = open;
    this.#table.append(this.#caption, this.#head, this.#body);
    this.#scroller.append(this.#table);
    this.node.append(this.#nobody, this.#scroller, legend());
    this.#scroller.addEventListener("scroll", () => {
      this.#room.top = this.#scroller.scrollTop;
      this.#draw();
    }, { passive: true });
    this.#body.addEventListener("keydown", (event) => this.#move(event));
    new ResizeObserver(() => {
      this.#look();
      if (this.#model) this.render(this.#model);
    }).observe(this.#scroller);
  }

  /**
   * @param {{students: object[], exercises: string[], at: (row: object) => string,
   *   now: number, isPart: boolean}} model
   */
  render(model) {
    this.#model = { ...model, columns: JSON.stringify(model.exercises) };
    this.#nobody.hidden = model.students.length > 0;
    this.#nobody.replaceChildren(el("strong", {}, model.isPart ? "Nobody is in this part of the class." : "Nobody is here yet."),
      model.isPart ? " Choose another notebook, class or date above." : " Each student shows up with the first cell that is run.");
    this.#scroller.hidden = !this.#nobody.hidden;
    if (!this.#room.width) this.#look();
    this.#heading();
    this.#measure();
    this.#draw();
  }

  #look() {
    const { clientWidth: width, clientHeight: height, scrollTop: top } = this.#scroller;
    this.#room = { width, height, top };
  }

  #measure() {
    const { students, exercises } = this.#model;
    const { width } = this.#room;
    const narrow = width < 640;
    const few = exercises.length <= FEW;
    const sign = narrow ? 28 : 48;
    const name = narrow ? 140 : Math.min(few ? 360 : 250, Math.max(190, width * 0.2));
    const done = narrow ? 64 : few ? 84 : 150;
    const least = narrow ? 0 : width < 1500 ? 215 : 250; // of the last column, which takes what is left
    const room = (width - sign - name - done - least) / Math.max(1, exercises.length);
    const cell = Math.max(CELL.least, Math.min(CELL.most, Math.floor(room * (few && !narrow ? 0.75 : 1))));
    const where = narrow ? 0 : Math.max(least, width - sign - name - done - cell * exercises.length);
    const upright = this.#longest > 3 && this.#longest * LETTER > cell;
    const head = upright ? Math.min(HEAD.high, Math.ceil(this.#longest * LETTER) + HEAD.rest) : HEAD.low;
    const height = (this.#room.height - head - 2) / Math.max(1, students.length);
    this.#rowHeight = Math.max(ROW.least, Math.min(ROW.most, Math.floor(height)));
    this.#headHeight = head;
    this.#size("head", `${head}px`);
    this.#size("row", `${this.#rowHeight}px`);
    const cells = exercises.length ? `repeat(${exercises.length}, ${cell}px)` : ""; // CSS knows no repeat(0)
    this.#size("columns", `${sign}px ${name}px ${done}px ${cells} ${where}px`);
    this.#size("width", `${sign + name + done + cell * exercises.length + where}px`);
    this.#size("sign", `${sign}px`);
    mark(this.#scroller, "data-upright", upright);
    mark(this.#scroller, "data-roomy", cell >= 56);
    mark(this.#scroller, "data-narrow", narrow);
    mark(this.#scroller, "data-few", few);
  }

  #size(name, value) {
    if (this.#scroller.style.getPropertyValue(`--${name}`) !== value) this.#scroller.style.setProperty(`--${name}`, value);
  }

  #heading() {
    const { students, exercises } = this.#model;
    const roomy = exercises.length <= FEW && this.#room.width >= 640 && exercises.every((name) => name.length <= FITS);
    const headings = JSON.stringify([exercises, roomy]);
    const short = () => shortNames(exercises).map((name) => cut(name, LONGEST));
    if (headings !== this.#headings) this.#name(exercises, roomy ? exercises : short());
    this.#headings = headings;
    const caption = `${count(students.length, "student")}, ${count(exercises.length, "exercise")}`;
    if (this.#caption.textContent !== caption) {
      this.#caption.textContent = caption;
      mark(this.#table, "aria-rowcount", students.length + 1);
    }
    const passed = new Map(exercises.map((name) => [name, 0]));
    for (const { row } of students) {
      for (const name in row.ex) if (row.ex[name][0] === 2) passed.set(name, passed.get(name) + 1);
    }
    exercises.forEach((name, index) => this.#share(this.#shares[index], name, passed.get(name), students.length));
  }

  #name(exercises, short) {
    this.#longest = Math.max(0, ...short.map((name) => name.length));
    this.#shares = exercises.map(() => ({ bar: el("span", { class: "bar", "aria-hidden": "true" }), words: unseen(""), share: NaN }));
    const columns = short.map((name, index) =>
      cellOf("th", "columnheader", { scope: "col", class: "ex", title: exercises[index] },
        el("span", { class: "label", dir: "auto", "aria-hidden": "true" }, name), this.#shares[index].words, this.#shares[index].bar));
    const heading = (name, ...children) => cellOf("th", "columnheader", { scope: "col", class: name }, ...children);
    this.#head.replaceChildren(
      el("tr", { role: "row", "aria-rowindex": "1" }, heading("sign", unseen("Needs help")), heading("student", "Student"),
        heading("done", "Passed"), ...columns, heading("where", "Now at")));
  }

  #share(column, name, passed, students) {
    const share = students ? passed / students : 0;
    if (share === column.share) return;
    column.share = share;
    column.bar.style.setProperty("--share", String(share));
    column.words.textContent = `${name}, ${percent(passed, students)} passed`;
  }

  #draw() {
    const { students, exercises, columns, at, now } = this.#model;
    const { top, height } = this.#room;
    const first = Math.max(0, Math.floor(top / this.#rowHeight) - MORE);
    const last = Math.min(students.length, Math.ceil((top + height) / this.#rowHeight) + MORE);
    const visible = students.slice(first, last);
    const kept = new Map();
    visible.forEach((student, place) => {
      const row = this.#rows.get(student.row.key) ?? new GridRow(() => this.#open(student.row.key));
      const name = nameOf(student.row);
      row.render(student, { index: first + place, name, exercises, columns, at: at(student.row), now });
      kept.set(student.row.key, row);
    });
    this.#rows = kept;
    const order = JSON.stringify([first, students.length, this.#rowHeight, [...kept.keys()]]);
    if (order !== this.#order) this.#arrange(first, students.length - last);
    this.#order = order;
    const active = kept.has(this.#active) ? this.#active : kept.keys().next().value;
    for (const [key, row] of kept) row.reachable = key === active;
  }

  #arrange(before, after) {
    const focused = document.activeElement?.closest?.("tr");
    this.#body.style.paddingBlock = `${before * this.#rowHeight}px ${after * this.#rowHeight}px`;
    this.#body.replaceChildren(...[...this.#rows.values()].map(({ node }) => node));
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
    const room = this.#room.height - this.#headHeight - 2 * this.#rowHeight; // and a part of the next
    const top = next * this.#rowHeight;
    if (top < this.#room.top) this.#scroller.scrollTop = top;
    if (top > this.#room.top + room) this.#scroller.scrollTop = top - room;
    this.#look();
    this.#draw();
    this.#rows.get(this.#active)?.focus();
  }
}

function legend() {
  const entry = (words, state, sign, isHere) =>
    el("li", {}, el("span", { class: "cell", "data-state": state, "data-here": isHere, "aria-hidden": "true" }, sign), words);
  return el("ul", { class: "legend", "aria-label": "What the marks mean" },
    entry("passed", "passed", "✓"), entry("tried so often, not passed", "tried", "3"), entry("is here now", "none", "", true),
    entry("not started", "none", ""), el("li", {}, hand(), "hand up"),
    el("li", {}, el("span", { class: "bang", "aria-hidden": "true" }, "!"), "needs help"));
}
