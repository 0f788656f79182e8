// Two mixtures on the line, and what stands between them.
"use strict";
{
  const X = Float64Array.from({ length: 2401 }, (_, i) => (i - 1200) / 100);
  const LOG = Math.log, normal = (x, m, s) => -0.5 * ((x - m) / s) ** 2 - LOG(s) - 0.5 * LOG(2 * Math.PI);
  const add = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
  const trapezoid = (y) => { let sum = 0; for (let i = 1; i < X.length; i++) sum += ((y(i) + y(i - 1)) / 2) * (X[i] - X[i - 1]); return sum; };

  // The distribution function of a standard Gaussian: a series near 0, a continued fraction in the tails.
  function below(z) {
    const x = Math.abs(z) / Math.SQRT2;
    let value;
    if (x < 3) {
      let term = x, sum = x;
      for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) { term *= (-x * x) / n; sum += term / (2 * n + 1); if (n > 200) break; }
      value = 0.5 + sum / Math.sqrt(Math.PI);
    } else {
      let f = 0;
      for (let n = 60; n > 0; n--) f = n / 2 / (x + f);
      value = 1 - Math.exp(-x * x) / (2 * Math.sqrt(Math.PI) * (x + f));
    }
    return z < 0 ? 1 - value : value;
  }

  const law = (a, b, s, w) => ({
    log: X.map((x) => (w <= 0 ? normal(x, b, s) : w >= 1 ? normal(x, a, s) : add(LOG(w) + normal(x, a, s), LOG(1 - w) + normal(x, b, s)))),
    below: X.map((x) => w * below((x - a) / s) + (1 - w) * below((x - b) / s)),
  });

  // As ganlib.divergences, on the grid; W₁ is the area between the distribution functions.
  function compare(p, q) {
    const m = p.log.map((v, i) => add(v, q.log[i]) - LOG(2)), e = Math.exp;
    const kl = (a, b) => trapezoid((i) => { const v = e(a[i]); return v > 0 ? v * (a[i] - b[i]) : 0; });
    return {
      "KL(p‖q)": kl(p.log, q.log), "KL(q‖p)": kl(q.log, p.log), JS: (kl(p.log, m) + kl(q.log, m)) / 2,
      TV: trapezoid((i) => Math.abs(e(p.log[i]) - e(q.log[i])) / 2), "χ²(p‖q)": trapezoid((i) => e(2 * p.log[i] - q.log[i])) - 1,
      "W₁": trapezoid((i) => Math.abs(p.below[i] - q.below[i])),
      "D*": p.log.map((v, i) => 1 / (1 + e(q.log[i] - v))),
    };
  }
  Object.assign(ganlab, { law, compare, grid: X });
  const of = (state, r) => law(state[r + "a"], state[r + "b"], state[r + "s"], state[r + "w"]);
  const quantile = (F, u) => { let a = 0, b = X.length - 1; while (b - a > 1) { const c = (a + b) >> 1; F[c] < u ? (a = c) : (b = c); } return X[a]; };
  const size = (v) => (v > 999 ? v.toExponential(1) : v.toFixed(3));

  ganlab.labs.densities = {
    name: "Two densities", plays: false, first: ["qa", "qb", "qs"],
    task: "Drag q's bumps away from p. Which numbers go on growing, and which stop?",
    ...ganlab.specs.densities,

    begin(state, ui) {
      const plot = ui.plot("The densities p and q, and how the mass of one is carried to the other", 240);
      const best = ui.plot("The best discriminator D*", 240), handles = () => [["pa", "p"], ["pb", "p"], ["qa", "q"], ["qb", "q"]];
      let held = null, found;
      plot.view = [-6, 6, -0.12, 1]; best.view = [-6, 6, -0.02, 1.02];
      plot.canvas.style.touchAction = "none"; plot.canvas.style.cursor = "ew-resize";
      plot.canvas.onpointerdown = (event) => {
        const [x] = plot.at(event);
        held = handles().map(([k]) => k).sort((a, b) => Math.abs(state[a] - x) - Math.abs(state[b] - x))[0];
        plot.canvas.setPointerCapture(event.pointerId);
      };
      plot.canvas.onpointermove = (event) => { if (held) ui.set({ [held]: plot.at(event)[0] }); };
      plot.canvas.onpointerup = plot.canvas.onpointercancel = () => { held = null; };
      return {
        turn: () => false,
        draw() {
          const p = of(state, "p"), q = of(state, "q");
          found = compare(p, q);
          const c = plot.begin(), style = getComputedStyle(plot.canvas), hue = (n, o) => style.getPropertyValue(n).trim() || o;
          const real = hue("--lab-real", "#0072B2"), made = hue("--lab-made", "#D55E00"), critic = hue("--lab-critic", "#009E73");
          const P = p.log.map(Math.exp), Q = q.log.map(Math.exp), top = Math.max(...P, ...Q);
          plot.view = [-6, 6, -0.15 * top, 1.05 * top];
          c.strokeStyle = plot.ink; c.globalAlpha = 0.35; c.lineWidth = 1; c.beginPath();
          for (let k = 0; k < 24; k++) {
            const u = (k + 0.5) / 24;
            c.moveTo(plot.x(quantile(p.below, u)), plot.y(-0.02 * top)); c.lineTo(plot.x(quantile(q.below, u)), plot.y(-0.12 * top));
          }
          c.stroke(); c.globalAlpha = 1;
          plot.within(() => { plot.line(X, P, real); plot.line(X, Q, made, { dash: [6, 3] }); });
          for (const [k, r] of handles()) {
            c.fillStyle = r === "p" ? real : made; c.beginPath();
            c.arc(plot.x(state[k]), plot.y(r === "p" ? -0.02 * top : -0.12 * top), 6, 0, 7); c.fill();
          }
          plot.axes([-5, 0, 5], []); plot.words("p", 40, 20, real); plot.words("q (dashed)", 56, 20, made);
          best.begin(); best.axes([-5, 0, 5], [0, 0.5, 1]); best.within(() => best.line(X, found["D*"], critic));
          best.line([-6, 6], [0.5, 0.5], best.ink, { width: 0.6, dash: [2, 3] }); best.words("D* = p / (p + q)", best.width - 12, 20, critic, "right");
        },
        say: () => Object.entries(found).filter(([k]) => k !== "D*").map(([k, v]) => `${k} ${size(v)}`).join(" · ") + ". (JS ends at log 2 = 0.693, TV at 1.)",
      };
    },
    code: (s) => [
      "import torch", "from ganlib import divergences, metrics", "from ganlib.densities import mixture", "",
      "x = torch.linspace(-12, 12, 2401, dtype=torch.float64)",
      `p = mixture([${s.pa}, ${s.pb}], [${s.ps}] * 2, torch.tensor([${s.pw}, ${+(1 - s.pw).toFixed(3)}]).double()).log_prob(x[:, None])`,
      `q = mixture([${s.qa}, ${s.qb}], [${s.qs}] * 2, torch.tensor([${s.qw}, ${+(1 - s.qw).toFixed(3)}]).double()).log_prob(x[:, None])`,
      "for name in ('kl', 'reverse_kl', 'js', 'total_variation'):", "    print(name, getattr(divergences, name)(p, q, x).item())", "best = torch.sigmoid(p - q)", "",
    ].join("\n"),
  };
}
