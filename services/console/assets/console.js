// What makes the console's pages nicer. Every page works without it.
"use strict";
(() => {
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

  // What is read does not move: on a page that is scrolled, and where the mouse, the focus or what
  // somebody marked is in the list, it is as it was, and says how much there is that is newer.
  const isRead = (part) => part.dataset.calm && (part.matches(":hover") || scrollY > 8
    || part.contains(document.activeElement) || getSelection().containsNode(part, true) && !getSelection().isCollapsed);
  const news = (page, id) => {
    const [bar, part] = [document.getElementById(id + "-news"), page?.getElementById(id)];
    if (!bar) return;
    const keys = (root) => [...root?.querySelectorAll("[data-row]") ?? []].map((row) => row.dataset.row);
    const known = keys(document.getElementById(id));
    const all = keys(part);
    const first = all.findIndex((key) => known.includes(key));
    const count = first < 0 ? all.length : first;
    bar.hidden = count === 0;
    if (bar.hidden) return;
    const words = `${count}${first < 0 && known.length ? " or more" : ""} new event${count === 1 ? "" : "s"}: show ${count === 1 ? "it" : "them"}`;
    const button = bar.querySelector("button");
    if (button.textContent !== words) button.textContent = words;
    button.onclick = () => {
      bar.hidden = true;
      swap(page, [id]);
      document.getElementById("main").focus({ preventScroll: true });
      document.getElementById(id).scrollIntoView();
    };
  };

  // Live parts: asked for again while the page is seen.
  const live = () => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const id = part.id;
      const tick = async () => {
        const now = document.getElementById(id);
        if (!now || !now.dataset.live) return;
        const paused = document.hidden || document.getElementById(id + "-pause")?.checked
          || now.contains(document.activeElement) && !now.dataset.calm;
        if (!paused) {
          try {
            const answer = await fetch(location.href, { headers: { accept: "text/html" } });
            if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
              location.assign(answer.url);
              return;
            }
            if (answer.ok) {
              const page = await parsed(answer);
              const reads = isRead(document.getElementById(id));
              if (!reads) swap(page, [id]);
              news(reads ? page : null, id);
            }
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
    form.addEventListener("look", () => { clearTimeout(timer); timer = setTimeout(run, 50); });
  };

  // A search box that hides what does not match.
  const filter = (box) => {
    const list = document.getElementById(box.dataset.filter);
    const none = document.getElementById(box.dataset.filter + "-none");
    const apply = () => {
      const wanted = box.value.trim().toLowerCase();
      const items = [...list?.querySelectorAll("[data-words]") ?? []];
      for (const item of items) item.hidden = !item.dataset.words.toLowerCase().includes(wanted);
      if (!none) return;
      none.querySelector("bdi").textContent = box.value.trim();
      none.hidden = items.some((item) => !item.hidden);
    };
    for (const clears of box.form?.querySelectorAll(`[data-clears="${box.id}"]`) ?? []) {
      clears.addEventListener("click", (event) => {
        event.preventDefault();
        box.value = "";
        apply();
        box.focus();
      });
    }
    box.addEventListener("input", apply);
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    if (box.value) apply();
  };

  // Said aloud, and seen for a while.
  let silence;
  const tell = (words) => {
    const place = document.getElementById("told");
    if (!place) return;
    place.textContent = words;
    clearTimeout(silence);
    silence = setTimeout(() => { place.textContent = ""; }, 8000);
  };

  // Traits are put onto fields, and fields onto traits: dragged, or a trait is picked up with Space
  // and put down with Space. What is dragged from elsewhere is nothing to these.
  const [TRAIT, FIELD] = ["application/x-weir-trait", "application/x-weir-field"];
  let held = null;
  const nameOf = (line) => line.querySelector(".name label").textContent;
  const place = (line, path) => {
    const input = line.querySelector("[name^='path:']");
    const tick = line.querySelector("[name^='on:']");
    if (!input || !tick) return;
    input.value = path;
    tick.checked = true;
    line.classList.add("on");
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.focus();
    tell(`${path} fills ${nameOf(line)} now. Nothing is saved yet.`);
  };
  const identify = (line, path) => {
    if (!line) return tell(`No field takes ${path} yet: put it onto a field first, and then here.`);
    const button = line.querySelector("[value^='unique:']");
    if (button) return button.click();
    if (!document.querySelector("#map-form [value=save]")) return tell("Your role is read: you may try, not change.");
    tell(line.dataset.unique ? `${nameOf(line)} tells contacts apart already.`
      : `${nameOf(line)} can't tell contacts apart: only texts, e-mail addresses and phone numbers do.`);
  };
  const lines = () => [...document.querySelectorAll("#lines > li")];
  const lineOf = (path) => lines().find((line) => line.querySelector("[name^='on:']")?.checked
    && line.querySelector("[name^='path:']")?.value === path);
  const letGo = () => { held?.classList.remove("held"); held = null; };
  const pickUp = (trait) => {
    letGo();
    held = trait;
    trait.classList.add("held");
    tell(`${trait.dataset.path} is picked up. Arrows lead to fields, and up from the first to Unique identifiers; Space puts it there, Escape lets it go.`);
  };
  const putDown = (put) => {
    const path = held.dataset.path;
    letGo();
    put(path);
  };
  // What is dragged over it may be dropped, where it is one of these.
  const takes = (target, kinds, drop) => {
    const kind = (event) => kinds.find((one) => event.dataTransfer.types.includes(one));
    target.addEventListener("dragover", (event) => {
      if (!kind(event)) return;
      event.preventDefault();
      target.classList.add("target");
    });
    target.addEventListener("dragleave", () => target.classList.remove("target"));
    target.addEventListener("drop", (event) => {
      target.classList.remove("target");
      const of = kind(event);
      if (!of) return;
      event.preventDefault();
      drop(event.dataTransfer.getData(of), of);
    });
  };
  const traits = (root) => {
    for (const trait of root.querySelectorAll(".trait[data-path]")) {
      trait.draggable = true;
      trait.addEventListener("dragstart", (event) => event.dataTransfer.setData(TRAIT, trait.dataset.path));
      takes(trait, [FIELD], (id) => {
        const line = document.getElementById("line-" + id);
        if (line) place(line, trait.dataset.path);
      });
      trait.tabIndex = 0;
      trait.addEventListener("keydown", (event) => {
        if (event.target !== trait || event.key !== " ") return;
        event.preventDefault();
        pickUp(trait);
        lines().find((line) => !line.hidden)?.querySelector("[name^='on:']").focus();
      });
      trait.addEventListener("click", (event) => { if (!event.target.closest("button")) pickUp(trait); });
    }
    for (const line of root.querySelectorAll("#lines > li")) {
      const label = line.querySelector(".name label");
      const tick = line.querySelector("[name^='on:']");
      if (!label || !tick) continue;
      takes(line, [TRAIT], (path) => place(line, path));
      label.draggable = true;
      label.addEventListener("dragstart", (event) => event.dataTransfer.setData(FIELD, line.id.slice("line-".length)));
      // Only at the tick: elsewhere in the line a space is a space.
      tick.addEventListener("keydown", (event) => {
        if (event.key === " " && held) {
          event.preventDefault();
          putDown((path) => place(line, path));
        } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
          event.preventDefault();
          const seen = lines().filter((one) => !one.hidden);
          const next = seen[seen.indexOf(line) + (event.key === "ArrowDown" ? 1 : -1)];
          if (next) next.querySelector("[name^='on:']").focus();
          else if (event.key === "ArrowUp") document.getElementById("unique")?.focus();
        }
      });
      label.addEventListener("click", (event) => {
        if (!held) return;
        event.preventDefault();
        putDown((path) => place(line, path));
      });
    }
    const box = root.querySelector("#unique");
    if (!box) return;
    takes(box, [TRAIT, FIELD], (what, kind) => {
      identify(kind === FIELD ? document.getElementById("line-" + what) : lineOf(what), what);
    });
    box.addEventListener("keydown", (event) => {
      if (event.target !== box) return;
      if (event.key === "ArrowDown") {
        event.preventDefault();
        lines().find((line) => !line.hidden)?.querySelector("[name^='on:']").focus();
      } else if (event.key === " " && held) {
        event.preventDefault();
        putDown((path) => identify(lineOf(path), path));
      }
    });
  };

  // Cut in the middle, whole while it has the focus; copied by click and by key.
  const copies = (one) => {
    const short = one.textContent;
    one.tabIndex = 0;
    one.setAttribute("role", "button");
    one.setAttribute("aria-label", `Copy ${one.dataset.copy}`);
    const copy = () => navigator.clipboard.writeText(one.dataset.copy);
    one.addEventListener("click", copy);
    one.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      copy();
    });
    one.addEventListener("focus", () => { one.textContent = one.dataset.copy; });
    one.addEventListener("blur", () => { one.textContent = short; });
  };

  const dress = (root) => {
    document.dispatchEvent(new CustomEvent("weir-dress", { detail: root }));
    for (const one of root.querySelectorAll(".copier")) {
      one.hidden = false;
      one.addEventListener("click", async () => {
        await navigator.clipboard.writeText(document.getElementById(one.dataset.copies).textContent);
        one.textContent = "Copied";
        setTimeout(() => { one.textContent = "Copy"; }, 2000);
      });
    }
    // Within a link it leads where the link leads.
    for (const one of root.querySelectorAll("[data-copy]")) if (!one.closest("a")) copies(one);
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
    // Enter in some boxes presses the button beside them; in all others it shows a preview.
    for (const one of root.querySelectorAll("button[data-default]")) one.value = "preview";
    for (const box of root.querySelectorAll("input[data-enter]")) {
      box.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.isComposing) return;
        event.preventDefault();
        box.form.querySelector(`button[value="${CSS.escape(box.dataset.enter)}"]`)?.click();
      });
    }
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
  // What j and k go through: where a row leads to, what can be done with it, or the row itself.
  const rows = () => [...document.querySelectorAll("main h2 > a.row, main tbody > tr, main .lines > li")]
    .filter((row) => row.offsetParent && !row.closest("details:not([open])"))
    .map((row) => {
      if (row.matches("a")) return row;
      const within = row.querySelector("a.row, [name^='on:']") ?? row.querySelector("a, button, input, select");
      if (!within) row.tabIndex = -1;
      return within ?? row;
    });
  const help = () => {
    let dialog = document.getElementById("keys");
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.id = "keys";
      const title = document.createElement("h2");
      title.textContent = "Keys";
      const list = document.createElement("dl");
      list.className = "facts";
      const all = [["/", "Search here, or contacts"], ["g s", "Sources"], ["g c", "Contacts"], ["g t", "Activities"], ["g a", "Audiences"], ["g l", "Logs"], ["g u", "Usage"], ["g e", "Settings"], ["g h", "Health"], ["j k", "Next and previous in a list"], ["t", "Times as dates, or as how long ago"], ["Space", "Pick a trait up, and put it onto a field"], ["↑ ↓", "From field to field, and up to Unique identifiers"], ["Esc", "Close"]];
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
      event.preventDefault();
      const link = document.querySelector(`.side [data-go="${CSS.escape(event.key)}"]`);
      if (link) link.click();
      return;
    }
    if (event.key === "g") {
      going = true;
      setTimeout(() => { going = false; }, 1500);
    } else if (event.key === "/") {
      const box = document.querySelector("main input[type=search]") ?? document.getElementById("find");
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
