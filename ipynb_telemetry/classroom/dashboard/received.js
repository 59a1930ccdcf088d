// Is it all there: events expected by their numbers against events received.

import { el } from "./dom.js";
import { nameOf } from "./names.js";
import { clock, count, day, number } from "./words.js";

const MOST = 200; // of the sessions that are complete

export class ReceivedView {
  node = el("section", { class: "received", "aria-label": "Is it all there", tabindex: "0" });
  #shown = "";

  render({ students }) {
    const sessions = students.flatMap(({ row }) => row.sessions.map((session) => ({ name: nameOf(row), session })));
    const shown = JSON.stringify(sessions);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const missing = ({ session: [, received, expected] }) => expected - received;
    const torn = sessions.filter(missing).sort((a, b) => missing(b) - missing(a));
    const whole = sessions.filter((each) => !missing(each));
    const total = sessions.reduce((sum, { session }) => sum + session[2], 0);
    const lost = torn.reduce((sum, each) => sum + missing(each), 0);
    const unnumbered = sessions.reduce((sum, { session }) => sum + session[5], 0);
    if (!sessions.length) {
      this.node.replaceChildren(el("p", { class: "empty" }, el("strong", {}, "No event has arrived yet.")));
      return;
    }
    this.node.replaceChildren(
      total || !unnumbered ? verdict(total, lost, torn.length) : "",
      unnumbered ? el("p", { class: "verdict" }, `${count(unnumbered, "event")} came without a number, from an older notebook: whether one is missing cannot be told.`) : "",
      el("div", { class: "scroller" }, table([...torn, ...whole.slice(0, MOST)])),
      whole.length > MOST ? el("p", { class: "hint" }, `and ${count(whole.length - MOST, "more session")}, complete`) : "");
  }
}

function verdict(total, lost, sessions) {
  if (!lost) return el("p", { class: "verdict", "data-state": "passed" }, `✓ All ${count(total, "event")} have arrived.`);
  return el("p", { class: "verdict", "data-state": "tried" },
    el("strong", {}, `${number(lost)} of ${count(total, "event")} ${lost === 1 ? "is" : "are"} missing, from ${count(sessions, "session")}.`),
    " They may still wait on the student's computer: they are sent when it is back on line.");
}

function table(sessions) {
  const headings = ["Student", "Session", "Received", "Expected", "Missing", "From", "To"];
  return el("table", {},
    el("thead", {}, el("tr", {}, ...headings.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...sessions.map(({ name, session: [sess, received, expected, first, last, unnumbered] }) =>
      el("tr", { "data-state": expected > received ? "tried" : "passed" },
        el("th", { scope: "row", dir: "auto" }, name),
        el("td", {}, el("code", {}, sess)),
        el("td", { class: "number" }, number(received + unnumbered)),
        el("td", { class: "number" }, expected ? number(expected + unnumbered) : "not told"),
        el("td", { class: "number missing" }, expected > received ? number(expected - received) : expected ? "✓ none" : "not told"),
        el("td", { class: "number" }, `${day(first)} ${clock(first)}`),
        el("td", { class: "number" }, clock(last))))));
}
