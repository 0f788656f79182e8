// What every lab shares: its frame, its controls, its canvas, its clock, its state in the address.
"use strict";
ganlab.labs = {};

const make = (tag, attributes = {}, ...children) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) k in e && k !== "list" ? (e[k] = v) : e.setAttribute(k, v);
  e.append(...children);
  return e;
};
ganlab.make = make;

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// A canvas with coordinates of its own: `view` is [left, right, bottom, top].
ganlab.Plot = class {
  constructor(label, height = 300) {
    this.height = height;
    this.canvas = make("canvas", { role: "img" });
    this.canvas.setAttribute("aria-label", label);
    this.canvas.style.cssText = `width:100%;height:${height}px;touch-action:manipulation`;
    this.view = [0, 1, 0, 1]; this.pad = [36, 16, 20, 8]; // left, right, bottom, top
  }

  begin() {
    const width = this.canvas.clientWidth || 300, dpr = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * dpr)) {
      this.canvas.width = Math.round(width * dpr); this.canvas.height = Math.round(this.height * dpr);
    }
    const c = (this.c = this.canvas.getContext("2d"));
    this.width = width; c.setTransform(dpr, 0, 0, dpr, 0, 0); c.clearRect(0, 0, width, this.height);
    const style = getComputedStyle(this.canvas);
    this.ink = style.color; c.font = "12px sans-serif"; c.lineJoin = "round";
    return c;
  }

  x(v) { const [a, b] = this.view, [l, r] = this.pad; return l + ((v - a) / (b - a)) * (this.width - l - r); }

  y(v) { const [, , a, b] = this.view, [, , l, t] = this.pad; return this.height - l - ((v - a) / (b - a)) * (this.height - l - t); }

  // Data coordinates of a pointer event.
  at(event) {
    const box = this.canvas.getBoundingClientRect(), [l, r, b, t] = this.pad, [x0, x1, y0, y1] = this.view;
    const x = (event.clientX - box.left - l) / (box.width - l - r), y = (box.bottom - b - event.clientY) / (box.height - b - t);
    return [x0 + x * (x1 - x0), y0 + y * (y1 - y0)];
  }

  dots(points, colour, size = 2) {
    const c = this.c;
    c.fillStyle = colour;
    for (let i = 0; i < points.length; i += 2) c.fillRect(this.x(points[i]) - size / 2, this.y(points[i + 1]) - size / 2, size, size);
  }

  line(xs, ys, colour, { width = 1.6, dash = [] } = {}) {
    const c = this.c;
    c.strokeStyle = colour; c.lineWidth = width; c.setLineDash(dash); c.beginPath();
    let pen = false;
    for (let i = 0; i < xs.length; i++) {
      if (!Number.isFinite(ys[i])) { pen = false; continue; }
      pen ? c.lineTo(this.x(xs[i]), this.y(ys[i])) : c.moveTo(this.x(xs[i]), this.y(ys[i]));
      pen = true;
    }
    c.stroke(); c.setLineDash([]);
  }

  // Draw inside the frame only.
  within(draw) {
    const c = this.c, [l, r, b, t] = this.pad;
    c.save(); c.beginPath(); c.rect(l, t, this.width - l - r, this.height - b - t); c.clip(); draw(); c.restore();
  }

  words(text, x, y, colour = this.ink, align = "left") {
    this.c.fillStyle = colour; this.c.textAlign = align; this.c.fillText(text, x, y);
  }

  axes(xTicks, yTicks) {
    const c = this.c, [l, , b] = this.pad;
    c.globalAlpha = 0.7;
    for (const v of xTicks) this.words(String(v), this.x(v), this.height - 5, this.ink, "center");
    for (const v of yTicks) this.words(String(v), l - 5, this.y(v) + 4, this.ink, "right");
    c.globalAlpha = 0.25; c.strokeStyle = this.ink; c.lineWidth = 1;
    c.strokeRect(l, this.y(this.view[3]), this.width - l - this.pad[1], this.height - b - this.y(this.view[3]));
    c.globalAlpha = 1;
  }
};

// State in the address: #lab=game;loss=hinge;rateD=0.003, one lab a link.
const written = (lab, state) => `#lab=${lab};` + Object.entries(state).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join(";");
ganlab.read = function (lab, hash) {
  const parts = hash.replace(/^#/, "").split(";").map((p) => p.split("="));
  if (parts[0][0] !== "lab" || parts[0][1] !== lab) return {};
  return Object.fromEntries(parts.slice(1).filter((p) => p.length === 2).map(([k, v]) => [k, decodeURIComponent(v)]));
};

// controls: {name: {label, options} or {label, min, max, log, whole}}. What does not fit is refused with a sentence.
ganlab.checked = function (controls, asked, defaults) {
  const state = { ...defaults }, wrong = [];
  for (const [name, value] of Object.entries(asked)) {
    const c = controls[name];
    if (!c) { wrong.push(`there is no ${name}`); continue; }
    if (c.options) {
      if (c.options.includes(String(value))) state[name] = String(value);
      else wrong.push(`${c.label}: expected one of ${c.options.join(", ")}, got ${value}`);
    } else {
      const v = Number(value), fits = Number.isFinite(v) && v >= c.min && v <= c.max && (!c.whole || Number.isInteger(v));
      if (fits) state[name] = v;
      else wrong.push(`${c.label}: expected ${c.whole ? "a whole number" : "a number"} from ${c.min} to ${c.max}, got ${value}`);
    }
  }
  return [state, wrong];
};

function control(name, c, state, changed) {
  const id = `ganlab-${++control.count}-${name}`, label = make("label", { htmlFor: id }, c.label + " ");
  if (c.options) {
    const box = make("select", { id }, ...c.options.map((o) => make("option", { value: o }, o)));
    box.value = state[name];
    box.onchange = () => changed(name, box.value);
    return make("span", {}, label, box);
  }
  const to = c.log ? Math.log10 : (v) => v, from = c.log ? (v) => +(10 ** v).toPrecision(2) : (v) => (c.whole ? Math.round(v) : +v.toFixed(3));
  const step = c.whole ? 1 : (to(c.max) - to(c.min)) / 100, out = make("output", {}, String(state[name]));
  const box = make("input", { id, type: "range", min: to(c.min), max: to(c.max), step, value: to(state[name]) });
  box.setAttribute("aria-valuetext", String(state[name]));
  box.oninput = () => {
    const v = Math.min(c.max, Math.max(c.min, from(+box.value)));
    out.textContent = v; box.setAttribute("aria-valuetext", String(v)); changed(name, v);
  };
  return make("span", {}, label, box, " ", out);
}
control.count = 0;

// Put a lab in place of its still picture. A lab is {controls, defaults, begin(state, ui), code(state)}; begin gives
// {turn(), draw(), say(), change(name, value)}: turn plays a little and says whether to go on.
ganlab.mount = function (root) {
  const name = root.dataset.lab, lab = ganlab.labs[name], opening = JSON.parse(root.dataset.state || "{}");
  const [given, odd] = ganlab.checked(lab.controls, opening, lab.defaults);
  const [state, wrong] = ganlab.checked(lab.controls, ganlab.read(name, location.hash), given);
  const trouble = make("p", { className: "ganlab-trouble", role: "alert" }, [...odd, ...wrong].join(". "));
  const said = make("p", { className: "ganlab-said", role: "status" });
  const panels = make("div", { className: "ganlab-panels" }), knobs = make("div", { className: "ganlab-knobs" });
  const play = make("button", { type: "button" }, "Play"), one = make("button", { type: "button" }, "One step");
  const again = make("button", { type: "button" }, "New seeds"), link = make("button", { type: "button" }, "Copy link");
  const code = make("pre"), listing = make("details", {}, make("summary", {}, "As ganlib code"), code);
  const task = make("p", { className: "ganlab-try" }, root.dataset.try || lab.task || "");
  let run, playing = false, seen = false, asked = 0;
  const ui = { panels, plot: (label, height) => { const p = new ganlab.Plot(label, height); panels.append(p.canvas); return p; } };

  const show = () => { run.draw(); said.textContent = run.say(); };
  const start = () => {
    panels.replaceChildren(); trouble.textContent = trouble.textContent && "";
    try { run = lab.begin(state, ui); show(); } catch (error) { fail(error); }
    code.textContent = lab.code ? lab.code(state) : "";
    listing.hidden = !lab.code;
  };
  const fail = (error) => { pause(); trouble.textContent = `${error.message}. Press “${again.textContent}”.`; };
  const pause = () => { playing = false; play.textContent = "Play"; play.setAttribute("aria-pressed", "false"); };
  // Turns and the picture of them are two tasks, so that a touch never waits for both.
  const turns = () => {
    asked = 0;
    if (!playing || !seen || !root.isConnected) return;
    let more = true;
    try {
      const until = performance.now() + 6;
      for (let k = 0; more && k < (state.speed ?? 1) && performance.now() < until; k++) more = run.turn();
    } catch (error) { return fail(error); }
    asked = requestAnimationFrame(() => {
      asked = 0;
      try { show(); } catch (error) { return fail(error); }
      more ? go() : pause();
    });
  };
  const go = () => { if (!asked) asked = setTimeout(turns); };

  play.onclick = () => {
    if (playing) return pause();
    playing = true; play.textContent = "Pause"; play.setAttribute("aria-pressed", "true"); go();
  };
  one.onclick = () => { pause(); try { run.turn(); show(); } catch (error) { fail(error); } };
  again.onclick = () => { if ("seed" in state) state.seed = (state.seed % 9999) + 1; start(); };
  link.onclick = () => {
    history.replaceState(null, "", written(name, state));
    navigator.clipboard?.writeText(location.href).catch(() => {});
    said.textContent = "The link stands in the address bar.";
  };
  const changed = (key, value) => {
    state[key] = value;
    if (lab.controls[key].live && run) { run.change?.(key, value); show(); code.textContent = lab.code?.(state) ?? ""; } else start();
  };
  play.hidden = one.hidden = again.hidden = !lab.plays;
  if (lab.again) again.textContent = lab.again;
  if (lab.step) one.textContent = lab.step;
  const knob = {};
  for (const [key, c] of Object.entries(lab.controls)) if (!c.hidden) knob[key] = control(key, c, state, changed);
  const first = (lab.first ?? []).map((key) => knob[key]);
  knobs.append(...Object.values(knob).filter((k) => !first.includes(k)));
  // A lab that is dragged moves its own knobs, too.
  ui.set = (values) => {
    for (const [key, value] of Object.entries(values)) {
      const c = lab.controls[key];
      state[key] = +Math.min(c.max, Math.max(c.min, value)).toFixed(3);
      knob[key].querySelector("input").value = state[key]; knob[key].querySelector("output").textContent = state[key];
    }
    show(); code.textContent = lab.code?.(state) ?? "";
  };

  root.replaceChildren(task, make("div", { className: "ganlab-buttons" }, play, one, again, link, ...first), panels, said, trouble,
    make("details", {}, make("summary", {}, "More settings"), knobs), listing);
  root.setAttribute("role", "group"); root.setAttribute("aria-label", lab.name);
  root.ganlab = { state, run: () => run, start, play, ui };
  new IntersectionObserver((entries) => { seen = entries.at(-1).isIntersecting; if (seen) { show(); if (playing) go(); } }).observe(root);
  new ResizeObserver(() => run && show()).observe(panels);
  const redraw = () => run && show();
  matchMedia("(prefers-color-scheme: dark)").addEventListener?.("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const text = trouble.textContent;
  start();
  trouble.textContent ||= text;
  if (root.dataset.play && !still()) play.click();
};

ganlab.mountAll = () => document.querySelectorAll(".ganlab[data-lab]:not([role])").forEach(ganlab.mount);
