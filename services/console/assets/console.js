// What makes the console's pages nicer. Every page works without it.
"use strict";
(() => {
  const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

  // Times in the reader's zone; UTC stays in the title's second line.
  const times = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      if (time.dataset.utc) continue;
      time.dataset.utc = time.title;
      time.title = zone.format(new Date(time.dateTime)) + "\n" + time.dataset.utc;
    }
  };

  // A bar at the top, once something takes longer than 300 ms.
  let busy = 0;
  const working = async (promise) => {
    busy++;
    const timer = setTimeout(() => {
      if (document.getElementById("busy")) return;
      const bar = document.createElement("div");
      bar.id = "busy";
      document.body.append(bar);
    }, 300);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      if (--busy === 0) document.getElementById("busy")?.remove();
    }
  };

  const parsed = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");

  // Puts the parts of another page into the places of the same ids here.
  const swap = (page, ids) => {
    for (const id of ids) {
      const [here, there] = [document.getElementById(id), page.getElementById(id)];
      if (!here || !there || here.contains(document.activeElement) && here.dataset.keep) continue;
      const open = [...here.querySelectorAll("details[open][id]")].map((one) => one.id);
      const fresh = document.importNode(there, true);
      for (const one of open) fresh.querySelector("#" + CSS.escape(one))?.setAttribute("open", "");
      if (here.isEqualNode(fresh)) continue;
      here.replaceWith(fresh);
      dress(fresh);
    }
  };

  // Live parts: asked for again while the page is seen, and not while the mouse is on them.
  const live = () => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const id = part.id;
      const tick = async () => {
        const now = document.getElementById(id);
        if (!now || !now.dataset.live) return;
        const paused = document.hidden || now.matches(":hover") && now.dataset.calm
          || now.contains(document.activeElement) || document.getElementById(id + "-pause")?.checked;
        if (!paused) {
          try {
            const answer = await fetch(location.href, { headers: { accept: "text/html" } });
            if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
              location.assign(answer.url);
              return;
            }
            if (answer.ok) swap(await parsed(answer), [id]);
          } catch { /* it is asked for again */ }
        }
        setTimeout(tick, 1000 * Number(now.dataset.live));
      };
      setTimeout(tick, 1000 * Number(part.dataset.live));
    }
  };

  // Forms whose answer is shown while they are filled in.
  const preview = (form) => {
    let timer, running;
    const run = async () => {
      running?.abort();
      running = new AbortController();
      const body = new URLSearchParams(new FormData(form));
      body.set("do", "preview");
      try {
        const answer = await working(fetch(form.action || location.href, { method: "POST", body, signal: running.signal }));
        const ids = form.dataset.preview.split(" ").flatMap((id) => id.endsWith("*")
          ? [...document.querySelectorAll(`[id^="${id.slice(0, -1)}"]`)].map((one) => one.id) : [id]);
        if (answer.ok) swap(await parsed(answer), ids);
      } catch { /* the button does the same */ }
    };
    form.addEventListener("input", (event) => {
      if (event.target.closest("[data-filter]")) return;
      // Who says what leads to a field wants it to take part.
      const line = event.target.name?.startsWith("path:") && event.target.closest("li");
      const tick = line && line.querySelector("[name^='on:']");
      if (tick) tick.checked = event.target.value !== "" || tick.checked;
      clearTimeout(timer);
      timer = setTimeout(run, 400);
    });
    form.addEventListener("draft", () => { clearTimeout(timer); timer = setTimeout(run, 50); });
  };

  // A search box that hides what does not match.
  const filter = (box) => {
    const list = document.getElementById(box.dataset.filter);
    const apply = () => {
      const wanted = box.value.trim().toLowerCase();
      for (const item of list?.querySelectorAll("[data-words]") ?? []) {
        item.hidden = !item.dataset.words.toLowerCase().includes(wanted);
      }
    };
    box.addEventListener("input", apply);
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    if (box.value) apply();
  };

  // Traits are put onto fields: dragged, or picked up with Space and put down with Space.
  let held = null;
  const place = (line, path) => {
    const input = line.querySelector("[name^='path:']");
    const tick = line.querySelector("[name^='on:']");
    if (!input || !tick) return;
    input.value = path;
    tick.checked = true;
    line.classList.add("on");
    input.form.dispatchEvent(new Event("draft"));
    input.focus();
  };
  const letGo = () => { held?.classList.remove("held"); held = null; };
  const traits = (root) => {
    for (const trait of root.querySelectorAll(".trait[data-path]")) {
      trait.draggable = true;
      trait.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", trait.dataset.path));
      trait.tabIndex = 0;
      trait.addEventListener("keydown", (event) => {
        if (event.target !== trait || event.key !== " ") return;
        event.preventDefault();
        letGo();
        held = trait;
        trait.classList.add("held");
        document.querySelector("#lines > li [name^='on:']")?.focus();
      });
      trait.addEventListener("click", (event) => {
        if (event.target.closest("button")) return;
        letGo();
        held = trait;
        trait.classList.add("held");
      });
    }
    for (const line of root.querySelectorAll("#lines > li")) {
      line.addEventListener("dragover", (event) => { event.preventDefault(); line.classList.add("target"); });
      line.addEventListener("dragleave", () => line.classList.remove("target"));
      line.addEventListener("drop", (event) => {
        event.preventDefault();
        line.classList.remove("target");
        place(line, event.dataTransfer.getData("text/plain"));
      });
      line.addEventListener("keydown", (event) => {
        if (event.key !== " " || !held) return;
        event.preventDefault();
        place(line, held.dataset.path);
        letGo();
      });
      line.querySelector(".name")?.addEventListener("click", () => {
        if (held) { place(line, held.dataset.path); letGo(); }
      });
    }
    const box = root.querySelector("#unique");
    box?.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("target"); });
    box?.addEventListener("drop", (event) => {
      event.preventDefault();
      const path = event.dataTransfer.getData("text/plain");
      const input = [...document.querySelectorAll("#lines [name^='path:']")].find((one) => one.value === path);
      input?.closest("li").querySelector("[value^='unique:']")?.click();
    });
  };

  const dress = (root) => {
    times(root);
    for (const one of root.querySelectorAll(".copier")) {
      one.hidden = false;
      one.addEventListener("click", async () => {
        await navigator.clipboard.writeText(document.getElementById(one.dataset.copies).textContent);
        one.textContent = "Copied";
        setTimeout(() => { one.textContent = "Copy"; }, 2000);
      });
    }
    for (const one of root.querySelectorAll("[data-copy]")) {
      one.addEventListener("click", () => navigator.clipboard.writeText(one.dataset.copy));
    }
    for (const form of root.querySelectorAll("form[data-preview]")) preview(form);
    for (const box of root.querySelectorAll("input[data-filter]")) filter(box);
    for (const one of root.querySelectorAll("[data-opens]")) {
      one.addEventListener("click", (event) => {
        event.preventDefault();
        document.getElementById(one.dataset.opens).showModal();
      });
    }
    for (const one of root.querySelectorAll("[data-closes]")) {
      one.addEventListener("click", () => one.closest("dialog").close());
    }
    for (const one of root.querySelectorAll("input[data-into]")) {
      one.addEventListener("change", async () => {
        const [file] = one.files;
        if (file) document.getElementById(one.dataset.into).value = await file.text();
      });
    }
    for (const one of root.querySelectorAll(".only-scripted")) one.hidden = false;
    traits(root);
  };

  // Forms: asked about where they take something away, and sent once. Whom the script asked the
  // server does not ask again.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.ask && !form.dataset.sent) {
      if (!confirm(form.dataset.ask)) {
        event.preventDefault();
        return;
      }
      const sure = document.createElement("input");
      [sure.type, sure.name, sure.value] = ["hidden", "sure", "1"];
      form.append(sure);
    }
    if (form.method !== "post" || form.method === "dialog") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    working(new Promise((done) => addEventListener("pageshow", done, { once: true })));
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const sure of form.querySelectorAll(":scope > input[name=sure]")) sure.remove();
    }
  });

  // Menus close by Escape and by a click elsewhere.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // Keys.
  let going = false;
  const rows = () => [...document.querySelectorAll("main a.row")];
  const help = () => {
    let dialog = document.getElementById("keys");
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.id = "keys";
      const title = document.createElement("h2");
      title.textContent = "Keys";
      const list = document.createElement("dl");
      list.className = "facts";
      const all = [["/", "Search"], ["g s", "Sources"], ["g c", "Contacts"], ["g a", "Audiences"], ["g l", "Logs"], ["g u", "Usage"], ["g e", "Settings"], ["g h", "Health"], ["j k", "Next and previous in a list"], ["Space", "Pick a trait up, and put it onto a field"], ["Esc", "Close"]];
      for (const [key, what] of all) {
        const row = document.createElement("div");
        const [name, words] = [document.createElement("dt"), document.createElement("dd")];
        name.textContent = key;
        words.textContent = what;
        row.append(name, words);
        list.append(row);
      }
      const close = document.createElement("button");
      close.textContent = "Close";
      close.addEventListener("click", () => dialog.close());
      const actions = document.createElement("p");
      actions.className = "actions";
      actions.append(close);
      dialog.append(title, list, actions);
      document.body.append(dialog);
    }
    dialog.showModal();
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      letGo();
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
      return;
    }
    const writing = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
    if (writing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (going) {
      going = false;
      const link = document.querySelector(`.side [data-go="${CSS.escape(event.key)}"]`);
      if (link) link.click();
      return;
    }
    if (event.key === "g") {
      going = true;
      setTimeout(() => { going = false; }, 1500);
    } else if (event.key === "/") {
      const box = document.querySelector("main input[type=search]");
      if (box) { event.preventDefault(); box.focus(); }
    } else if (event.key === "?") {
      help();
    } else if (event.key === "j" || event.key === "k") {
      const all = rows();
      const at = all.indexOf(document.activeElement);
      const next = event.key === "j" ? Math.min(at + 1, all.length - 1) : Math.max(at - 1, 0);
      all[next]?.focus();
    }
  });

  dress(document);
  live();
})();
