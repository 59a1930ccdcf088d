// Who needs help, the most urgent first.

import { el, hand } from "./dom.js";
import { nameOf } from "./names.js";
import { inWords } from "./needs.js";

export class HelpView {
  node = el("section", { class: "help", "aria-label": "Who needs help" });
  #list = el("ol", { class: "needy" });
  #shown = "";

  /** @param {(row: object) => void} open @param {HTMLElement} limits the form with the two limits */
  constructor(open, limits) {
    this.open = open;
    this.node.append(limits, this.#list);
  }

  render({ students, now }) {
    const needy = students.filter(({ why }) => why.length).sort((a, b) => a.urgency - b.urgency);
    const cards = needy.map(({ row, why }) => [nameOf(row), row, why.map((each) => inWords(each, row, now)), why]);
    const shown = JSON.stringify(cards.map(([name, row, words]) => [name, row.key, row.err, row.cell, words]));
    if (shown === this.#shown) return;
    this.#shown = shown;
    const nobody = el("li", { class: "empty" }, el("strong", {}, "Nobody needs help right now."), " A raised hand shows up here at once.");
    this.#list.replaceChildren(...(cards.length ? cards.map((card) => this.#card(...card)) : [nobody]));
  }

  #card(name, row, words, why) {
    const button = el("button", { type: "button", class: "name", dir: "auto" }, name);
    button.addEventListener("click", () => this.open(row));
    return el(
      "li",
      { class: "card", "data-state": why[0] },
      el("div", { class: "who" }, why[0] === "hand" ? hand() : el("span", { class: "bang", "aria-hidden": "true" }, "!"), button),
      el("p", { class: "where", dir: "auto" }, row.failing || row.cell),
      el("ul", { class: "chips" }, ...words.map((word, index) => el("li", { "data-state": why[index] }, word))),
      row.err ? el("pre", { class: "error", dir: "auto" }, row.err) : "",
    );
  }
}
