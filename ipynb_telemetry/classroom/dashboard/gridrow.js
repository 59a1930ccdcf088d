// One row of the grid: made once, then changed only where it has changed.

import { cellOf, el, hand, mark, unseen } from "./dom.js";
import { inWords } from "./needs.js";
import { ago, count } from "./words.js";

const STATES = ["none", "tried", "passed"];
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const FEW = 12; // exercises: with more of them, what changes is too small to be seen to move
const pattern = document.createDocumentFragment();

export class GridRow {
  node = el("tr", { role: "row" });
  #sign = cellOf("td", "cell", { class: "sign" });
  #button = el("button", { type: "button", class: "name", dir: "auto" });
  #name = cellOf("th", "rowheader", { scope: "row" }, this.#button);
  #done = el("span", { class: "count" });
  #bar = el("span", { class: "bar", "aria-hidden": "true" });
  #where = cellOf("td", "cell", { class: "where", dir: "auto" });
  /** @type {Map<string, HTMLElement>} the mark of each exercise */
  #cells = new Map();
  #columns = "";
  #shown = {};

  constructor(open) {
    this.#button.addEventListener("click", open);
  }

  focus() {
    this.#button.focus({ preventScroll: true });
  }

  set reachable(reachable) {
    this.#button.tabIndex = reachable ? 0 : -1;
  }

  /** @param {object} student as `ClassState.sorted` has it */
  render(student, { index, name, exercises, columns, at, now }) {
    const { row, why, passed } = student;
    if (this.#columns !== columns) this.#arrange(exercises, columns);
    this.#if("index", index, () => mark(this.node, "aria-rowindex", index + 2));
    this.#if("name", `${name}|${row.clash}|${row.was}`, () => this.#call(name, row));
    this.#if("why", why.map((each) => inWords(each, row, now)).join(", "), (words) => this.#warn(why, words));
    this.#if("paused", row.paused, () => mark(this.node, "data-paused", row.paused));
    this.#if("done", `${passed}/${exercises.length}`, (text) => {
      this.#done.textContent = text;
      this.#bar.style.setProperty("--share", String(exercises.length ? passed / exercises.length : 0));
    });
    this.#if("where", `${row.cell}|${row.paused}|${row.fails && row.err}|${ago(now - row.last)}`, () => this.#place(row, now));
    for (const exercise of exercises) {
      const [state = 0, attempts = 0, ever = 0] = row.ex[exercise] ?? [];
      this.#if(`ex ${exercise}`, `${state}|${attempts}|${ever}|${exercise === at}`, (_, isNew) =>
        this.#cell(this.#cells.get(exercise), STATES[state], attempts, ever > 0, exercise === at, isNew),
      );
    }
  }

  #if(part, value, change) {
    if (this.#shown[part] === value) return;
    const isNew = !(part in this.#shown);
    this.#shown[part] = value;
    change(value, isNew);
  }

  #arrange(exercises, columns) {
    this.#columns = columns;
    this.#shown = {};
    const cells = cellsFor(exercises.length);
    this.#cells = new Map(exercises.map((exercise, index) => [exercise, cells.children[index].firstChild]));
    const done = cellOf("td", "cell", { class: "done" }, this.#done, this.#bar);
    this.node.replaceChildren(this.#sign, this.#name, done, cells, this.#where);
  }

  #call(name, row) {
    this.#button.textContent = name;
    const notes = [];
    if (row.clash) notes.push(el("span", { class: "note", "data-state": "clash", title: "same name twice" }, "same name twice"));
    this.#name.replaceChildren(this.#button, ...notes);
  }

  #warn(why, words) {
    mark(this.node, "data-state", why[0]);
    this.#sign.title = words;
    const sign = why[0] === "hand" ? hand() : el("span", { class: "bang", "aria-hidden": "true" }, "!");
    this.#sign.replaceChildren(...(why.length ? [sign, unseen(`Needs help: ${words}`)] : []));
  }

  #place(row, now) {
    const when = row.paused ? "paused" : ago(now - row.last);
    this.#where.replaceChildren(el("span", { class: "at" }, row.cell), " ", el("span", { class: "when" }, when));
    if (row.fails && row.err) this.#where.append(" ", el("code", { title: row.err }, row.err));
  }

  #cell(box, state, attempts, ever, here, isNew) {
    const more = state === "passed" && attempts > 1 ? `${attempts}×` : state === "tried" && ever ? "↺" : undefined;
    const said = { none: "not started", tried: ever ? "passed before, now failing" : "tried", passed: "passed" }[state];
    const words = [said, attempts ? count(attempts, "attempt") : "", here ? "is here" : ""];
    mark(box, "data-state", state);
    mark(box, "data-here", here);
    mark(box, "data-mark", state === "passed" ? "✓" : attempts ? String(attempts) : undefined);
    mark(box, "data-more", more);
    mark(box, "aria-label", words.filter(Boolean).join(", "));
    if (!isNew && this.#cells.size <= FEW && !CALM.matches) {
      box.animate([{ opacity: 0.4 }, { opacity: 1 }], { duration: 600, easing: "ease-out" });
    }
  }
}

/** As many empty cells; copied, because that takes a third of the time of making them. */
function cellsFor(number) {
  if (pattern.children.length !== number) {
    const cell = () => cellOf("td", "cell", { class: "ex" }, el("span", { class: "cell", role: "img" }));
    pattern.replaceChildren(...Array.from({ length: number }, cell));
  }
  return pattern.cloneNode(true);
}
