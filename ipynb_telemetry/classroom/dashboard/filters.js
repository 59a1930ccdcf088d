// Which part of the class: notebook, cohort, date. Kept in the address, so a reload keeps them.

import { el } from "./dom.js";
import { day } from "./words.js";

const DAY = 24 * 3600 * 1000;
const WHEN = { "": "Latest lesson", today: "Today", week: "Last 7 days", all: "All dates", day: "On a day" };

export class Filters {
  #asked = new URLSearchParams(location.search);
  #notebook = el("select", { name: "notebook" });
  #cohort = el("select", { name: "cohort" });
  #when = el("select", { name: "when" }, ...Object.entries(WHEN).map(([value, text]) => el("option", { value }, text)));
  #day = el("input", { type: "date", name: "day", "aria-label": "Day" });
  #options = "";
  #cohorts = new Set();

  /** @param {HTMLFormElement} form @param {() => void} changed */
  constructor(form, changed) {
    form.append(
      label("Notebook", this.#notebook), label("Class", this.#cohort, "cohort"), label("When", this.#when), this.#day);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => {
      this.#read();
      changed();
    });
    this.#when.value = this.#asked.get("when") ?? "";
    this.#day.value = this.#asked.get("day") ?? "";
    this.#day.hidden = this.#when.value !== "day";
  }

  /** The notebook that was asked for, which may not be there; empty: the latest. */
  get notebook() {
    return this.#asked.get("notebook") ?? "";
  }

  /** Whether a class or a date was chosen. */
  get isPart() {
    return Boolean(this.#asked.get("cohort") || this.#when.value);
  }

  /** Shows a notebook that is offered. @param {string} name */
  choose(name) {
    this.#notebook.value = name;
    this.#notebook.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** What to ask the collector for. */
  query() {
    const query = new URLSearchParams();
    for (const name of ["notebook", "cohort"]) if (this.#asked.get(name)) query.set(name, this.#asked.get(name));
    const [since, until] = this.#span();
    if (since !== undefined) query.set("since", String(since));
    if (until !== undefined) query.set("until", String(until));
    return query;
  }

  /** Offers what there is. @param {import("./state.js").ClassState} state */
  offer(state) {
    for (const row of state.rows()) if (row.cohort) this.#cohorts.add(row.cohort);
    const cohorts = [...new Set([...this.#cohorts, this.#asked.get("cohort")])].filter(Boolean).sort();
    const isThere = !this.notebook || state.notebooks.some(([name]) => name === this.notebook);
    const notebooks = isThere ? state.notebooks : [[this.notebook], ...state.notebooks];
    const options = JSON.stringify([state.notebook, notebooks.map(([name]) => name), cohorts]);
    if (options === this.#options) return;
    this.#options = options;
    const choice = notebooks.length < 2 ? [] : notebooks; // a date takes a while to be put into words
    this.#notebook.replaceChildren(...choice.map(([name, last]) =>
      el("option", { value: name, selected: name === (isThere ? state.notebook : this.notebook) }, `${name || "(no notebook)"}, ${last ? day(last) : "nothing yet"}`)));
    this.#notebook.closest("label").hidden = !choice.length;
    this.#cohort.replaceChildren(el("option", { value: "" }, "Everybody"), ...cohorts.map((name) =>
      el("option", { value: name, selected: name === this.#asked.get("cohort") }, name)));
    this.#cohort.closest("label").hidden = !cohorts.length;
  }

  #read() {
    const { notebook, cohort, when, day: on } = Object.fromEntries(new FormData(this.#notebook.form));
    if (notebook !== this.#asked.get("notebook")) this.#cohorts.clear();
    this.#day.hidden = when !== "day";
    for (const [name, value] of Object.entries({ notebook, cohort, when, day: when === "day" ? on : "" })) {
      if (value) this.#asked.set(name, value);
      else this.#asked.delete(name);
    }
    history.replaceState(null, "", `?${this.#asked}${location.hash}`);
  }

  #span() {
    const midnight = new Date().setHours(0, 0, 0, 0);
    switch (this.#when.value) {
      case "today": return [midnight];
      case "week": return [midnight - 6 * DAY];
      case "all": return [0];
      case "day": {
        const start = this.#day.value ? new Date(`${this.#day.value}T00:00`) : new Date(midnight);
        return [start.getTime(), new Date(start).setDate(start.getDate() + 1)];
      }
      default: return [];
    }
  }
}

function label(text, control, name = "") {
  control.setAttribute("aria-label", text); // what a label holds would be read with all its options
  return el("label", { hidden: Boolean(name) }, el("span", { "aria-hidden": "true" }, text), control);
}
