// The one place where nodes are made. append() turns a string into a text node, so a
// student's name, code or message can be shown but can never become markup.

const SVG = "http://www.w3.org/2000/svg";
const HAND =
  "M7 12.5V6.4a1.5 1.5 0 0 1 3 0V11m0-.5V4.4a1.5 1.5 0 0 1 3 0V11m0-5.6a1.5 1.5 0 0 1 3 0V12m0-4a1.5 1.5 0 0 1 3 0v6.2c0 4-2.6 6.8-6.4 6.8-3 0-4.7-1.4-6.1-3.7l-2.3-3.8a1.55 1.55 0 0 1 2.6-1.7L7 12.5";

/**
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined>} [attributes] true: without a
 *   value; false or undefined: not there
 * @param {...(Node | string)} children
 */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** A raised hand, beside words that say so. */
export function hand() {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: HAND }));
}

/** Words for a screen reader alone. */
export function unseen(text) {
  return el("span", { class: "sr" }, text);
}

/** A cell of a table that CSS lays out: its role is said, since not all browsers keep it then. */
export function cellOf(tag, role, attributes, ...children) {
  return el(tag, { role, ...attributes }, ...children);
}

/** Sets an attribute, or takes it away. */
export function mark(node, name, value) {
  if (value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : String(value));
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) mark(node, name, value);
  node.append(...children);
  return node;
}
