// Names, or what stands for them on a projector.

let hidden = localStorage.getItem("names") === "hidden";
/** @type {Map<string, number>} */
const numbers = new Map();

/** What to call the student of a row. */
export function nameOf(row) {
  if (!numbers.has(row.key)) numbers.set(row.key, numbers.size + 1);
  return hidden ? `Student ${numbers.get(row.key)}` : row.name;
}

export function namesAreHidden() {
  return hidden;
}

export function hideNames(hide) {
  hidden = hide;
  localStorage.setItem("names", hide ? "hidden" : "shown");
}
