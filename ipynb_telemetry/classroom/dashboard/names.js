// Names, or what stands for them on a projector: numbers in the order in which students came, so
// that every page has the same, also after a reload, a corrected name or a late event.

let hidden = localStorage.getItem("names") === "hidden";
/** @type {Map<string, number>} by key */
let numbers = new Map();

/** Numbers all students of a class. @param {import("./state.js").Row[]} rows */
export function numberStudents(rows) {
  const came = [...rows].sort((a, b) => a.arrived - b.arrived);
  numbers = new Map(came.map(({ key }, index) => [key, index + 1]));
}

/** What to call the student of a row. */
export function nameOf(row) {
  return hidden ? `Student ${numbers.get(row.key)}` : row.name;
}

export function namesAreHidden() {
  return hidden;
}

export function hideNames(hide) {
  hidden = hide;
  localStorage.setItem("names", hide ? "hidden" : "shown");
}
