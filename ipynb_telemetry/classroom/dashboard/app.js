// The wiring: the stream changes the state, the state is drawn, at most once a frame.

import { el, mark } from "./dom.js";
import { ExercisesView } from "./exercises.js";
import { Filters } from "./filters.js";
import { GridView } from "./grid.js";
import { HelpView } from "./help.js";
import { listen } from "./keys.js";
import { hideNames, nameOf, namesAreHidden } from "./names.js";
import { PaceView } from "./pace.js";
import { ReceivedView } from "./received.js";
import { ClassState } from "./state.js";
import { follow } from "./stream.js";
import { StudentView } from "./student.js";
import { clock, day, number } from "./words.js";

const SORTS = { name: "Name", progress: "Progress", stuck: "Stuck longest" };
const THEMES = ["auto", "light", "dark"];
const ASK_EVERY_MS = 1000; // figures that the collector works out are asked for no more often
const TICK_MS = 5000; // what grows older without an event

const at = (id) => document.getElementById(id);
const kept = (name, otherwise) => localStorage.getItem(name) ?? otherwise;

const state = new ClassState();
const settings = {
  sort: kept("sort", "name"),
  theme: kept("theme", "auto"),
  limits: { fail: Number(kept("fail", 5)), silent: Number(kept("silent", 5)) },
};
const student = new StudentView();
const limits = limitsForm();
const views = {
  class: { name: "Class now", view: new GridView(open) },
  help: { name: "Who needs help", view: new HelpView(open, limits) },
  exercises: { name: "Exercises", view: new ExercisesView() },
  pace: { name: "Pace", view: new PaceView() },
  received: { name: "Is it all there?", view: new ReceivedView() },
};
const filters = new Filters(at("filters"), connect);
const links = new Map();
const badges = new Map();
let stop = () => {};
let frame = 0;
let current = "class";
let raised = null;
let toggleKeys = () => {};
let isKnown = false; // before the first message there is nothing to draw

function connect() {
  stop();
  connection("opening");
  let isFirst = true;
  stop = follow(filters.query(), {
    whole(message) {
      if (isFirst) raised = null;
      isFirst = false;
      state.replace(message);
      isKnown = true;
      drawNow(); // not with the next frame: somebody waits for it
      askAgain();
    },
    change(message) {
      state.merge(message);
      draw();
      askAgain();
    },
    connection,
  });
}

function connection(now) {
  mark(at("connection"), "data-state", now);
  at("connection").textContent = { live: "live", lost: "reconnecting", opening: "connecting" }[now];
}

function draw() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    drawNow();
  });
}

function drawNow() {
  if (!isKnown) return;
  const students = state.sorted(settings.sort, settings.limits);
  const model = { students, exercises: state.exercises, at: (row) => state.at(row), now: state.now(), isPart: filters.isPart };
  filters.offer(state);
  summarize(model);
  announce(students);
  views[current].view.render?.(model);
  if (student.key) {
    const shown = students.find(({ row }) => row.key === student.key)
      ?? students.find(({ row }) => row.name === student.key || row.was.includes(student.key)); // renamed, or now a clash
    if (shown) student.render(shown.row, state.exercises);
  }
}

function summarize({ students, exercises }) {
  const passed = students.reduce((sum, each) => sum + each.passed, 0);
  const all = students.length * exercises.length;
  const needy = students.filter(({ why }) => why.length).length;
  const missing = students.reduce((sum, { row }) => sum + row.sessions.reduce((lost, [, got, wanted]) => lost + wanted - got, 0), 0);
  const title = state.notebook || (filters.notebook ? `Nothing yet from ${filters.notebook}` : "Waiting for the first student");
  at("title").textContent = title;
  document.title = state.notebook ? `${state.notebook}: the class now` : "The class now";
  const figures = [
    [number(students.length), students.length === 1 ? "student" : "students"],
    [all ? `${Math.round((100 * passed) / all)} %` : "0 %", "passed"],
    [number(needy), needy === 1 ? "needs help" : "need help"],
  ];
  const text = JSON.stringify(figures);
  if (at("summary").dataset.shown !== text) {
    at("summary").dataset.shown = text;
    at("summary").replaceChildren(...figures.map(([figure, words], index) =>
      el("div", { "data-state": index === 2 && needy ? "needy" : undefined }, el("dt", {}, words), el("dd", {}, figure))));
  }
  const { completeSince } = state;
  at("left-out").hidden = !completeSince;
  at("left-out").textContent = completeSince
    ? `Too many sessions for one view: those last heard of before ${day(completeSince)}, ${clock(completeSince)} are left out. Choose a day to see them.`
    : "";
  tellOfElsewhere();
  badge("help", needy ? number(needy) : "");
  badge("received", missing ? `${number(missing)} missing` : "");
}

/** Who works in another notebook would not be seen. */
function tellOfElsewhere() {
  const names = state.elsewhere();
  const text = JSON.stringify(names);
  if (at("elsewhere").dataset.shown === text) return;
  at("elsewhere").dataset.shown = text;
  at("elsewhere").hidden = !names.length;
  const choices = names.map((name) => button({ dir: "auto" }, name || "(no notebook)", () => filters.choose(name)));
  at("elsewhere").replaceChildren("At work in another notebook, too:", ...choices);
}

function badge(name, text) {
  const node = badges.get(name);
  if (node.textContent !== text) node.textContent = text;
}

/** Says a newly raised hand aloud; those that were up when the page opened are no news. */
function announce(students) {
  const up = students.filter(({ why }) => why.includes("hand"));
  const news = raised ? up.filter(({ row }) => !raised.has(row.key)) : [];
  raised = new Set(up.map(({ row }) => row.key));
  if (news.length) at("announcer").textContent = news.map(({ row }) => `${nameOf(row)} has raised a hand.`).join(" ");
}

// Figures that the collector works out: asked for while somebody looks at them.
let asking = 0;

function askAgain() {
  asking ||= setTimeout(() => {
    asking = 0;
    ask();
  }, ASK_EVERY_MS);
}

async function ask() {
  const { view } = views[current];
  const key = student.key;
  const query = filters.query();
  if (state.notebook) query.set("notebook", state.notebook);
  if (view.address) {
    const figures = await read(`${view.address}?${query}`);
    if (figures && views[current].view === view) view.show(figures);
  }
  if (key) {
    query.set("key", key);
    const timeline = await read(`api/student?${query}`);
    if (timeline && student.key === key) student.show(timeline);
  }
}

async function read(address) {
  try {
    const answer = await fetch(address);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the stream says that the line is lost; the next change asks again
  }
}

function open(row) {
  student.open(row, state.exercises);
  ask();
}

function show(name) {
  current = Object.hasOwn(views, name) ? name : "class";
  at("main").replaceChildren(views[current].view.node);
  for (const [each, link] of links) mark(link, "aria-current", each === current ? "page" : false);
  if (location.hash) links.get(current).scrollIntoView({ block: "nearest", inline: "nearest" }); // on a phone not all are in view
  mark(document.body, "data-view", current);
  drawNow();
  ask();
}

/** Shows a view and puts the focus there: who has come by a key goes on by keys. */
function go(name) {
  history.pushState(null, "", `#${name}`);
  show(name);
  at("main").querySelector("section[tabindex], .scroller").focus({ preventScroll: true });
}

function limitsForm() {
  const input = (name, words) => {
    const box = el("input", { type: "number", name, min: "1", max: "60", value: settings.limits[name] });
    return el("label", {}, `${words} `, box, " min");
  };
  const form = el("form", { class: "limits" }, input("fail", "Failing without a pass for"), input("silent", "Silent after a failure for"));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => {
    if (!target.validity.valid || !target.value) return;
    settings.limits[target.name] = Number(target.value);
    localStorage.setItem(target.name, target.value);
    draw();
  });
  return form;
}

function sortBy(sort) {
  settings.sort = sort;
  localStorage.setItem("sort", sort);
  for (const button of at("sorts").querySelectorAll("button")) mark(button, "aria-pressed", String(button.value === sort));
  draw();
}

function theme(name) {
  settings.theme = name;
  localStorage.setItem("theme", name);
  mark(document.documentElement, "data-theme", name === "auto" ? false : name);
  at("theme").textContent = { auto: "Light or dark", light: "Always light", dark: "Always dark" }[name];
}

function toggleNames() {
  hideNames(!namesAreHidden());
  mark(at("names"), "aria-pressed", String(namesAreHidden()));
  at("announcer").textContent = ""; // it may have said one
  draw();
}

function button(attributes, text, deed) {
  const node = el("button", { type: "button", ...attributes }, text);
  node.addEventListener("click", () => deed(node));
  return node;
}

function build() {
  const tabs = Object.entries(views).map(([name, { name: words }], index) => {
    const link = el("a", { href: `#${name}`, title: `key ${index + 1}` }, words);
    const note = el("span", { class: "badge" });
    link.append(" ", note);
    links.set(name, link);
    badges.set(name, note);
    return el("li", {}, link);
  });
  const sorts = Object.entries(SORTS).map(([value, text]) => button({ value }, text, () => sortBy(value)));
  at("views").append(
    el("ul", { class: "tabs" }, ...tabs),
    el("div", { class: "tools" },
      el("div", { id: "sorts", role: "group", "aria-label": "Sort by", title: "key s" }, el("span", { "aria-hidden": "true" }, "Sort by"), ...sorts),
      button({ id: "names", title: "key h", "aria-pressed": String(namesAreHidden()) }, "Hide names", toggleNames),
      button({ id: "keys", title: "key ?" }, "Keys", () => toggleKeys()),
      button({ id: "theme", title: "key t" }, "Light or dark", nextTheme)));
  document.body.append(student.node);
  const keys = Object.keys(views).map((name, index) => [String(index + 1), [views[name].name, () => go(name)]]);
  toggleKeys = listen({
    ...Object.fromEntries(keys),
    h: ["hide or show names", toggleNames],
    s: ["sort by the next", () => sortBy(next(Object.keys(SORTS), settings.sort))],
    t: ["light, dark, or as the computer has it", nextTheme],
  });
}

const next = (all, one) => all[(all.indexOf(one) + 1) % all.length];
const nextTheme = () => theme(next(THEMES, settings.theme));

build();
theme(settings.theme);
sortBy(settings.sort in SORTS ? settings.sort : "name");
addEventListener("hashchange", () => location.hash !== "#main" && show(location.hash.slice(1))); // that is the skip link's
show(location.hash.slice(1));
connect();
setInterval(draw, TICK_MS);
