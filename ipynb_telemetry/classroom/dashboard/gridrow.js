// One row of the grid: made once, then changed only where it has changed.

import { cellOf, el, hand, mark, unseen } from "./dom.js";
import { inWords } from "./needs.js";
import { ago, count } from "./words.js";

const STATES = ["none", "tried", "passed"];
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const FEW = 12; // exercises: with more of them, what changes is too small to be seen to move
/** @type {Map<string, HTMLElement>} cells of each kind: a copy takes a third of the time of making one */
const patterns = new Map();

export class GridRow {
  node = el("tr", { role: "row" });
  #sign = cellOf("td", "cell", { class: "sign" });
  #button = el("button", { type: "button", class: "name", dir: "auto" });
  #name = cellOf("th", "rowheader", { scope: "row" }, this.#button);
  #done = el("span", { class: "count" });
  #bar = el("span", { class: "bar", "aria-hidden": "true" });
  #where = cellOf("td", "cell", { class: "where", dir: "auto" });
  /** @type {HTMLElement[]} one for each exercise */
  #cells = [];
  /** @type {string[]} what is in each */
  #kinds = [];
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
    const kinds = exercises.map((exercise) => kindOf(row.ex[exercise], exercise === at));
    if (this.#columns !== columns) this.#arrange(kinds, columns);
    else this.#change(kinds);
    this.#if("index", index, () => mark(this.node, "aria-rowindex", index + 2));
    this.#if("name", `${name}|${row.clash}|${row.was}`, () => this.#call(name, row));
    this.#if("why", why.map((each) => inWords(each, row, now)).join(", "), (words) => this.#warn(why, words));
    this.#if("paused", row.paused, () => mark(this.node, "data-paused", row.paused));
    this.#if("done", `${passed}/${exercises.length}`, (text) => {
      this.#done.textContent = text;
      this.#bar.style.setProperty("--share", String(exercises.length ? passed / exercises.length : 0));
    });
    this.#if("where", `${row.cell}|${row.paused}|${row.fails && row.err}|${ago(now - row.last)}`, () => this.#place(row, now));
  }

  #if(part, value, change) {
    if (this.#shown[part] === value) return;
    this.#shown[part] = value;
    change(value);
  }

  #arrange(kinds, columns) {
    this.#columns = columns;
    this.#shown = {};
    this.#kinds = kinds;
    this.#cells = kinds.map(cellOfKind);
    const done = cellOf("td", "cell", { class: "done" }, this.#done, this.#bar);
    this.node.replaceChildren(this.#sign, this.#name, done, ...this.#cells, this.#where);
  }

  #change(kinds) {
    kinds.forEach((kind, index) => {
      if (kind === this.#kinds[index]) return;
      const cell = cellOfKind(kind);
      this.#cells[index].replaceWith(cell);
      this.#cells[index] = cell;
      if (kinds.length <= FEW && !CALM.matches) {
        cell.firstChild.animate([{ opacity: 0.4 }, { opacity: 1 }], { duration: 600, easing: "ease-out" });
      }
    });
    this.#kinds = kinds;
  }

  #call(name, row) {
    this.#button.textContent = this.#button.title = name; // a long one is cut
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
}

/** All that can be seen of a cell. */
function kindOf([state, attempts, ever] = [0, 0, 0], isHere) {
  return `${state} ${attempts} ${ever} ${Number(isHere)}`;
}

function cellOfKind(kind) {
  if (!patterns.has(kind)) patterns.set(kind, pattern(...kind.split(" ").map(Number)));
  return patterns.get(kind).cloneNode(true);
}

function pattern(number, attempts, ever, isHere) {
  const state = STATES[number];
  const said = { none: "not started", tried: ever ? "passed before, now failing" : "tried", passed: "passed" }[state];
  const words = [said, attempts ? count(attempts, "attempt") : "", isHere ? "is here" : ""];
  const more = state === "passed" && attempts > 1 ? `${attempts}×` : state === "tried" && ever ? "↺" : undefined;
  const sign = state === "passed" ? "✓" : attempts ? String(attempts) : "";
  const label = words.filter(Boolean).join(", ");
  return cellOf("td", "cell", { class: "ex" },
    el("span", { class: "cell", role: "img", "data-state": state, "data-here": Boolean(isHere), "data-more": more, "aria-label": label }, sign));
}
