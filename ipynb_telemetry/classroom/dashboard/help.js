// Who needs help, the most urgent first.

import { el, hand, mark } from "./dom.js";
import { nameOf } from "./names.js";
import { inWords } from "./needs.js";

export class HelpView {
  node = el("section", { class: "help", "aria-label": "Who needs help", tabindex: "0" });
  #list = el("ol", { class: "needy" });
  #nobody = el("li", { class: "empty" }, el("strong", {}, "Nobody needs help right now."), " A raised hand shows up here at once.");
  /** @type {Map<string, Card>} */
  #cards = new Map();
  #order = "";

  /** @param {(row: object) => void} open @param {HTMLElement} limits the form with the two limits */
  constructor(open, limits) {
    this.open = open;
    this.node.append(limits, this.#list);
  }

  render({ students, now }) {
    const needy = students.filter(({ why }) => why.length).sort((a, b) => a.urgency - b.urgency);
    const cards = new Map();
    for (const { row, why } of needy) {
      const card = this.#cards.get(row.key) ?? new Card(this.open);
      card.render(row, why, why.map((each) => inWords(each, row, now)));
      cards.set(row.key, card);
    }
    this.#cards = cards;
    const order = JSON.stringify([...cards.keys()]);
    if (order !== this.#order || !this.#list.hasChildNodes()) this.#arrange();
    this.#order = order;
  }

  #arrange() {
    const focused = document.activeElement;
    this.#list.replaceChildren(...(this.#cards.size ? [...this.#cards.values()].map(({ node }) => node) : [this.#nobody]));
    if (this.#list.contains(focused)) focused.focus({ preventScroll: true }); // a node that is moved loses it
  }
}

/** One student; its button stays while the minutes go by, or nobody could aim at it. */
class Card {
  node = el("li", { class: "card" });
  #button = el("button", { type: "button", class: "name", dir: "auto" });
  #sign = el("span", { class: "why" });
  #note = el("span", { class: "note" }, "same name twice");
  #where = el("p", { class: "where", dir: "auto" });
  #chips = el("ul", { class: "chips" });
  #error = el("pre", { class: "error", dir: "auto" });
  #shown = "";
  #row = null;

  constructor(open) {
    this.#button.addEventListener("click", () => open(this.#row));
    this.node.append(el("div", { class: "who" }, this.#sign, this.#button, this.#note), this.#where, this.#chips, this.#error);
  }

  render(row, why, words) {
    this.#row = row;
    const shown = JSON.stringify([nameOf(row), row.clash, why, words, row.failing || row.cell, row.err]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    mark(this.node, "data-state", why[0]);
    this.#button.textContent = nameOf(row);
    this.#note.hidden = !row.clash;
    this.#sign.replaceChildren(why[0] === "hand" ? hand() : el("span", { class: "bang", "aria-hidden": "true" }, "!"));
    this.#where.textContent = row.failing || row.cell;
    this.#chips.replaceChildren(...words.map((word, index) => el("li", { "data-state": why[index] }, word)));
    this.#error.textContent = row.err;
    this.#error.hidden = !row.err;
  }
}
