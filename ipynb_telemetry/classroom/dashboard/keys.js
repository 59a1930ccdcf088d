// One key for what is often done, and a page that says which.

import { el } from "./dom.js";

// What the browser and the grid do by themselves.
const OWN = [["↑ ↓", ["from student to student, also Page Up and Down, Home, End"]], ["Enter", ["the student's timeline"]], ["Esc", ["back"]]];

/**
 * @param {Record<string, [string, () => void]>} keys by key: what it does, in words and in deed
 * @returns {() => void} shows or hides the list
 */
export function listen(keys) {
  const dialog = el("dialog", { class: "keys", "aria-label": "Keys" });
  const toggle = () => (dialog.open ? dialog.close() : dialog.showModal());
  const all = { ...keys, "?": ["this list", toggle] };
  const close = el("button", { type: "button", class: "close" }, "Close");
  close.addEventListener("click", () => dialog.close());
  dialog.append(
    el("h2", {}, "Keys"),
    el("dl", {}, ...[...Object.entries(all), ...OWN].flatMap(([key, [words]]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, words)])),
    close);
  document.body.append(dialog);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    // A digit is typed into a field, a letter is not: names are hidden from everywhere.
    if (event.target.closest("input, select, textarea") && event.key !== "h") return;
    const deed = all[event.key]?.[1];
    if (deed && (event.key === "?" || event.key === "h" || !document.querySelector("dialog[open]"))) {
      event.preventDefault();
      deed();
    }
  });
  return toggle;
}
