// What somebody is writing, and where on the page they are, is kept. Every page works without it.
"use strict";
(() => {
  // Another look takes nothing of the page away: it is not asked for anew.
  addEventListener("submit", async (event) => {
    const looks = event.target;
    if (!looks.matches("form[action='/theme']") || !event.submitter) return;
    event.preventDefault();
    event.stopPropagation();
    const theme = event.submitter.value;
    const body = new URLSearchParams(new FormData(looks));
    body.set("theme", theme);
    try {
      await fetch(looks.action, { method: "POST", body, redirect: "manual" });
    } catch { /* it is so on this page alone */ }
    const page = document.documentElement;
    if (theme) page.dataset.theme = theme; else delete page.dataset.theme;
    for (const button of looks.querySelectorAll("button")) {
      if (button.value === theme) button.setAttribute("aria-pressed", "true");
      else button.removeAttribute("aria-pressed");
    }
    const menu = looks.closest("details");
    menu.open = false;
    menu.querySelector("summary").focus();
  }, true);

  const form = document.querySelector("form[data-preview]");
  if (!form) return;

  // Whoever leaves with something that is not saved is asked by the browser.
  let changed = form.dataset.changed === "1";
  let sent = false;
  form.addEventListener("input", (event) => { if (!event.target.closest("[data-filter]")) changed = true; });
  addEventListener("beforeunload", (event) => { if (changed && !sent) event.preventDefault(); });
  addEventListener("pageshow", () => { sent = false; });

  // Enter in a box looks at what is written, as the button Preview does, and stays there.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !event.target.matches("input:not([data-enter], [data-filter])")) return;
    event.preventDefault();
    form.dispatchEvent(new Event("look"));
  });

  // A button that shows the form anew comes back to where it was pressed.
  const PLACE = "weir-place";
  form.addEventListener("submit", (event) => {
    sent = true;
    const by = event.submitter;
    if (by && /^(save|reindex)$/.test(by.value)) return;
    const at = form.contains(document.activeElement) ? document.activeElement : by;
    const place = { page: location.pathname, top: scrollY, name: at?.name, value: at?.matches("button") ? at.value : null };
    try { sessionStorage.setItem(PLACE, JSON.stringify(place)); } catch { /* it begins at the top */ }
  });
  let place = null;
  try {
    place = JSON.parse(sessionStorage.getItem(PLACE));
    sessionStorage.removeItem(PLACE);
  } catch { /* as above */ }
  // What is said at the top alone is to be seen.
  const isSaid = [...document.querySelectorAll("#faults li")].some((one) => !one.querySelector("a"));
  if (!place || place.page !== location.pathname || isSaid || document.querySelector("[autofocus]")) return;
  const at = [...form.elements].find((one) => one.name === place.name && (place.value === null || one.value === place.value));
  (at ?? document.getElementById("main")).focus({ preventScroll: true });
  scrollTo(0, place.top);
})();
