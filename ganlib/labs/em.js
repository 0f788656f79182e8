// Expectation and maximization for a mixture of Gaussians on the plane.
"use strict";
{
  // theta: weights, means (pairs) and covariances (xx, xy, yy) of K Gaussians. As ganlib.em, with the same names.
  function joint({ weights, means, covariances }, x, i) {
    return weights.map((w, k) => {
      const [a, b, c] = covariances[k], det = a * c - b * b, u = x[2 * i] - means[k][0], v = x[2 * i + 1] - means[k][1];
      return Math.log(w) - 0.5 * Math.log(det) - Math.log(2 * Math.PI) - (c * u * u - 2 * b * u * v + a * v * v) / (2 * det);
    });
  }

  function eStep(theta, x) {
    const n = x.length / 2, q = [];
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const l = joint(theta, x, i), top = Math.max(...l), log_p = top + Math.log(l.reduce((s, v) => s + Math.exp(v - top), 0));
      sum += log_p; q.push(l.map((v) => Math.exp(v - log_p)));
    }
    return [q, sum];
  }

  function mStep(q, x, ridge = 0) {
    const n = q.length, K = q[0].length, theta = { weights: [], means: [], covariances: [] };
    for (let k = 0; k < K; k++) {
      let own = 0, mx = 0, my = 0, a = 0, b = 0, c = 0;
      for (let i = 0; i < n; i++) { own += q[i][k]; mx += q[i][k] * x[2 * i]; my += q[i][k] * x[2 * i + 1]; }
      if (!(own > 0)) throw new RangeError("A component owns nothing");
      mx /= own; my /= own;
      for (let i = 0; i < n; i++) { const u = x[2 * i] - mx, v = x[2 * i + 1] - my; a += q[i][k] * u * u; b += q[i][k] * u * v; c += q[i][k] * v * v; }
      theta.weights.push(own / n); theta.means.push([mx, my]); theta.covariances.push([a / own + ridge, b / own, c / own + ridge]);
    }
    return theta;
  }

  // E_q log p(x, z) − E_q log q: it touches the log-likelihood after the E-step.
  function bound(theta, q, x) {
    let sum = 0;
    q.forEach((row, i) => { const l = joint(theta, x, i); row.forEach((v, k) => { if (v > 0) sum += v * (l[k] - Math.log(v)); }); });
    return sum;
  }

  const flat = (t) => [...t.weights, ...t.means.flat(), ...t.covariances.flat()];
  const shaped = (v, K) => ({ weights: v.slice(0, K), means: Array.from({ length: K }, (_, k) => v.slice(K + 2 * k, K + 2 * k + 2)), covariances: Array.from({ length: K }, (_, k) => v.slice(3 * K + 3 * k, 3 * K + 3 * k + 3)) });

  // The fraction of missing information: the largest eigenvalue of the slope of a whole turn, by power iteration.
  function rate(theta, x, ridge, turns = 60) {
    const K = theta.weights.length, at = flat(theta), h = 1e-5, map = (v) => flat(mStep(eStep(shaped(v, K), x)[0], x, ridge));
    let v = at.map((_, i) => Math.sin(i + 1)), size = 0;
    const mean = v.slice(0, K).reduce((s, w) => s + w, 0) / K;
    v = v.map((w, i) => (i < K ? w - mean : w));
    for (let t = 0; t < turns; t++) {
      const norm = Math.hypot(...v);
      v = v.map((w) => w / norm);
      const up = map(at.map((a, i) => a + h * v[i])), down = map(at.map((a, i) => a - h * v[i]));
      v = up.map((u, i) => (u - down[i]) / (2 * h)); size = Math.hypot(...v);
      if (!(size > 1e-12)) return 0;
    }
    return size;
  }
  Object.assign(ganlab, { em: { eStep, mStep, bound, rate, flat } });

  const HUES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"];
  ganlab.labs.em = {
    name: "E and M by hand", plays: true, step: "Half a turn",
    task: "Drag the crosses, then press Half a turn: E lifts the bound up to the curve, M lifts both.",
    ...ganlab.specs.em,

    begin(state, ui) {
      const rng = new ganlab.Rng(state.seed), { bumps, K, n } = state, x = new Float64Array(2 * n), R = (state.gap / 2) / Math.sin(Math.PI / bumps);
      for (let i = 0; i < n; i++) { const a = (2 * Math.PI * rng.below(bumps)) / bumps + 0.4; x[2 * i] = R * Math.cos(a) + 0.6 * rng.normal(); x[2 * i + 1] = R * Math.sin(a) + 0.4 * rng.normal(); }
      let theta = { weights: Array(K).fill(1 / K), means: Array.from({ length: K }, () => [rng.normal(), rng.normal()]), covariances: Array.from({ length: K }, () => [1, 0, 1]) };
      let q = null, half = 0, log = { bound: [], like: [] }, moved = [], held = null;
      const plot = ui.plot("Points, and the components as ellipses", 330), curve = ui.plot("The bound and the log-likelihood", 220), size = R + 2.2;
      plot.view = [-size, size, -size, size]; plot.canvas.style.maxWidth = "420px"; plot.canvas.style.touchAction = "none";
      const like = () => eStep(theta, x)[1], note = () => { log.bound.push(q ? bound(theta, q, x) / n : NaN); log.like.push(like() / n); };
      const fresh = () => { q = null; half = 0; log = { bound: [], like: [] }; moved = []; note(); };
      const run = {
        theta: () => theta, x,
        turn() {
          if (half % 2 === 0) q = eStep(theta, x)[0];
          else { const old = flat(theta); theta = mStep(q, x, state.ridge); moved.push(Math.hypot(...flat(theta).map((v, i) => v - old[i]))); }
          half++; note();
          return half < 2 || half > 4000 || moved.at(-1) > 1e-9 || half % 2 === 1;
        },
        draw() {
          const c = plot.begin();
          for (let i = 0; i < n; i++) {
            const k = q ? q[i].indexOf(Math.max(...q[i])) : -1;
            plot.dots(x.subarray(2 * i, 2 * i + 2), k < 0 ? plot.ink : HUES[k], 4);
          }
          theta.means.forEach(([mx, my], k) => {
            const [a, b, d] = theta.covariances[k], l1 = Math.sqrt(a), l2 = b / l1, l3 = Math.sqrt(Math.max(0, d - l2 * l2)), turn = Array.from({ length: 61 }, (_, i) => (i * Math.PI) / 30);
            plot.line(turn.map((t) => mx + 2 * l1 * Math.cos(t)), turn.map((t) => my + 2 * (l2 * Math.cos(t) + l3 * Math.sin(t))), HUES[k], { width: 0.8 + 3 * theta.weights[k] });
            c.strokeStyle = HUES[k]; c.lineWidth = 3; const [u, v] = [plot.x(mx), plot.y(my)];
            c.beginPath(); c.moveTo(u - 7, v); c.lineTo(u + 7, v); c.moveTo(u, v - 7); c.lineTo(u, v + 7); c.stroke();
          });
          plot.axes([-2, 0, 2], [-2, 0, 2]);
          const all = [...log.bound, ...log.like].filter(Number.isFinite), at = log.like.map((_, i) => i / 2);
          curve.begin(); curve.view = [0, Math.max(2, half / 2), Math.min(...all), Math.max(...all) + 1e-6];
          curve.axes([0, Math.floor(half / 2)], [Math.min(...all), Math.max(...all)].map((v) => +v.toFixed(2)));
          curve.line(at, log.like, HUES[0]); curve.line(at, log.bound, HUES[1], { dash: [5, 3] });
          curve.words("log-likelihood, nats a point", curve.width - 12, curve.height - 46, HUES[0], "right"); curve.words("bound (dashed)", curve.width - 12, curve.height - 30, HUES[1], "right");
        },
        say() {
          const last = moved.length > 2 ? moved.at(-1) / moved.at(-2) : NaN;
          return `${half / 2} turns; ${half === 0 ? "no step yet" : half % 2 ? "after E: the bound touches" : "after M: both have risen"}. Log-likelihood ${(log.like.at(-1)).toFixed(4)} a point` +
            (q ? `, bound ${log.bound.at(-1).toFixed(4)}` : "") + "." + (Number.isFinite(last) ? ` Last move over the one before: ${last.toFixed(3)}; missing information here: ${rate(theta, x, state.ridge, 12).toFixed(3)}.` : "");
        },
      };
      plot.canvas.onpointerdown = (e) => { const [a, b] = plot.at(e); held = theta.means.map((m, k) => [Math.hypot(m[0] - a, m[1] - b), k]).sort((s, t) => s[0] - t[0])[0][1]; plot.canvas.setPointerCapture(e.pointerId); };
      plot.canvas.onpointermove = (e) => { if (held === null) return; theta.means[held] = plot.at(e); fresh(); run.draw(); };
      plot.canvas.onpointerup = plot.canvas.onpointercancel = () => { held = null; };
      fresh();
      return run;
    },
  };
}
