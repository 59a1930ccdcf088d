// Server-sent events: the class, then what changes, through lost lines and restarts.

const AGAIN_MS = 1000;
const SILENCE_MS = 40_000; // the server gives a sign of life every 15 s

/**
 * Follows the class until told to stop.
 *
 * Each message has an id; after a break the server is told the last one and sends what has
 * changed since, or all of it where it cannot know.
 *
 * @param {URLSearchParams} query which part of the class
 * @param {{whole: (message: object) => void, change: (message: object) => void,
 *   connection: (state: "live" | "lost") => void}} told
 * @returns {() => void} stops it
 */
export function follow(query, told) {
  let source, again, silence, seen = "";

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
    source.close();
  }

  open();
  return close;
}
