// Play a recorded game again, with its weights and draws: what ganlib's tests compare.
"use strict";
ganlab.replay = function (told) {
  const net = (sizes, slope, values, spectral) => {
    const made = new ganlab.Net(sizes, slope, new ganlab.Rng(0), { spectral });
    made.parameters.forEach((p, j) => p.set(values[j]));
    return made;
  };
  const width = told.G[1].length, latent = told.G[0].length / width;
  const G = net([latent, width, width, 2], 0, told.G), D = net([2, width, width, 1], 0.2, told.D, told.u.length > 0);
  told.u.forEach((u, l) => { D.u[l] = Float64Array.from(u); });
  const at = { real: 0, noise: 0, share: 0 };
  const next = (name) => () => Float64Array.from(told[name][at[name]++]);
  const draws = { real: next("real"), noise: next("noise"), share: next("share") }, [beta1, beta2] = told.betas;
  const optD = new ganlab.Adam(D, told.rates[0], { beta1, beta2 }), optG = new ganlab.Adam(G, told.rates[1], { beta1, beta2 });
  const game = { ...told, G, D, optD, optG }, came = { lossD: [], lossG: [] };
  for (let k = 0; k < told.turns; k++) {
    const { lossD, lossG } = ganlab.turn(game, draws);
    came.lossD.push(lossD); came.lossG.push(lossG);
  }
  const list = (m) => m.parameters.map((p) => Array.from(p));
  return { ...came, endD: list(D), endG: list(G) };
};
