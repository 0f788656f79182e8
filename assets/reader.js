/* What a page does for its reader: formulas are copied as LaTeX, links show what they lead to, pages read are marked. */
"use strict";

addEventListener("copy", (event) => {
  const chosen = getSelection();
  if (!chosen.rangeCount || chosen.isCollapsed) return;
  const range = chosen.getRangeAt(0), around = range.commonAncestorContainer;
  const formula = (around.closest ? around : around.parentElement).closest("[data-tex]");
  const copy = document.createElement("div");
  copy.append(formula ? formula.cloneNode(true) : range.cloneContents());
  if (!copy.querySelector("[data-tex]")) return;
  for (const made of copy.querySelectorAll("[data-tex]")) {
    const sign = made.tagName === "DIV" ? "$$" : "$";
    made.textContent = sign + made.dataset.tex + sign;
    made.style.whiteSpace = "pre";
  }
  copy.style.cssText = "position: fixed; left: -9999px; width: 60em";
  document.body.append(copy); // innerText needs a layout
  event.clipboardData.setData("text/plain", copy.innerText.trim());
  copy.remove();
  event.preventDefault();
});

/* An equation, a theorem, an exercise, a figure, a claim, a word or a source, under the link that names it. */
{
  const SHOWN = "div.math, .proof, .exercise, figure, .claim, dt, div.citation, .entry", pages = new Map();
  const peek = Object.assign(document.createElement("aside"), { className: "peek", id: "peek", hidden: true });
  peek.setAttribute("role", "tooltip");
  let from = null;

  const page = (url) => { // where there is a server: from a file no other page can be read
    const key = url.pathname;
    if (key === location.pathname) return Promise.resolve(document);
    if (!pages.has(key)) {
      const parsed = (text) => new DOMParser().parseFromString(text, "text/html");
      pages.set(key, location.protocol === "file:" ? Promise.resolve(null) : fetch(key).then((r) => r.text()).then(parsed).catch(() => null));
    }
    return pages.get(key);
  };

  const target = async (link) => {
    const url = new URL(link.href), id = decodeURIComponent(url.hash.slice(1));
    const goal = id && url.host === location.host && (await page(url))?.getElementById(id);
    const whole = goal && (goal.matches(SHOWN) ? goal : goal.closest(SHOWN) ?? goal.querySelector(":scope > div.math"));
    if (!whole) return null;
    const copy = document.createElement("div");
    copy.append(whole.cloneNode(true));
    if (whole.matches("dt") && whole.nextElementSibling?.matches("dd")) copy.append(whole.nextElementSibling.cloneNode(true));
    for (const e of copy.querySelectorAll("[id]")) e.removeAttribute("id");
    for (const e of copy.querySelectorAll(".headerlink")) e.remove();
    for (const e of copy.querySelectorAll("img")) e.src = new URL(e.getAttribute("src"), url).href;
    return copy;
  };

  const hide = () => { peek.hidden = true; from?.removeAttribute("aria-describedby"); from = null; };
  const show = async (link) => {
    hide();
    from = link;
    const copy = await target(link);
    if (!copy || from !== link) return;
    peek.replaceChildren(...copy.childNodes);
    link.setAttribute("aria-describedby", "peek");
    document.querySelector(".bd-article").append(peek);
    peek.hidden = false;
    const at = link.getBoundingClientRect(), size = peek.getBoundingClientRect(), room = document.documentElement.clientWidth;
    const below = at.bottom + size.height + 8 < innerHeight || at.top < size.height + 8;
    peek.style.left = `${Math.max(8, Math.min(at.left, room - size.width - 8))}px`;
    peek.style.top = `${below ? at.bottom + 6 : at.top - size.height - 6}px`;
  };

  const asked = (event) => event.target.closest?.(".bd-article a.reference.internal, .bd-article a.citation-reference");
  addEventListener("pointerover", (e) => { const a = asked(e); if (a && e.pointerType === "mouse" && a !== from) show(a); });
  addEventListener("pointerout", (e) => { if (from && !from.contains(e.relatedTarget)) hide(); });
  addEventListener("focusin", (e) => { const a = asked(e); if (a?.matches(":focus-visible")) show(a); });
  addEventListener("focusout", hide);
  addEventListener("scroll", hide, { passive: true });
  addEventListener("keydown", (e) => { if (e.key === "Escape") hide(); });
}

/* Pages read to the end; kept in this browser alone. */
addEventListener("DOMContentLoaded", () => {
  const root = new URL(document.documentElement.dataset.content_root ?? "./", location), links = document.querySelectorAll("nav.bd-links a.internal");
  const name = (address) => new URL(address, location).pathname.slice(root.pathname.length), KEY = "pages read";
  const kept = () => { try { return new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]")); } catch { return new Set(); } };
  const forget = Object.assign(document.createElement("button"), { className: "forget", type: "button" });
  const mark = () => {
    const read = kept();
    for (const link of links) link.classList.toggle("read", read.has(name(link.getAttribute("href") === "#" ? location.href : link.href)));
    forget.textContent = `${read.size} read; forget`;
    forget.hidden = !read.size;
  };
  forget.onclick = () => { localStorage.removeItem(KEY); mark(); };
  document.querySelector("nav.bd-links")?.append(forget);
  mark();
  const end = document.querySelector("#summary, .prev-next-footer");
  if (!end || !/chapters\/[a-z]+\/[a-z_]+\.html$/.test(location.pathname)) return;
  new IntersectionObserver((seen) => {
    if (!seen.some((s) => s.isIntersecting)) return;
    try { localStorage.setItem(KEY, JSON.stringify([...kept().add(name(location.href))])); } catch { return; }
    mark();
  }).observe(end);
});

/* Sections far down are laid out from the first scroll, touch or key on, one after the other; all at once for a jump. */
{
  const left = [], show = (section) => { section.style.contentVisibility = "visible"; };
  const next = () => {
    if (left.length) show(left.shift());
    if (left.length) setTimeout(next, 100);
    else dispatchEvent(new Event("resize")); // what scrolls is asked again
  };
  const all = () => left.splice(0).forEach(show);
  addEventListener("load", () => {
    left.push(...document.querySelectorAll(".later .bd-article > section > section"));
    for (const kind of ["scroll", "pointerdown", "keydown"]) addEventListener(kind, next, { once: true, passive: true });
  });
  addEventListener("click", (event) => { if (event.target.closest("a[href*='#']")) all(); }, true);
  addEventListener("beforeprint", all);
}

/* What scrolls can be reached by the keyboard. */
{
  const fit = () => {
    const wide = [...document.querySelectorAll(".bd-article :is(.ganlib-table, mjx-container[display], .math)")]
      .filter((e) => e.checkVisibility({ contentVisibilityAuto: true }));
    const scrolls = wide.map((e) => e.scrollWidth > e.clientWidth + 1); // read all, then write: one layout
    wide.forEach((e, i) => { if (scrolls[i]) e.tabIndex = 0; else if (e.hasAttribute("tabindex")) e.removeAttribute("tabindex"); });
  };
  addEventListener("load", () => setTimeout(fit, 300));
  addEventListener("resize", fit);
  addEventListener("toggle", () => dispatchEvent(new Event("resize")), true); // a fold that opens: the theme asks, too
}
