// The class as it is, then server-sent events of what changes, through lost lines and restarts.

const AGAIN_MS = 1000;
const SILENCE_MS = 40_000; // the server gives a sign of life every 15 s

/**
 * Follows the class until told to stop.
 *
 * Each message has an id; the server is told the last one and sends what has changed since, or
 * all of it where it cannot know. The first message is asked for alone: a page without a query
 * comes with a header that has the browser do so before any script is here.
 *
 * @param {URLSearchParams} query which part of the class
 * @param {{whole: (message: object) => void, change: (message: object) => void,
 *   connection: (state: "live" | "lost") => void}} told
 * @returns {() => void} stops it
 */
export function follow(query, told) {
  const ended = new AbortController();
  let source, again, silence, seen = "";

  async function begin() {
    const asked = String(query);
    try {
      const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(SILENCE_MS)]);
      const answer = await fetch(asked ? `api/class?${asked}` : "api/class", { signal });
      if (answer.ok) {
        const message = await answer.json();
        if (!ended.signal.aborted) told.whole(message);
        seen = message.seen;
      }
    } catch {
      // The stream begins with all of it, as soon as there is a line.
    }
    if (!ended.signal.aborted) open();
  }

  function open() {
    const asked = new URLSearchParams(query);
    if (seen) asked.set("seen", seen);
    source = new EventSource(`api/stream?${asked}`);
    source.addEventListener("open", () => told.connection("live"));
    source.addEventListener("class", (event) => take(event, told.whole));
    source.addEventListener("change", (event) => take(event, told.change));
    source.addEventListener("alive", heard);
    source.addEventListener("error", () => {
      told.connection("lost");
      // A line that broke is opened again by the browser; after a refusal it gives up.
      if (source.readyState === EventSource.CLOSED) reopen();
    });
    heard();
  }

  function take(event, tell) {
    heard();
    seen = event.lastEventId;
    tell(JSON.parse(event.data));
  }

  function heard() {
    clearTimeout(silence);
    silence = setTimeout(() => {
      told.connection("lost");
      reopen();
    }, SILENCE_MS);
  }

  function reopen() {
    close();
    again = setTimeout(open, AGAIN_MS);
  }

  function close() {
    clearTimeout(again);
    clearTimeout(silence);
    source?.close();
  }

  begin();
  return () => {
    ended.abort();
    close();
  };
}
