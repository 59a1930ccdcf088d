// One student: what happened, cell by cell, attempt by attempt.

import { el } from "./dom.js";
import { nameOf, namesAreHidden } from "./names.js";
import { clock, count, day } from "./words.js";

export class StudentView {
  node = el("dialog", { class: "student", "aria-labelledby": "student-name" });
  #key = "";
  #events = "";

  constructor() {
    this.node.addEventListener("close", () => (this.#key = ""));
    this.node.addEventListener("click", (event) => event.target === this.node && this.node.close());
  }

  /** The key of the row that is shown; empty where none is. */
  get key() {
    return this.#key;
  }

  /** @param {object} row @param {string[]} exercises all that the class has met */
  open(row, exercises) {
    this.#key = row.key;
    this.#events = "";
    const close = el("button", { type: "button", class: "close", autofocus: true }, "Close");
    close.addEventListener("click", () => this.node.close());
    this.head = el("div", {});
    this.list = el("ol", { class: "timeline" }, el("li", { class: "empty" }, "Reading ..."));
    this.node.replaceChildren(el("div", { class: "bar-top" }, this.head, close), this.list);
    this.render(row, exercises);
    if (!this.node.open) this.node.showModal();
  }

  render(row, exercises) {
    this.#key = row.key;
    const passed = Object.values(row.ex).filter(([state]) => state === 2).length;
    const notes = [`${passed} of ${count(exercises.length, "exercise")} passed`, row.cohort, count(row.sessions.length, "session")];
    if (row.was.length && !namesAreHidden()) notes.push(`before: ${row.was.join(", ")}`);
    if (row.clash) notes.push("the same name twice at the same time");
    this.head.replaceChildren(
      el("h2", { id: "student-name", dir: "auto" }, nameOf(row)),
      el("p", { dir: "auto" }, notes.filter(Boolean).join(" · ")));
  }

  /** @param {{events: object[], left_out: number}} timeline as `api/student` gives it */
  show({ events, left_out }) {
    const text = JSON.stringify(events);
    if (text === this.#events) return;
    this.#events = text;
    const steps = stepsOf(events).reverse();
    const nodes = steps.map((step, index) => node(step, steps[index - 1]));
    if (left_out) nodes.push(el("li", { class: "hint" }, `and ${count(left_out, "earlier event")}`));
    this.list.replaceChildren(...nodes);
  }
}

/** One step for a cell with what happened in it, and one for whatever else happened. */
function stepsOf(events) {
  const steps = [];
  let cell;
  for (const event of events) {
    if (event.event === "cell") {
      cell = { ...event, tests: [], end: undefined };
      steps.push(cell);
    } else if (event.event === "cell_end" && cell && !cell.end && cell.sess === event.sess && cell.cell_id === event.cell_id) {
      cell.end = event;
    } else if (event.event === "test" && cell && !cell.end && cell.sess === event.sess) {
      cell.tests.push(event);
    } else {
      steps.push(event);
    }
  }
  return steps;
}

function node(step, later) {
  const parts = [el("time", { datetime: new Date(step.at).toISOString() }, clock(step.at, true))];
  if (!later || day(later.at) !== day(step.at)) parts.unshift(el("span", { class: "day" }, day(step.at)));
  if (step.event === "cell") parts.push(...cellParts(step));
  else if (step.event === "test") parts.push(testLine(step));
  else parts.push(el("p", { class: "what" }, inWords(step)));
  return el("li", { "data-state": stateOf(step) }, ...parts);
}

function cellParts({ cell_id, code, seq, end, tests }) {
  const unended = seq === null ? "" : "not ended"; // who numbers nothing does not tell of a cell's end either
  const took = end ? (end.ms < 1000 ? `${end.ms} ms` : `${(end.ms / 1000).toFixed(1)} s`) : unended;
  const parts = [el("p", { class: "what" }, el("bdi", {}, el("strong", {}, String(cell_id))), " ", el("span", { class: "when" }, took))];
  if (code) parts.push(el("pre", { dir: "auto" }, String(code)));
  parts.push(...tests.map(testLine));
  const err = end?.err;
  if (err && !tests.some((test) => test.err === err)) parts.push(el("pre", { class: "error", dir: "auto" }, String(err)));
  return parts;
}

function testLine({ ex, ok, err, skipped, try: attempt }) {
  const result = skipped ? "skipped" : ok ? "✓ passed" : "✗ failed";
  return el("div", { class: "test", "data-state": skipped ? "none" : ok ? "passed" : "tried" },
    el("p", {}, el("strong", {}, result), " ", el("bdi", {}, String(ex)), skipped ? "" : `, attempt ${attempt}`),
    err ? el("pre", { class: "error", dir: "auto" }, String(err)) : "");
}

function stateOf(step) {
  if (step.event === "cell") return step.end ? (step.end.ok === false ? "tried" : "passed") : "none";
  if (step.event === "test") return step.ok ? "passed" : "tried";
  return step.event === "hand" && step.up ? "hand" : "none";
}

function inWords(step) {
  switch (step.event) {
    case "start": return `Began${step.frontend ? ` in ${step.frontend}` : ""}`;
    case "hand": return step.up ? "Raised a hand" : "Lowered the hand";
    case "rename": return namesAreHidden() ? "Corrected the name" : `Corrected the name ${step.prev}`;
    case "pause": return "Paused telemetry";
    case "resume": return "Resumed telemetry";
    case "cell_end": return `${step.cell_id} ended`;
    default: return String(step.event);
  }
}
