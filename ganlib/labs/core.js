// The engine of the labs: small networks with hand-written derivatives, Adam, the losses and penalties of ganlib.
// No library, no DOM. Everything is float64, and row-major as in torch: weights are (out, in), points (n, features).
"use strict";
const ganlab = (globalThis.ganlab ??= {});

// ---------------------------------------------------------------------------------------------------- random numbers

// xoshiro128**, seeded by splitmix32: the same numbers in every browser.
ganlab.Rng = class {
  constructor(seed) {
    let a = seed >>> 0;
    this.s = Uint32Array.from({ length: 4 }, () => {
      a = (a + 0x9e3779b9) | 0;
      let t = Math.imul(a ^ (a >>> 16), 0x21f0aaad);
      t = Math.imul(t ^ (t >>> 15), 0x735a2d97);
      return t ^ (t >>> 15);
    });
    this.spare = null;
  }

  bits() {
    const s = this.s, r = Math.imul(s[1], 5), out = Math.imul((r << 7) | (r >>> 25), 9) >>> 0, t = s[1] << 9;
    s[2] ^= s[0]; s[3] ^= s[1]; s[1] ^= s[2]; s[0] ^= s[3]; s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return out;
  }

  uniform() { return (this.bits() + 0.5) / 2 ** 32; }

  below(n) { return Math.floor(this.uniform() * n); }

  normal() {
    if (this.spare !== null) { const x = this.spare; this.spare = null; return x; }
    const r = Math.sqrt(-2 * Math.log(this.uniform())), a = 2 * Math.PI * this.uniform();
    this.spare = r * Math.sin(a);
    return r * Math.cos(a);
  }
};

// ------------------------------------------------------------------------------------------------------------ layers

// y = x Wᵀ + b for n rows; four sums at a time, since each has to wait for its own last step only.
function forwards(x, W, b, n, inn, out) {
  const y = new Float64Array(n * out), start = b ?? new Float64Array(out);
  for (let r = 0; r < n; r++) {
    const a = r * inn, o = r * out;
    let c = 0;
    for (; c + 4 <= out; c += 4) {
      const w = c * inn, w1 = w + inn, w2 = w1 + inn, w3 = w2 + inn;
      let s = start[c], s1 = start[c + 1], s2 = start[c + 2], s3 = start[c + 3];
      for (let k = 0; k < inn; k++) { const v = x[a + k]; s += v * W[w + k]; s1 += v * W[w1 + k]; s2 += v * W[w2 + k]; s3 += v * W[w3 + k]; }
      y[o + c] = s; y[o + c + 1] = s1; y[o + c + 2] = s2; y[o + c + 3] = s3;
    }
    for (; c < out; c++) {
      let s = start[c];
      for (let k = 0, w = c * inn; k < inn; k++) s += x[a + k] * W[w + k];
      y[o + c] = s;
    }
  }
  return y;
}

// d W: what a change of y is, seen from x.
function backwards(d, W, n, inn, out) {
  const e = new Float64Array(n * inn);
  for (let r = 0; r < n; r++) {
    const a = r * inn;
    for (let c = 0; c < out; c++) {
      const q = d[r * out + c];
      if (q !== 0) for (let k = 0, w = c * inn; k < inn; k++) e[a + k] += q * W[w + k];
    }
  }
  return e;
}

// gW += dᵀ x, and gb += the sum of d, if there is one.
function gather(gW, gb, d, x, n, inn, out) {
  for (let r = 0; r < n; r++) {
    const a = r * inn;
    for (let c = 0; c < out; c++) {
      const q = d[r * out + c];
      if (q === 0) continue;
      if (gb) gb[c] += q;
      for (let k = 0, w = c * inn; k < inn; k++) gW[w + k] += q * x[a + k];
    }
  }
}

function unit(v) {
  let square = 0;
  for (const x of v) square += x * x;
  const norm = Math.max(Math.sqrt(square), 1e-12);
  return v.map((x) => x / norm);
}

// A multilayer perceptron: linear layers with LeakyReLU(slope) between them; slope 0 is ReLU.
ganlab.Net = class {
  constructor(sizes, slope, rng, { init = "torch", spectral = false } = {}) {
    this.sizes = sizes; this.slope = slope; this.spectral = spectral; this.W = []; this.b = []; this.u = [];
    for (let l = 0; l + 1 < sizes.length; l++) {
      const inn = sizes[l], out = sizes[l + 1], bound = inn ** -0.5;
      const sd = init === "He" ? Math.sqrt(2 / inn) : Math.sqrt(2 / (inn + out));
      const draw = init === "torch" ? () => (2 * rng.uniform() - 1) * bound : () => sd * rng.normal();
      this.W.push(Float64Array.from({ length: inn * out }, draw));
      this.b.push(Float64Array.from({ length: out }, init === "torch" ? draw : () => 0));
      if (spectral) this.u.push(unit(Float64Array.from({ length: out }, () => rng.normal())));
    }
    this.parameters = this.W.flatMap((W, l) => [W, this.b[l]]);
    this.gradients = this.parameters.map((p) => new Float64Array(p.length));
  }

  // The layer's weights, over an estimate of their largest singular value if the net has a spectral norm.
  weights(l, learn) {
    const W = this.W[l];
    if (!this.spectral) return { W };
    const inn = this.sizes[l], out = this.sizes[l + 1], v = unit(backwards(this.u[l], W, 1, inn, out));
    const Wv = forwards(v, W, null, 1, inn, out);
    if (learn) this.u[l] = unit(Wv);
    const u = this.u[l], sigma = u.reduce((sum, x, c) => sum + x * Wv[c], 0);
    return { W: W.map((w) => w / sigma), u, v, sigma };
  }

  // A tape: all that a way back needs.
  forward(x, n, learn = true) {
    const tape = { n, h: [x], layers: [] }, L = this.W.length;
    for (let l = 0; l < L; l++) {
      const layer = this.weights(l, learn);
      const y = forwards(tape.h[l], layer.W, this.b[l], n, this.sizes[l], this.sizes[l + 1]);
      if (l < L - 1) for (let k = 0; k < y.length; k++) if (y[k] <= 0) y[k] *= this.slope;
      tape.h.push(y); tape.layers.push(layer);
    }
    tape.out = tape.h[L];
    return tape;
  }

  mask(e, h) { for (let k = 0; k < e.length; k++) if (h[k] <= 0) e[k] *= this.slope; }

  // Add a gradient in the weights that were used to the gradient in those that are kept.
  keep(l, g, { u, v, sigma }) {
    const W = this.W[l], into = this.gradients[2 * l], inn = this.sizes[l];
    let along = 0;
    for (let k = 0; k < g.length; k++) along += g[k] * W[k];
    for (let c = 0; c < u.length; c++)
      for (let k = 0; k < inn; k++) into[c * inn + k] += g[c * inn + k] / sigma - (along / sigma ** 2) * u[c] * v[k];
  }

  collect(l, layer, d, x, n, bias) {
    const g = layer.sigma ? new Float64Array(this.W[l].length) : this.gradients[2 * l];
    gather(g, bias ? this.gradients[2 * l + 1] : null, d, x, n, this.sizes[l], this.sizes[l + 1]);
    if (layer.sigma) this.keep(l, g, layer);
  }

  // d is the slope of a loss in the output; gives its slope in the input, and gathers those in the parameters.
  backward(tape, d, { learn = true, deltas = null } = {}) {
    for (let l = this.W.length - 1; l >= 0; l--) {
      if (deltas) deltas[l] = d;
      if (learn) this.collect(l, tape.layers[l], d, tape.h[l], tape.n, true);
      d = backwards(d, tape.layers[l].W, tape.n, this.sizes[l], this.sizes[l + 1]);
      if (l > 0) this.mask(d, tape.h[l]);
    }
    return d;
  }

  // A penalty on the slope of the output in the input. size(s) gives [value, derivative] for a row whose slope is s.
  // Its gradient needs second derivatives. A net that is linear piece by piece has only mixed ones: with v the push on
  // the slope of each row, d/dW of <v, slope> is (slope seen at the layer's output) × (v carried up to its input).
  penalty(x, n, size) {
    const tape = this.forward(x, n), deltas = [], d = this.sizes[0];
    const slopes = this.backward(tape, new Float64Array(n).fill(1), { learn: false, deltas });
    let value = 0, v = new Float64Array(n * d);
    for (let r = 0; r < n; r++) {
      let square = 0;
      for (let k = 0; k < d; k++) square += slopes[r * d + k] ** 2;
      const norm = Math.sqrt(square), [cost, push] = size(norm);
      value += cost / n;
      if (norm > 0) for (let k = 0; k < d; k++) v[r * d + k] = (push * slopes[r * d + k]) / norm / n;
    }
    for (let l = 0; l < this.W.length; l++) {
      this.collect(l, tape.layers[l], deltas[l], v, n, false);
      v = forwards(v, tape.layers[l].W, null, n, this.sizes[l], this.sizes[l + 1]);
      if (l + 1 < this.W.length) this.mask(v, tape.h[l + 1]);
    }
    return value;
  }
};

ganlab.Adam = class {
  constructor(net, rate, { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = {}) {
    Object.assign(this, { net, rate, beta1, beta2, eps, steps: 0 });
    [this.m, this.v] = [0, 1].map(() => net.parameters.map((p) => new Float64Array(p.length)));
  }

  step(share = 1) {
    const { beta1, beta2, eps, net } = this, t = ++this.steps;
    const size = (this.rate * share) / (1 - beta1 ** t), root = Math.sqrt(1 - beta2 ** t);
    net.parameters.forEach((p, j) => {
      const g = net.gradients[j], m = this.m[j], v = this.v[j];
      for (let k = 0; k < p.length; k++) {
        m[k] += (1 - beta1) * (g[k] - m[k]);
        v[k] = beta2 * v[k] + (1 - beta2) * g[k] * g[k];
        p[k] -= (size * m[k]) / (Math.sqrt(v[k]) / root + eps);
      }
    });
  }
};

// ------------------------------------------------------------------------------------------------------------ losses

const sigmoid = (t) => (t >= 0 ? 1 / (1 + Math.exp(-t)) : 1 - 1 / (1 + Math.exp(t)));
const softplus = (t) => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t)));
const entropy = { real: (t) => [softplus(-t), -sigmoid(-t)], fake: (t) => [softplus(t), sigmoid(t)] };
const straight = { made: (t) => [-t, -1] };

// [value, derivative] for one logit: of D at a real and at a generated point, of G at what it made.
ganlab.losses = {
  minimax: { ...entropy, made: (t) => [-softplus(t), -sigmoid(t)] },
  "non-saturating": { ...entropy, made: (t) => [softplus(-t), -sigmoid(-t)] },
  "least squares": {
    real: (t) => [(t - 1) ** 2 / 2, t - 1], fake: (t) => [t ** 2 / 2, t], made: (t) => [(t - 1) ** 2 / 2, t - 1],
  },
  hinge: {
    real: (t) => [Math.max(0, 1 - t), t < 1 ? -1 : 0], fake: (t) => [Math.max(0, 1 + t), t > -1 ? 1 : 0], ...straight,
  },
  Wasserstein: { real: (t) => [-t, -1], fake: (t) => [t, 1], ...straight },
  relativistic: { pair: (t) => [softplus(t), sigmoid(t)] }, // of the loser's logit less the winner's
};

// The critic's loss and its slopes in the logits.
ganlab.lossD = function (loss, real, fake) {
  const n = real.length, m = fake.length, dr = new Float64Array(n), df = new Float64Array(m);
  let value = 0;
  if (loss.pair) {
    for (let i = 0; i < n; i++) {
      const [cost, push] = loss.pair(fake[i] - real[i]);
      value += cost / n; dr[i] = -push / n; df[i] = push / n;
    }
  } else {
    for (let i = 0; i < n; i++) { const [cost, push] = loss.real(real[i]); value += cost / n; dr[i] = push / n; }
    for (let i = 0; i < m; i++) { const [cost, push] = loss.fake(fake[i]); value += cost / m; df[i] = push / m; }
  }
  return [value, dr, df];
};

// The generator's; real logits are looked at by a loss of pairs only.
ganlab.lossG = function (loss, real, fake) {
  const m = fake.length, df = new Float64Array(m);
  let value = 0;
  for (let i = 0; i < m; i++) {
    let cost, push;
    if (loss.pair) { [cost, push] = loss.pair(real[i] - fake[i]); push = -push; } else [cost, push] = loss.made(fake[i]);
    value += cost / m; df[i] = push / m;
  }
  return [value, df];
};

ganlab.penalties = {
  none: null,
  gradient: { between: (s) => [(s - 1) ** 2, 2 * (s - 1)] },
  R1: { real: (s) => [s * s, 2 * s] },
  "R1 + R2": { real: (s) => [s * s, 2 * s], fake: (s) => [s * s, 2 * s] },
};

// ---------------------------------------------------------------------------------------------------------- the game

// One turn, as ganlib.training.alternate plays it. draws: real(n), noise(n) and share(n) give points, z and ε.
ganlab.turn = function (game, draws) {
  const { G, D, optD, optG, batch: n, fade = 1 } = game, loss = ganlab.losses[game.loss];
  let value, cost, x, real;
  for (let k = 0; k < game.stepsD; k++) {
    x = draws.real(n);
    const fake = G.forward(draws.noise(n), n).out, a = D.forward(x, n), b = D.forward(fake, n);
    const [v, dr, df] = ganlab.lossD(loss, a.out, b.out);
    D.gradients.forEach((g) => g.fill(0));
    D.backward(a, dr); D.backward(b, df);
    let total = v;
    for (const [where, size] of Object.entries(ganlab.penalties[game.penalty] ?? {})) {
      const weighed = (s) => size(s).map((t) => game.weight * t);
      total += D.penalty({ real: x, fake, between: where === "between" && mix(x, fake, draws.share(n)) }[where], n, weighed);
    }
    if (!Number.isFinite(total)) throw new RangeError("D's loss is not finite");
    optD.step(fade); value = v;
    if (game.clip) for (const p of D.parameters) p.forEach((w, i) => { p[i] = Math.max(-game.clip, Math.min(game.clip, w)); });
  }
  for (let k = 0; k < game.stepsG; k++) {
    const made = G.forward(draws.noise(n), n);
    if (loss.pair) real = D.forward(x, n).out;
    const judged = D.forward(made.out, n), [c, df] = ganlab.lossG(loss, real, judged.out);
    if (!Number.isFinite(c)) throw new RangeError("G's loss is not finite");
    G.gradients.forEach((g) => g.fill(0));
    G.backward(made, D.backward(judged, df, { learn: false }));
    optG.step(fade); cost = c;
  }
  return { lossD: value, lossG: cost };
};

function mix(x, y, share) {
  const d = x.length / share.length;
  return x.map((v, i) => { const e = share[Math.floor(i / d)]; return e * v + (1 - e) * y[i]; });
}
