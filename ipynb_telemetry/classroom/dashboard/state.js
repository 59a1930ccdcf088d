// What the page knows of the class; knows nothing of the page.

import { nameOf, numberStudents } from "./names.js";
import { reasons, urgency } from "./needs.js";

/**
 * @typedef {object} Row one student, as `_Rows.text` in notebook.py has it
 * @property {string} key
 * @property {string} name
 * @property {string[]} was
 * @property {boolean} clash
 * @property {string} cohort
 * @property {number} arrived the smaller, the earlier the first event came, whenever it happened
 * @property {number} first
 * @property {number} last
 * @property {string} cell
 * @property {number} cellAt
 * @property {string} at
 * @property {number} hand
 * @property {boolean} paused
 * @property {Record<string, [number, number, number]>} ex state (0, 1 tried, 2 passed),
 *   attempts, whether it has ever passed
 * @property {number} fails
 * @property {number} since
 * @property {string} failing
 * @property {string} err
 * @property {number} same
 * @property {boolean} failedLast
 * @property {[string, number, number, number, number, number][]} sessions id, received and
 *   expected by their numbers, first, last, and how many events came without a number
 */

// By what is shown: in the order of hidden names, a class would know who is who.
const SORTS = {
  name: (a, b) => compare(nameOf(a.row), nameOf(b.row)),
  progress: (a, b) => b.passed - a.passed || b.tried - a.tried || compare(nameOf(a.row), nameOf(b.row)),
  stuck: (a, b) => a.urgency - b.urgency || b.why.length - a.why.length || compare(nameOf(a.row), nameOf(b.row)),
};
const { compare } = new Intl.Collator([], { numeric: true });

const AT_WORK_MS = 15 * 60_000; // after an event; views.py has the same

export class ClassState {
  notebook = "";
  /** @type {[string, number][]} */
  notebooks = [];
  /** @type {string[]} */
  exercises = [];
  /** Sessions last heard of before are left out, for there are too many; 0 where none is. */
  completeSince = 0;
  /** @type {Map<string, Row[]>} by name */
  #students = new Map();
  #ahead = 0;

  /** Takes a message that is all there is. */
  replace(message) {
    this.#students = new Map();
    this.merge(message);
  }

  /** Takes a message that is what has changed: all rows of each name in it. */
  merge(message) {
    for (const [name, rows] of Object.entries(message.students)) {
      for (const row of rows) Object.setPrototypeOf(row.ex, null); // or the exercise "constructor" would be in it
      if (rows.length) this.#students.set(name, rows);
      else this.#students.delete(name);
    }
    ({ notebook: this.notebook, notebooks: this.notebooks, exercises: this.exercises, completeSince: this.completeSince } = message);
    numberStudents(this.rows());
    this.#ahead = message.now - Date.now();
  }

  /** Milliseconds since 1970 by the collector's clock, which the students' times are by. */
  now() {
    return Date.now() + this.#ahead;
  }

  /** Notebooks besides this one that somebody works in. @returns {string[]} */
  elsewhere() {
    const since = this.now() - AT_WORK_MS;
    return this.notebooks.filter(([name, last]) => name !== this.notebook && last >= since).map(([name]) => name);
  }

  /** @returns {Row[]} */
  rows() {
    return [...this.#students.values()].flat();
  }

  /**
   * The class in order, each with what follows from the row at this moment.
   * @param {keyof typeof SORTS} sort
   * @param {{fail: number, silent: number}} limits in minutes
   */
  sorted(sort, limits) {
    const now = this.now();
    const students = this.rows().map((row) => {
      const why = reasons(row, now, limits);
      return {
        row,
        why,
        urgency: why.length ? urgency(row, why) : Infinity,
        ...countsOf(row),
      };
    });
    return students.sort(SORTS[sort]);
  }

  /** The exercise that a student is at: that of the last cell or failure, else the next. */
  at(row) {
    if (this.now() - row.last > 3_600_000) return "";
    return row.at && row.ex[row.at]?.[0] !== 2 ? row.at : this.#next(row);
  }

  #next(row) {
    const after = Math.max(-1, ...this.exercises.flatMap((name, index) => (row.ex[name]?.[0] === 2 ? [index] : [])));
    return this.exercises[after + 1] ?? "";
  }
}

/** @type {WeakMap<Row, {passed: number, tried: number}>} a row is never changed, only replaced */
const counted = new WeakMap();

function countsOf(row) {
  if (!counted.has(row)) {
    const states = Object.values(row.ex).map(([state]) => state);
    counted.set(row, { passed: states.filter((state) => state === 2).length, tried: states.filter(Boolean).length });
  }
  return counted.get(row);
}
