/* Small comforts; every page works without them: copying, upload progress, menus that close. */
"use strict";

(() => {
  const copyText = async (text) => {
    if (navigator.clipboard && window.isSecureContext) {
      await navigator.clipboard.writeText(text);
      return;
    }
    /* Plain http has no clipboard API. */
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };

  const say = (button, word) => {
    const before = button.dataset.label || button.textContent;
    button.dataset.label = before;
    button.textContent = word;
    window.setTimeout(() => { button.textContent = before; }, 1600);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      copyText(button.dataset.copy).then(() => say(button, "Copied"), () => say(button, "Not copied"));
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.removeAttribute("open");
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = event.target.closest && event.target.closest("details.menu[open]");
    if (menu) {
      menu.removeAttribute("open");
      menu.querySelector("summary").focus();
    }
  });

  const size = (bytes) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = 0;
    let value = bytes;
    while (value >= 1024 && step < units.length - 1) { value /= 1024; step += 1; }
    return `${value.toFixed(step ? 1 : 0)} ${units[step]}`;
  };

  /* Sends the form as it is; the answer is the page that the browser would have shown. */
  const upload = (form, state) => {
    const bar = state.querySelector("progress");
    const words = state.querySelector("[data-upload-words]");
    const button = form.querySelector("[type=submit]");
    const request = new XMLHttpRequest();
    const fail = (text) => {
      words.textContent = text;
      button.disabled = false;
    };
    request.open("POST", form.action);
    request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      bar.max = event.total;
      bar.value = event.loaded;
      words.textContent = `${size(event.loaded)} of ${size(event.total)} sent`;
    });
    request.upload.addEventListener("load", () => {
      bar.removeAttribute("value");
      words.textContent = "All sent. The server is writing it down …";
    });
    request.addEventListener("load", () => {
      const next = request.getResponseHeader("X-Next-Page");
      if (next) {
        window.location.assign(next);
        return;
      }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const main = page.querySelector("main");
      if (!main) {
        fail(`The server answered ${request.status}. Nothing was kept.`);
        return;
      }
      document.querySelector("main").replaceWith(main);
      main.focus();
      window.scrollTo(0, 0);
    });
    request.addEventListener("error", () => fail("The connection broke. Nothing was kept: send it again."));
    state.hidden = false;
    button.disabled = true;
    request.send(new FormData(form));
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const state = form.querySelector("[data-upload-state]");
    if (!state || !window.FormData) return;
    event.preventDefault();
    upload(form, state);
  });

  // An address that names a place in something folded leads there in every browser.
  const unfold = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = place?.closest("details.codes:not([open])");
    if (!fold) return;
    fold.open = true;
    place.scrollIntoView();
  };
  window.addEventListener("hashchange", unfold);
  unfold();

  document.addEventListener("change", (event) => {
    const changed = event.target;
    if (changed.matches("[data-null-for]")) {
      const cell = document.getElementById(changed.dataset.nullFor);
      if (cell) cell.disabled = changed.checked;
    }
    if (changed.matches("[data-select-all]")) {
      for (const box of document.querySelectorAll("input.action-select")) box.checked = changed.checked;
    }
  });
})();
