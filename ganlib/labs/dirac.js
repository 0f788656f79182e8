// The smallest game: one generated point θ, data at one place, and a critic D(x) = ψ x.
"use strict";
{
  // [what θ descends, what ψ descends]: slopes of both losses at a state.
  function slopes(state, [theta, psi]) {
    const { loss: name, penalty, weight: w, place: c } = state, loss = ganlab.losses[name];
    const [, real, fake] = ganlab.lossD(loss, [psi * c], [psi * theta]), [, made] = ganlab.lossG(loss, [psi * c], [psi * theta]);
    const charged = { none: 0, gradient: 2 * (Math.abs(psi) - 1) * Math.sign(psi), R1: 2 * psi, "R1 + R2": 4 * psi }[penalty];
    return [made[0] * psi, real[0] * c + fake[0] * theta + w * charged];
  }

  // One turn; `before` are the slopes of the turn before, which optimism looks at.
  function move(state, at, before) {
    const { order, rate: h } = state, g = slopes(state, at), go = ([a, b], [u, v]) => [a - h * u, b - h * v];
    if (order === "at once") return [go(at, g), g];
    if (order === "in turn") {
      const psi = at[1] - h * g[1];
      return [[at[0] - h * slopes(state, [at[0], psi])[0], psi], g];
    }
    if (order === "extragradient") return [go(at, slopes(state, go(at, g))), g];
    return [go(at, g.map((v, k) => 2 * v - (before ?? g)[k])), g]; // optimistic
  }

  // Eigenvalues of the slopes' own slope where the point lies on the data, by central differences.
  function eigenvalues(state) {
    const at = [state.place, 0], h = 1e-5;
    const J = [0, 1].map((k) => { const up = [...at], down = [...at]; up[k] += h; down[k] -= h; const [a, b] = [slopes(state, up), slopes(state, down)]; return a.map((v, i) => (b[i] - v) / (2 * h)); });
    const half = (J[0][0] + J[1][1]) / 2, inside = half ** 2 - (J[0][0] * J[1][1] - J[0][1] * J[1][0]);
    const root = Math.sqrt(Math.abs(inside));
    return inside >= 0 ? [[half + root, 0], [half - root, 0]] : [[half, root], [half, -root]];
  }
  Object.assign(ganlab, { dirac: { slopes, move, eigenvalues } });

  ganlab.labs.dirac = {
    name: "A point against a line", plays: true, again: "Restart", first: ["loss", "penalty", "place"],
    task: "Play: the point circles the data and never comes to rest. What does R1 change, and a place other than 0?",
    ...ganlab.specs.dirac,

    begin(state, ui) {
      const plot = ui.plot("Phase portrait: the generated point across, the critic's slope up", 330), way = ui.plot("Distance from the equilibrium", 200);
      let at = [state.theta, state.psi], before = null, path = [at], gone = 0;
      plot.view = [-3, 3, -3, 3]; plot.canvas.style.cursor = "crosshair"; plot.canvas.style.maxWidth = "420px";
      const run = {
        state: () => at,
        turn() {
          [at, before] = move(state, at, before);
          path.push(at); gone++;
          if (path.length > 4000) path.shift();
          if (!at.every(Number.isFinite) || Math.hypot(...at) > 1e6) { const t = gone; at = [state.theta, state.psi]; path = [at]; before = null; gone = 0; throw new RangeError(`At turn ${t} the point had flown away`); }
          return gone < 20000;
        },
        draw() {
          const c = plot.begin(), style = getComputedStyle(plot.canvas), hue = (n, o) => style.getPropertyValue(n).trim() || o;
          const made = hue("--lab-made", "#D55E00"), real = hue("--lab-real", "#0072B2");
          c.strokeStyle = plot.ink; c.globalAlpha = 0.4; c.lineWidth = 1; c.beginPath();
          for (let i = -7; i <= 7; i++) for (let j = -7; j <= 7; j++) {
            const x = 0.4 * i, y = 0.4 * j, [u, v] = slopes(state, [x, y]), n = Math.hypot(u, v) || 1, k = 0.16 * Math.min(1, 3 * n) / n;
            c.moveTo(plot.x(x), plot.y(y)); c.lineTo(plot.x(x - k * u), plot.y(y - k * v));
            c.fillStyle = plot.ink; c.fillRect(plot.x(x) - 1, plot.y(y) - 1, 2, 2);
          }
          c.stroke(); c.globalAlpha = 1;
          plot.within(() => plot.line(path.map((p) => p[0]), path.map((p) => p[1]), made, { width: 1.2 }));
          plot.dots(Float64Array.from(at), made, 8); plot.dots(Float64Array.from([state.place, 0]), real, 8);
          plot.axes([-2, 0, 2], [-2, 0, 2]); plot.words("θ: the generated point", plot.width - 12, plot.height - 26, plot.ink, "right"); plot.words("ψ: the slope of D", 40, 20);
          const far = path.map((p) => Math.hypot(p[0] - state.place, p[1]));
          way.begin(); way.view = [gone - path.length + 1, Math.max(gone, 1), 0, 1.05 * Math.max(...far)];
          way.axes([Math.max(0, way.view[0]), gone], [0, +far[0].toFixed(1)]); way.line(far.map((_, i) => way.view[0] + i), far, made);
          way.words("distance from the equilibrium", way.width - 12, 20, made, "right");
        },
        say() {
          const [a] = eigenvalues(state), far = Math.hypot(at[0] - state.place, at[1]);
          const two = a[1] ? `${a[0].toFixed(3)} ± ${Math.abs(a[1]).toFixed(3)} i` : eigenvalues(state).map((e) => e[0].toFixed(3)).join(" and ");
          return `Turn ${gone}: θ = ${at[0].toFixed(3)}, ψ = ${at[1].toFixed(3)}, ${far.toFixed(3)} from the equilibrium. Eigenvalues of the descent there: ${two}` +
            (state.penalty === "gradient" ? " (this penalty has a kink at ψ = 0)." : ".");
        },
      };
      plot.canvas.onpointerdown = (event) => { ui.set({ theta: plot.at(event)[0], psi: plot.at(event)[1] }); at = [state.theta, state.psi]; path = [at]; before = null; gone = 0; run.draw(); };
      return run;
    },
  };
}
