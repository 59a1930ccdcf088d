// Who needs help and why: the rule, which is that of `reasons` in students.py.

import { count, duration } from "./words.js";

const MINUTE = 60_000;
const GONE = 60 * MINUTE;
const SAME = 3;

/**
 * Why a student needs help, the most pressing first.
 * @param {import("./state.js").Row} row
 * @param {number} now
 * @param {{fail: number, silent: number}} limits in minutes
 */
export function reasons(row, now, limits) {
  const silent = now - row.last;
  if (silent > GONE) return [];
  const holds = {
    hand: row.hand > 0,
    failing: row.fails > 0 && now - row.since >= limits.fail * MINUTE,
    same: row.same >= SAME,
    silent: row.failedLast && !row.paused && silent >= limits.silent * MINUTE,
  };
  return Object.keys(holds).filter((reason) => holds[reason]);
}

/** The smaller, the sooner somebody should go there: raised hands, then who waits longest. */
export function urgency(row, why) {
  const since = row.hand || row.since || row.last;
  return why.includes("hand") ? since - 1e15 : since;
}

/** What a reason is called. */
export function inWords(reason, row, now) {
  return {
    hand: `Hand up for ${duration(now - row.hand)}`,
    failing: `${count(row.fails, "failed attempt")} in ${duration(now - row.since)}`,
    same: `The same error ${row.same} times`,
    silent: `Silent for ${duration(now - row.last)} after a failure`,
  }[reason];
}
