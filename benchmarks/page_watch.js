// Runs in the page before its own scripts: when is the grid there, when is what changes in it?

(() => {
  const watched = (globalThis.watched = { dom: 0, painted: 0, updates: [], cells: {} });
  let heard = 0;

  // Ours is the first listener, so this is when the news has reached the page.
  const listen = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (name, ...rest) {
    if (name === "change") listen.call(this, name, () => (heard = performance.now()));
    return listen.call(this, name, ...rest);
  };

  /** When the frame is made in which `node` is as it is now: this is looked at in each frame. */
  function whenPainted(node, tell) {
    const observer = new IntersectionObserver(() => {
      observer.disconnect();
      tell(performance.now());
    });
    observer.observe(node);
  }

  new MutationObserver((records) => {
    const now = performance.now();
    const rows = document.querySelectorAll(".grid tbody tr");
    if (!rows.length) return;
    if (!watched.dom) {
      watched.dom = now;
      whenPainted(rows[0], (painted) => (watched.painted = painted));
    }
    if (heard && records.some(({ target }) => target.closest?.(".grid tbody"))) {
      const since = heard;
      heard = 0;
      whenPainted(rows[0], (painted) => watched.updates.push({ dom: now - since, painted: painted - since }));
    }
    for (const row of rows) {
      const cell = row.querySelector(".at")?.textContent;
      if (!cell || cell in watched.cells) continue;
      watched.cells[cell] = 0;
      whenPainted(row, (painted) => (watched.cells[cell] = performance.timeOrigin + painted));
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
})();
