// A GAN on the plane.
"use strict";
{
  const REAL = "#0072B2", MADE = "#D55E00", CRITIC = "#009E73";
  const colours = (canvas) => {
    const style = getComputedStyle(canvas), read = (name, other) => style.getPropertyValue(name).trim() || other;
    return { real: read("--lab-real", REAL), made: read("--lab-made", MADE), critic: read("--lab-critic", CRITIC) };
  };
  const ring = Array.from({ length: 8 }, (_, k) => [2 * Math.cos((k * Math.PI) / 4), 2 * Math.sin((k * Math.PI) / 4)]);
  const grid = Array.from({ length: 25 }, (_, k) => [2 * (k % 5) - 4, 2 * Math.floor(k / 5) - 4]);
  const clouds = {
    ring: { centres: ring, sd: 0.1, size: 3.2 },
    grid: { centres: grid, sd: 0.05, size: 5.2 },
    "two moons": { size: 3.2 },
    "by hand": { size: 3.2 },
  };

  // n points of the data, as a flat array of pairs.
  function sample(data, n, rng, drawn) {
    const x = new Float64Array(2 * n), cloud = clouds[data];
    for (let i = 0; i < n; i++) {
      let at, sd = 0.1;
      if (cloud.centres) { at = cloud.centres[rng.below(cloud.centres.length)]; sd = cloud.sd; } else if (data === "two moons") {
        const a = Math.PI * rng.uniform(), up = rng.below(2);
        at = up ? [1.5 * Math.cos(a) - 0.75, 1.5 * Math.sin(a) - 0.4] : [0.75 - 1.5 * Math.cos(a), 0.4 - 1.5 * Math.sin(a)];
      } else at = drawn.length ? drawn[rng.below(drawn.length)] : [0, 0];
      x[2 * i] = at[0] + sd * rng.normal(); x[2 * i + 1] = at[1] + sd * rng.normal();
    }
    return x;
  }

  // As ganlib.metrics.modes: those with a tenth of their share within 3 sd, and the share of all points there.
  function modes(x, { centres, sd }) {
    const hits = new Array(centres.length).fill(0), n = x.length / 2;
    let good = 0;
    for (let i = 0; i < n; i++) {
      let best = Infinity, which = 0;
      centres.forEach(([a, b], k) => {
        const d = Math.hypot(x[2 * i] - a, x[2 * i + 1] - b);
        if (d < best) { best = d; which = k; }
      });
      if (best <= 3 * sd) { good++; hits[which]++; }
    }
    return { m10: hits.filter((h) => h >= (0.1 * n) / centres.length).length, near: good / n };
  }

  // The exact 95 % interval of k in n.
  function interval(k, n) {
    const upTo = (p, j) => { // P(K <= j)
      let sum = 0, term = (1 - p) ** n;
      for (let i = 0; i <= j; i++) { sum += term; term *= ((n - i) / (i + 1)) * (p / (1 - p)); }
      return sum;
    };
    const solve = (f) => { let a = 0, b = 1; for (let i = 0; i < 60; i++) { const c = (a + b) / 2; f(c) ? (a = c) : (b = c); } return a; };
    return [k ? solve((p) => 1 - upTo(p, k - 1) < 0.025) : 0, k < n ? solve((p) => upTo(p, k) > 0.025) : 1];
  }
  Object.assign(ganlab, { sample, modes, interval, clouds });

  // D's field on the plane is a picture of m × m cells, from the top.
  const m = 24;
  const cells = (size) => Float64Array.from({ length: 2 * m * m }, (_, k) => {
    const i = k >> 1, at = ((k & 1 ? Math.floor(i / m) : i % m) + 0.5) * (2 * size / m) - size;
    return k & 1 ? -at : at;
  });

  const percent = (v) => `${Math.round(100 * v)} %`;

  ganlab.labs.game = {
    name: "A GAN on the plane",
    plays: true, first: ["loss", "rateD"],
    task: "Press Play. Then halve D's rate and play again: which modes are lost?",
    ...ganlab.specs.game,

    begin(state, ui) {
      const S = +state.seeds, cloud = clouds[state.data], drawn = [], n = 64;
      const games = Array.from({ length: S }, (_, s) => {
        const rng = new ganlab.Rng(1000 * state.seed + s), { width: w, latent, init } = state;
        const G = new ganlab.Net([latent, w, w, 2], 0, rng, { init });
        const D = new ganlab.Net([2, w, w, 1], 0.2, rng, { init, spectral: state.bound === "spectral norm" });
        const how = { beta1: state.beta1 }, fill = (size) => Float64Array.from({ length: size }, () => rng.normal());
        const draws = {
          real: (k) => sample(state.data, k, rng, drawn), noise: (k) => fill(k * latent),
          share: (k) => Float64Array.from({ length: k }, () => rng.uniform()),
        };
        const optD = new ganlab.Adam(D, state.rateD, how), optG = new ganlab.Adam(G, state.rateG, how);
        return { G, D, optD, optG, draws, batch: n, shown: fill(400 * latent), alive: true };
      });
      const clip = state.bound.startsWith("clipped") ? 0.05 : 0;
      const log = { at: [], lossD: [], lossG: [], kept: [], near: [] };
      const veil = ganlab.make("canvas", { width: m, height: m }).getContext("2d"), shade = veil.createImageData(m, m);
      const nodes = cells(cloud.size), some = sample(state.data, 300, new ganlab.Rng(7), drawn);
      let turn = 0;
      const plane = ui.plot("The plane: data, generated points, what D says of each place, and where it sends 40 of the points", 330);
      const curves = ui.plot("Losses of D and G", 150), counts = cloud.centres && ui.plot("Modes kept and points near a mode", 150);
      plane.view = [-cloud.size, cloud.size, -cloud.size, cloud.size];
      plane.canvas.style.maxWidth = "420px";
      const made = (game) => { // once a turn
        if (game.at !== turn) Object.assign(game, { at: turn, points: game.G.forward(game.shown, 400).out });
        return game.points;
      };
      const look = (game) => modes(made(game), cloud);
      if (state.data === "by hand") {
        plane.canvas.style.touchAction = "none"; plane.canvas.style.cursor = "crosshair";
        plane.canvas.onpointermove = (e) => { if (e.buttons && drawn.length < 2000) { drawn.push(plane.at(e)); run.draw(); } };
        plane.canvas.onpointerdown = (e) => { drawn.push(plane.at(e)); run.draw(); };
      }
      const run = {
        games, log, modes: look,

        turn() {
          if (state.data === "by hand" && drawn.length < 5) throw new RangeError("Draw some points on the plane first");
          if (turn >= state.turns) return false;
          for (const game of games) {
            if (!game.alive) continue;
            Object.assign(game, { loss: state.loss, penalty: state.penalty, weight: state.weight, clip, stepsD: state.stepsD, stepsG: state.stepsG });
            Object.assign(game.optD, { rate: state.rateD }); Object.assign(game.optG, { rate: state.rateG });
            game.fade = 1 - turn / state.turns;
            try { Object.assign(game, ganlab.turn(game, game.draws)); } catch (error) {
              if (!(error instanceof RangeError)) throw error;
              game.alive = false; game.why = error.message;
            }
          }
          turn++;
          if (!games.some((g) => g.alive)) throw new RangeError(`At turn ${turn} ${games[0].why}`);
          if (turn % Math.max(1, Math.round(state.turns / 200)) === 0 || turn === 1) {
            const living = games.filter((g) => g.alive), mean = (f) => living.reduce((s, g) => s + f(g), 0) / living.length;
            log.at.push(turn); log.lossD.push(mean((g) => g.lossD)); log.lossG.push(mean((g) => g.lossG));
            if (cloud.centres) {
              const found = living.map(look);
              log.kept.push(found.reduce((s, f) => s + f.m10, 0) / living.length / cloud.centres.length);
              log.near.push(found.reduce((s, f) => s + f.near, 0) / living.length);
            }
          }
          return true;
        },

        draw() {
          const game = games[0], c = plane.begin(), size = cloud.size, hue = colours(plane.canvas);
          const level = game.D.forward(nodes, m * m, false).out, low = Math.min(...level), high = Math.max(...level);
          for (let i = 0; i < m * m; i++) shade.data[4 * i + 3] = (127 * (level[i] - low)) / (high - low || 1);
          veil.putImageData(shade, 0, 0);
          veil.globalCompositeOperation = "source-in"; veil.fillStyle = hue.critic; veil.fillRect(0, 0, m, m);
          veil.globalCompositeOperation = "source-over";
          c.drawImage(veil.canvas, plane.x(-size), plane.y(size), plane.x(size) - plane.x(-size), plane.y(-size) - plane.y(size));
          const real = state.data === "by hand" ? Float64Array.from(drawn.flat()) : some;
          const points = made(game), few = points.slice(0, 80), tape = game.D.forward(few, 40, false);
          const rule = ganlab.losses[state.loss], push = Float64Array.from(tape.out, (t) => (rule.pair ? -rule.pair(-t)[1] : rule.made(t)[1]));
          const slope = game.D.backward(tape, push, { learn: false });
          let top = 1e-9;
          for (const v of slope) top = Math.max(top, Math.abs(v));
          plane.within(() => {
            plane.dots(real, hue.real, 2); plane.dots(points, hue.made, 2.6);
            c.strokeStyle = hue.made; c.lineWidth = 1; c.beginPath();
            for (let i = 0; i < 40; i++) {
              const k = (0.12 * size) / top, x = few[2 * i], y = few[2 * i + 1];
              c.moveTo(plane.x(x), plane.y(y)); c.lineTo(plane.x(x - k * slope[2 * i]), plane.y(y - k * slope[2 * i + 1]));
            }
            c.stroke();
          });
          plane.axes([-2, 0, 2], [-2, 0, 2]);

          const ends = [...log.lossD, ...log.lossG].filter(Number.isFinite), span = ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
          curves.begin(); curves.view = [0, state.turns, span[0], span[1] + 1e-9];
          curves.axes([0, state.turns], span.map((v) => +v.toPrecision(2)));
          curves.line(log.at, log.lossD, hue.critic); curves.line(log.at, log.lossG, hue.made, { dash: [5, 3] });
          curves.words("loss of D", curves.width - 12, 20, hue.critic, "right"); curves.words("loss of G (dashed)", curves.width - 12, 36, hue.made, "right");
          if (counts) {
            counts.begin(); counts.view = [0, state.turns, 0, 1.02]; counts.axes([0, state.turns], [0, 0.5, 1]);
            counts.line([0, state.turns], [0.989, 0.989], hue.real, { width: 1, dash: [2, 3] });
            counts.line(log.at, log.kept, hue.real); counts.line(log.at, log.near, hue.made, { dash: [5, 3] });
            counts.words("modes kept", counts.width - 12, counts.height - 46, hue.real, "right");
            counts.words("points near a mode (dashed)", counts.width - 12, counts.height - 30, hue.made, "right");
          }
        },

        say() {
          const dead = games.filter((g) => !g.alive).length, lost = dead ? ` ${dead} of ${S} seeds have stopped: a loss was not finite.` : "";
          if (!turn) return "Turn 0: the networks have random weights.";
          let text = `Turn ${turn} of ${state.turns}. Loss of D ${games[0].lossD?.toFixed(2)}, of G ${games[0].lossG?.toFixed(2)}.`;
          if (cloud.centres) {
            const found = games.filter((g) => g.alive).map(look), K = cloud.centres.length;
            if (S === 1) text += ` ${found[0].m10} of ${K} modes kept, ${percent(found[0].near)} of the points near one.`;
            else {
              const all = found.filter((f) => f.m10 === K).length, [a, b] = interval(all, S);
              text += ` All ${K} modes kept in ${all} of ${S} seeds [${percent(a)}, ${percent(b)}].`;
            }
          }
          return text + lost;
        },
      };
      return run;
    },

    code(state) {
      const names = { "non-saturating": "nonsaturating", "least squares": "least_squares", Wasserstein: "wasserstein" };
      const loss = names[state.loss] ?? state.loss, weight = state.weight, data = { ring: "ring(0.1)", grid: "grid(0.05)" }[state.data];
      const penalty = { none: "", gradient: "gradient_penalty(D, x, y)", R1: "r1(D, x, y)", "R1 + R2": "(r1(D, x, y) + r2(D, x, y))" }[state.penalty];
      return [
        "import ganlib", "import torch", "from ganlib import losses, metrics",
        `from ganlib.densities import ${data ? data.split("(")[0] : "ring"}`,
        "from ganlib.models import MLPCritic, MLPGenerator",
        penalty || state.bound.startsWith("clip") ? `from ganlib.penalties import ${[...new Set([...(penalty.match(/\w+(?=\(D)/g) ?? []), ...(state.bound.startsWith("clip") ? ["clip_weights"] : [])])].join(", ")}` : null,
        "from ganlib.training import alternate", "",
        `S, turns, law, g = ${state.seeds}, ${state.turns}, ${data ?? "ring(0.1)"}, ganlib.rng(${state.seed})`,
        data ? null : "# the data of this panel are not in ganlib: put your own sampler in place of law.sample",
        `G = MLPGenerator((${state.latent}, ${state.width}, ${state.width}, 2), seeds=S, generator=g)`,
        `D = MLPCritic((2, ${state.width}, ${state.width}), seeds=S, generator=g${state.bound === "spectral norm" ? ", spectral_norm=True" : ""})`,
        state.init === "torch" ? null : `for net in (G, D):  # ${state.init}'s first weights\n    for layer in net:\n        if hasattr(layer, "weight"):\n            out, inn = layer.weight.shape[1:]\n            sd = (2 / ${state.init === "He" ? "inn" : "(inn + out)"}) ** 0.5\n            layer.weight.data = sd * torch.randn(layer.weight.shape, generator=g)\n            layer.bias.data.zero_()`,
        `movers = [torch.optim.Adam(net.parameters(), lr, betas=(${state.beta1}, 0.999)) for net, lr in ((D, ${state.rateD}), (G, ${state.rateG}))]`,
        "fades = [torch.optim.lr_scheduler.LinearLR(mover, 1.0, 0.0, turns) for mover in movers]",
        `batches = (law.sample((S, 64), generator=g) for _ in range(${state.stepsD} * turns))`,
        `game = alternate(\n    G, D, batches, lambda shape: torch.randn(*shape, ${state.latent}, generator=g),\n    losses.${loss}_d, losses.${loss}_g, *movers, d_steps=${state.stepsD}, g_steps=${state.stepsG},` +
          (penalty ? `\n    penalty=lambda D, x, y: ${weight} * ${penalty},` : "") + (state.bound.startsWith("clip") ? "\n    after_D=lambda D: clip_weights(D, 0.05)," : "") +
          (state.loss === "relativistic" ? "\n    pair=True," : "") + "\n)",
        "for step in game:\n    for fade in fades:\n        fade.step()",
        `made = G(torch.randn(S, 2500, ${state.latent}, generator=g)).detach()`,
        data ? "print(metrics.modes(made, law.centres.to(made), law.sd[0].item()))" : "print(made.mean(1), made.std(1))",
      ].filter((line) => line !== null).join("\n") + "\n";
    },
  };
}
