// Each exercise: how many passed, how hard it was, what went wrong.

import { el, unseen } from "./dom.js";
import { count, minutes, number as figures, percent } from "./words.js";

export class ExercisesView {
  node = el("section", { class: "exercises", "aria-label": "Each exercise", tabindex: "0" });
  address = "api/exercises";

  /** @param {object[]} figures as `exercise_figures` in summary.py gives them */
  show(figures) {
    const nothing = el("p", { class: "empty" }, el("strong", {}, "No exercise has been tried yet."));
    this.node.replaceChildren(figures.length ? el("div", { class: "scroller" }, table(figures)) : nothing);
  }
}

function table(figures) {
  const headings = ["Exercise", "Passed", "First try", "Median attempts", "Median minutes", "Most common errors"];
  const titles = ["", "", "of those who tried", "of those who tried", "until it passed, of those who passed", ""];
  return el("table", {},
    el("thead", {}, el("tr", {}, ...headings.map((text, index) => el("th", { scope: "col", title: titles[index] || undefined }, text)))),
    el("tbody", {}, ...figures.map(row)));
}

function row(figure) {
  const share = el("span", { class: "shares", "aria-hidden": "true" },
    part("passed", figure.passed / figure.students), part("tried", (figure.tried - figure.passed) / figure.students));
  return el("tr", {},
    el("th", { scope: "row", dir: "auto" }, figure.name),
    el("td", { class: "passed" }, share,
      el("span", {}, `${figures(figure.passed)} of ${figures(figure.students)}`),
      el("span", { class: "trying" }, figure.tried > figure.passed ? `, ${figures(figure.tried - figure.passed)} still trying` : "")),
    number("at the first try", percent(figure.firstTry, figure.tried)),
    number(figure.attempts === 1 ? "attempt (median)" : "attempts (median)", figure.attempts === null ? "" : String(figure.attempts)),
    number(figure.minutes <= 1 ? "minute (median)" : "minutes (median)", minutes(figure.minutes)),
    el("td", {}, el("ul", { class: "errors" }, ...figure.errors.map(error))));
}

/** A figure; its name is shown where the table's heading is not. */
function number(name, text) {
  return el("td", { class: "number", "data-name": text && name }, text);
}

function part(state, share) {
  const node = el("span", { "data-state": state });
  node.style.inlineSize = `${100 * share}%`;
  return node;
}

function error([message, times, people]) {
  const title = `${count(times, "time")}, ${count(people, "student")}`;
  return el("li", { title }, el("span", { class: "times", "aria-hidden": "true" }, count(people, "student")), unseen(title), el("code", { dir: "auto" }, message));
}
