// Times and numbers as people say them.

const MINUTE = 60_000;

/** How long ago, or for how long. @param {number} ms */
export function duration(ms) {
  const minutes = Math.floor(Math.max(0, ms) / MINUTE);
  if (minutes < 1) return `${Math.floor(Math.max(0, ms) / 1000)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return count(Math.floor(hours / 24), "day");
}

/** How long ago, in words that stand still for a while. @param {number} ms */
export function ago(ms) {
  return ms < 10_000 ? "now" : ms < MINUTE ? "< 1 min" : duration(ms);
}

/** As English has it, which the page is in; Intl would take 15 ms to be ready. */
export function number(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** @param {number} many @param {string} noun */
export function count(many, noun, nouns = `${noun}s`) {
  return `${number(many)} ${many === 1 ? noun : nouns}`;
}

/** @param {number} part @param {number} whole */
export function percent(part, whole) {
  return whole ? `${Math.round((100 * part) / whole)} %` : "";
}

/** A median of minutes. @param {number | null} minutes */
export function minutes(minutes) {
  if (minutes === null) return "";
  return minutes < 1 ? "under 1" : minutes < 10 ? minutes.toFixed(1) : Math.round(minutes).toString();
}

/** @param {number} ms milliseconds since 1970 */
export function clock(ms, seconds = false) {
  const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(ms).toLocaleTimeString([], seconds ? { ...parts, second: "2-digit" } : parts);
}

/** @param {number} ms milliseconds since 1970 */
export function day(ms) {
  return new Date(ms).toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" });
}

/** Without its middle where it is long: those that belong together differ at the end. */
export function cut(name, most) {
  const half = most / 2;
  return name.length > most ? `${name.slice(0, half - 1)}…${name.slice(-half)}` : name;
}

/**
 * Short names for columns: without what all of them begin with, up to a word's end.
 * @param {string[]} names
 */
export function shortNames(names) {
  if (names.length < 2) return names;
  let length = 0;
  while (names.every((name) => length < name.length && name[length] === names[0][length])) length++;
  const prefix = names[0].slice(0, length).replace(/[^\W_]*$/, "");
  const short = names.map((name) => name.slice(prefix.length));
  return short.every(Boolean) ? short : names;
}
