// Times: how long ago, and when that was in the reader's zone: beside it where one thing is looked
// at; in lists of the row that has the focus, of a time that is pressed, and of all by the key t.
// UTC stays in the title's second line. Every page works without it.
"use strict";
(() => {
  const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
  let all = false;
  // Whether the pointer was used last, and not a key.
  let pointed = false;
  const inFocus = (time) => !pointed && time.closest("tr:focus-within");
  // Those that were pressed, by row and time: their part of the page may be replaced by a newer one.
  const held = new Set();
  const key = (time) => (time.closest("[data-row]")?.dataset.row ?? "") + time.dateTime;

  const said = (time) => time.querySelector(":scope > .at");
  const show = (time) => {
    if (time.dataset.clock || said(time)) return;
    const at = document.createElement("span");
    at.className = "at";
    at.textContent = ` (${zone.format(new Date(time.dateTime))})`;
    time.append(at);
  };
  const hide = (time) => {
    if (!all && !time.dataset.full && !held.has(key(time))) said(time)?.remove();
  };
  const dress = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      if (time.dataset.utc) continue;
      time.dataset.utc = time.title;
      const at = new Date(time.dateTime);
      time.title = zone.format(at) + "\n" + time.dataset.utc;
      if (time.dataset.clock) time.textContent = clock.format(at);
      if (said(time)) {
        time.dataset.full = "1";
        said(time).textContent = ` (${zone.format(at)})`;
      }
      if (all || held.has(key(time)) || inFocus(time)) show(time);
    }
  };
  document.addEventListener("weir-dress", (event) => dress(event.detail));

  // Of a row, while it has the focus by the keyboard. A row that grows under the mouse as its button
  // goes down takes what was pressed away from it, and nothing is pressed.
  const row = (event) => event.target.closest?.("main tr")?.querySelectorAll("time") ?? [];
  document.addEventListener("pointerdown", () => { pointed = true; }, true);
  document.addEventListener("keydown", () => { pointed = false; }, true);
  document.addEventListener("focusin", (event) => {
    if (!pointed) for (const time of row(event)) show(time);
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.closest?.("tr")?.contains(event.relatedTarget)) return;
    const left = row(event);
    setTimeout(() => { for (const time of left) if (!inFocus(time)) hide(time); }, pointed ? 400 : 0);
  });

  // Of one, by a tap or a click; within a link or a button it leads where that leads.
  document.addEventListener("click", (event) => {
    const time = event.target.closest("time[data-utc]");
    if (!time || time.dataset.clock || time.dataset.full || time.closest("a, button, summary, label")) return;
    if (held.delete(key(time))) {
      if (!inFocus(time)) hide(time);
    } else {
      held.add(key(time));
      show(time);
    }
  });

  // Of all.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "t" || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.defaultPrevented || event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")) return;
    all = !all;
    for (const time of document.querySelectorAll("main time[data-utc]")) if (all) show(time); else hide(time);
  });

  dress(document);
})();
