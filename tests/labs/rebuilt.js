// What claims of the book say, asked of the labs' own code. a is near b within d.
const near = (a, b, d = 1e-9) => Math.abs(a - b) <= d, all = (list, f) => list.every(f), {dirac, law, compare, grid} = ganlab;
const area = (f) => { let s = 0; for (let i = 1; i < grid.length; i++) s += (f(i) + f(i - 1)) / 2 * (grid[i] - grid[i - 1]); return s; };
const LAWS = [[-1, 1.5, .5, .6], [-2, 2.5, .7, .5], [.3, .4, 1.9, 1], [1.2, 1.2, 1.1, 0]].map((v) => law(...v));
const PAIRS = LAWS.flatMap((p, i) => LAWS.slice(i + 1).map((q) => [p, q])), dens = (l) => l.log.map(Math.exp);
const POINTS = [[1.3, -.6], [-.4, .9], [2.1, 1.7], [.05, -.02]], STEPS = [.03, .1, .4, .9];
const game = (o) => ({loss: "Wasserstein", penalty: "none", weight: .7, place: 0, rate: .1, order: "in turn", ...o});
const far = (at, c = 0) => Math.hypot(at[0] - c, at[1]);
const play = (state, at, turns) => { let before = null; for (let k = 0; k < turns; k++) [at, before] = dirac.move(state, at, before); return at; };
const X = Float64Array.from([1.2, .4, -2, .1, .7, 3, -1, -1.4, .3, .9, 2.2, -.6]);
const THETA = {weights: [.3, .7], means: [[-1, .2], [.6, -.5]], covariances: [[1, .2, .8], [.6, -.1, 1.1]]};
const settles = (o, turns = 4000) => far(play(game(o), [.3, .2], turns)) < .03;

const STATEMENTS = {
  "optimal-discriminator-formula": () => all(PAIRS, ([p, q]) => { const D = compare(p, q)["D*"], a = dens(p), b = dens(q);
        const V = (i, d) => a[i] * Math.log(d) + b[i] * Math.log(1 - d);
        return all([400, 900, 1100, 1200, 1300, 1600], (i) => !(D[i] > .02 && D[i] < .98)
          || near(D[i], a[i] / (a[i] + b[i])) && all([-.01, .01], (e) => V(i, D[i] + e) < V(i, D[i]))); }),

  "value-at-optimal-discriminator": () => all(PAIRS, ([p, q]) => { const c = compare(p, q), a = dens(p), b = dens(q), D = c["D*"];
        const V = area((i) => (a[i] > 1e-200 ? a[i] * Math.log(D[i]) : 0) + (b[i] > 1e-15 && D[i] < 1 ? b[i] * Math.log1p(-D[i]) : 0));
        return c.JS > .01 && near(V, 2 * c.JS - 2 * Math.log(2), 1e-6); }),

  "js-between-tv-bounds": () => all(PAIRS, ([p, q]) => { const {JS, TV} = compare(p, q);
        return TV > .1 && TV ** 2 / 2 <= JS && JS <= TV * Math.log(2); }),

  "kl-asymmetric": () => (() => { const k = (s) => { const c = compare(law(-1, 0, 1, 1), law(.7, 0, s, 1)); return c["KL(p‖q)"] - c["KL(q‖p)"]; };
        return near(k(1), 0, 1e-6) && Math.abs(k(1.5)) > .1 && Math.abs(k(.6)) > .1; })(),

  "js-constant-without-overlap": () => all([3, -5, 8], (d) => { const c = compare(law(-d / 2, 0, .2, 1), law(d / 2, 0, .2, 1));
        return near(c.JS, Math.log(2), 1e-6) && near(c["W₁"], Math.abs(d), 1e-6); }),

  "generator-slopes-in-the-logit": () => all([-4, -.7, .3, 2], (l) => { const D = 1 / (1 + Math.exp(-l));
        const slope = (name) => ganlab.lossG(ganlab.losses[name], [0], [l])[1][0];
        return near(slope("minimax"), -D) && near(slope("non-saturating"), -(1 - D)); }),

  "zero-sum-dirac-circles": () => all(POINTS, (at) => all(["Wasserstein", "minimax"], (loss) => {
        const g = dirac.slopes(game({loss}), at); return near(at[0] * g[0] + at[1] * g[1], 0) && far(g) > 1e-3; })),

  "bilinear-game-never-arrives": () => all(POINTS, (at) => all(STEPS, (rate) => {
        const q = ([x, y]) => x * x + y * y - rate * x * y, turn = play(game({rate}), at, 50), once = dirac.move(game({rate, order: "at once"}), at)[0];
        return near(far(once), Math.sqrt(1 + rate ** 2) * far(at)) && near(q(turn), q(at), 1e-8); })),

  "dirac-spectrum": () => all(["R1", "R1 + R2"], (penalty) => all([.1, .35, .8], (weight) => all([["Wasserstein", 1], ["minimax", .5], ["non-saturating", .5]], ([loss, a]) => {
        const gamma = (penalty === "R1" ? 2 : 4) * weight, inside = gamma ** 2 / 4 - a ** 2, [[re, im], [last]] = dirac.eigenvalues(game({loss, penalty, weight}));
        return inside < 0 ? near(re, -gamma / 2, 1e-6) && near(im, Math.sqrt(-inside), 1e-6)
          : near(re, -gamma / 2 + Math.sqrt(inside), 1e-6) && near(last, -gamma / 2 - Math.sqrt(inside), 1e-6); }))),

  "longest-step": () => (() => { const R1 = (gamma, rate, order) => settles({penalty: "R1", weight: gamma / 2, rate, order}, 9000);
        return all([.3, .8, 1.6], (gamma) => R1(gamma, .95 * gamma, "at once") && !R1(gamma, 1.05 * gamma, "at once"))
          && all([.3, .8], (gamma) => { const most = Math.sqrt(gamma ** 2 + 4) - gamma; return R1(gamma, .97 * most, "in turn") && !R1(gamma, 1.03 * most, "in turn"); }); })(),

  "looking-ahead-settles": () => ["extragradient", "optimistic"].every((order, k) => { const most = k ? 1 / Math.sqrt(3) : 1;
        return settles({order, rate: .9 * most}) && !settles({order, rate: 1.1 * most}); }),

  "wgan-gp-dirac-cycle": () => all([.3, .7], (weight) => { const state = game({penalty: "gradient", weight, rate: .002}), seen = [], kappa = Math.exp(-Math.PI * weight / Math.sqrt(1 - weight ** 2));
        let at = play(state, [.3, .2], 30000); for (let k = 0; k < 8000; k++) { at = dirac.move(state, at)[0]; seen.push(Math.abs(at[0])); }
        return near(Math.max(...seen), 2 * weight * (1 + kappa) / (1 - kappa), .03 * weight); })
        && near(Math.abs(play(game({penalty: "gradient", weight: 1.5, rate: .01}), [.3, .2], 30000)[0]), 3, 1e-3),

  "pairing-does-not-damp": () => all([-1.3, .4, 2], (place) => { const of = (loss) => dirac.eigenvalues(game({loss, place})), [[re, im]] = of("relativistic");
        const [one, two] = of("non-saturating"), brake = -(one[0] + two[0]);
        return near(re, 0, 1e-6) && near(im, .5, 1e-6) && near(brake, place ** 2 / 2, 1e-6); }),

  "em-identical-to-vi": () => (() => { let t = THETA;
        return all([0, 1, 2, 3, 4], () => { const [q, l] = ganlab.em.eStep(t, X), other = q.map((row) => row.map((v) => (v + .5) / 2));
          const fits = near(ganlab.em.bound(t, q, X), l, 1e-9) && ganlab.em.bound(t, other, X) < l - 1e-3; t = ganlab.em.mStep(q, X, .001); return fits; }); })(),

  "em-decomposition-wrong-denominator": () => all([.1, .35, .8], (a) => { const [post, l] = ganlab.em.eStep(THETA, X), q = post.map((_, i) => [(a + i / 9) % 1, 1 - (a + i / 9) % 1]);
        const kl = q.flat().reduce((s, v, k) => s + (v > 0 ? v * Math.log(v / post.flat()[k]) : 0), 0);
        return kl > .1 && near(ganlab.em.bound(THETA, q, X) + kl, l, 1e-9); }),
};
