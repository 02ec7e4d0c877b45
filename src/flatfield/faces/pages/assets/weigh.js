// Weighs the posterior's draws: what `scoring` says of a run under other weights, money or limits, number for number.
// Nothing here touches the page: `weigh(data, draws, ask)` takes values and returns values.
"use strict";

const BANDS = [["S", 0.95], ["A", 0.85], ["B", 0.7], ["C", 0.5], ["D", 0.25], ["F", 0]];
const HOLDS = 0.5;
const TIE = 0.01;
const LEAST_WITHIN = 0.5;
const DEEP = 0.025;
const KINDS = ["performance", "speed", "cost"];

// ---------------------------------------------------------------------------- draws, as they travel

function unpackDraws(bytes, shape) {
  // Each array is four planes of bytes: the upper halves of its numbers, which hold all of their bits.
  const found = { count: shape.count, agents: shape.agents };
  let at = 0;
  for (const [name, columns] of shape.arrays) {
    const size = shape.count * columns;
    const halves = new Uint32Array(size * 2);
    for (let plane = 0; plane < 4; plane += 1) {
      for (let i = 0; i < size; i += 1) halves[2 * i + 1] |= bytes[at + i] << (8 * plane);
      at += size;
    }
    found[name] = new Float64Array(halves.buffer);
  }
  return found;
}

// ---------------------------------------------------------------------------- plain arithmetic

const exact = (value) => Math.round(value * 1e12) / 1e12;

function letterOf(score) {
  return BANDS.find(([, least]) => score >= least)?.[0] ?? "F";
}

function meanOf(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i];
  return sum / values.length;
}

function sorted(values) {
  return Float64Array.from(values).sort();
}

function percentile(ordered, share) {
  // Linear between neighbours, in the very steps that NumPy takes.
  const place = (ordered.length - 1) * share;
  const under = Math.floor(place), part = place - under;
  const low = ordered[under], high = ordered[Math.min(under + 1, ordered.length - 1)];
  return part >= 0.5 ? high - (high - low) * (1 - part) : low + (high - low) * part;
}

function rankedAt(counts, total, share) {
  // The inverted distribution of whole numbers from 1: the smallest that so large a share does not exceed.
  const place = total * share - 1;
  const wanted = Math.max(place > Math.floor(place) ? Math.floor(place) + 1 : Math.floor(place), 0);
  let seen = 0;
  for (let rank = 1; rank < counts.length; rank += 1) {
    seen += counts[rank];
    if (seen > wanted) return rank;
  }
  return counts.length - 1;
}

function column(values, agents, agent) {
  const found = new Float64Array(values.length / agents);
  for (let i = 0; i < found.length; i += 1) found[i] = values[i * agents + agent];
  return found;
}

function estimate(values) {
  const ordered = sorted(values);
  return { mean: meanOf(values), low: percentile(ordered, DEEP), high: percentile(ordered, 1 - DEEP) };
}

// ---------------------------------------------------------------------------- what matters, as one number a draw

function shares(weights, hasCost) {
  const cost = hasCost ? weights[2] : 0;
  const total = weights[0] + weights[1] + cost;
  return total <= 0 ? [1, 0, 0] : [weights[0] / total, weights[1] / total, cost / total];
}

function overallDraws(performance, speed, cost, parts) {
  const found = new Float64Array(performance.length);
  for (let i = 0; i < found.length; i += 1) {
    let blend = parts[0] * performance[i] + parts[1] * speed[i];
    if (cost) blend += parts[2] * cost[i];
    found[i] = performance[i] < HOLDS ? Math.min(blend, performance[i]) : blend;
  }
  return found;
}

function moneyDraws(draws, money) {
  const solved = draws["next.solved"], wait = draws["next.expected_wait_seconds"], usd = draws["next.expected_usd"];
  const found = new Float64Array(solved.length);
  for (let i = 0; i < found.length; i += 1) {
    found[i] = solved[i] * money.solved - (wait[i] / 3600) * money.hour;
    if (usd) found[i] -= usd[i];
  }
  return found;
}

function utilityDraws(data, draws, ask) {
  if (ask.money) return moneyDraws(draws, ask.money);
  const cost = draws["next.cost"];
  return overallDraws(draws["next.performance"], draws["next.speed"], cost, shares(weightsThatCount(data, ask.weights), Boolean(cost)));
}

function weightsThatCount(data, weights) {
  // Those that the letters have; speed has none where nobody told how long the trials took.
  const found = gradedWeights(data, weights);
  return data.timed ? found : [found[0], 0, found[2]];
}

// ---------------------------------------------------------------------------- grades

function gradedWeights(data, weights) {
  // Cost is left out of all overalls where it has no grade for somebody who does the job.
  return data.costGaps && weights[0] + weights[1] > 0 ? [weights[0], weights[1], 0] : weights;
}

function countsDearest(agent, weights) {
  const fails = agent.performance.score !== null && agent.performance.score < HOLDS;
  return fails && agent.cost.lacks !== null && weights[0] + weights[1] > 0;
}

function blended(scores, weights) {
  let total = 0, sum = 0;
  for (let i = 0; i < 3; i += 1) {
    if (weights[i] <= 0) continue;
    if (scores[i] === null) return null;
    sum += scores[i] * weights[i];
    total += weights[i];
  }
  return total > 0 ? exact(sum / total) : null;
}

const capped = (blend, performance) => (performance < HOLDS ? Math.min(blend, performance) : blend);

function overallScore(agent, weights) {
  if (agent.performance.score === null) return null;
  const dear = weights[2] > 0 && countsDearest(agent, weights);
  const blend = blended([agent.performance.score, agent.speed.score, dear ? 0 : agent.cost.score], weights);
  return blend === null ? null : capped(blend, agent.performance.score);
}

function overallsOfRun(data, draws, weights, agents) {
  // A cost that the draws have no scale for counts what its grade does.
  const size = draws.agents.length, cost = draws["these.cost"], performance = draws["these.performance"];
  const fixed = draws.agents.map((name) => {
    const agent = agents.find((one) => one.name === name);
    if (cost) return agent && countsDearest(agent, weights) ? 0 : null;
    return agent ? (agent.cost.score ?? 0) : 0;
  });
  let costs = cost;
  if ((cost && fixed.some((each) => each !== null)) || (!cost && weights[2] > 0)) {
    costs = new Float64Array(performance.length);
    for (let i = 0; i < costs.length; i += 1) costs[i] = fixed[i % size] ?? cost[i];
  }
  return overallDraws(performance, draws["these.speed"], costs, shares(weights, Boolean(costs)));
}

function openFigures(part, weights, dearest) {
  const done = part[0] ?? 0;
  const blend = blended([done, part[1], part[2] === null && dearest ? 0 : part[2]], weights);
  return capped(blend ?? 0, done);
}

function overallGrade(agent, score, ends, weights) {
  const grade = { score, letter: score === null ? null : letterOf(score), n: agent.performance.n };
  if (score === null) return { ...grade, low: null, high: null };
  let low = ends ? exact(Math.max(Math.min(ends[0], score), 0)) : null;
  let high = ends ? exact(Math.min(Math.max(ends[1], score), 1)) : null;
  if (agent.open) {
    const dear = countsDearest(agent, weights);
    const [least, now, most] = agent.open.map((part) => openFigures(part, weights, dear));
    const [down, up] = [exact(Math.max(now - least, 0)), exact(Math.max(most - now, 0))];
    if (down || up) [low, high] = [exact(Math.max((low ?? score) - down, 0)), exact(Math.min((high ?? score) + up, 1))];
  }
  return { ...grade, low, high };
}

function gradeSaid(grade) {
  if (grade.letter === null) return grade.lacks ? `no ${grade.lacks}` : "not measured";
  if (grade.n === 1) return `${grade.letter} (one trial)`;
  const worst = grade.low === null ? null : letterOf(grade.low), best = grade.high === null ? null : letterOf(grade.high);
  return worst === best ? grade.letter : `${grade.letter} (${worst}–${best})`;
}

// ---------------------------------------------------------------------------- the order of the report, and its ranks

function bestFirst(agents, overall, before, able) {
  const merit = (a) => [able.has(a) ? 0 : 1, -overall[a], -agents[a].performance.score, agents[a].name];
  const field = agents.map((_, a) => a).filter((a) => overall[a] !== null);
  let waiting = field.sort((a, b) => compared(merit(a), merit(b)));
  const order = [];
  while (waiting.length) {
    const chosen = waiting.find((a) => [...before[a]].every((b) => order.includes(b))) ?? waiting[0];
    order.push(chosen);
    waiting = waiting.filter((a) => a !== chosen);
  }
  return order;
}

function compared(one, other) {
  for (let i = 0; i < one.length; i += 1) {
    if (one[i] < other[i]) return -1;
    if (one[i] > other[i]) return 1;
  }
  return 0;
}

function standsBefore(data, overall) {
  // Who stands above whom whatever the averages say: who surely does the job, and who did as well with less missing.
  const field = new Set(data.agents.map((_, a) => a).filter((a) => overall[a] !== null));
  const pairs = data.didAsWell.filter(([one, other]) => field.has(one) && field.has(other));
  const does = (a) => data.agents[a].able;
  const able = new Set([...field].filter((a) => does(a) && !pairs.some(([one, other]) => other === a && !does(one))));
  const before = data.agents.map((_, a) => new Set(pairs.filter(([, other]) => other === a).map(([one]) => one)));
  for (const a of field) for (const b of field) if (able.has(b) && !able.has(a)) before[a].add(b);
  return { before, able };
}

function rankRanges(data, draws, weights, overall, order, before) {
  const size = draws.agents.length;
  const field = data.agents.map((_, a) => a).filter((a) => overall[a] !== null);
  const known = field.filter((a) => data.agents[a].row >= 0);
  const ranges = data.agents.map(() => [1, field.length]);
  if (known.length) {
    const values = overallsOfRun(data, draws, weights, field.map((a) => data.agents[a]));
    const columns = known.map((a) => {
      const own = column(values, size, data.agents[a].row), gap = data.agents[a].gap;
      const chance = gap > 0 ? draws[`chance.${a}`] : null;
      if (chance) for (let i = 0; i < own.length; i += 1) own[i] += (chance[i] - own[i]) * gap;
      return own;
    });
    const best = known.map(() => new Uint32Array(known.length + 2)), worst = known.map(() => new Uint32Array(known.length + 2));
    for (let i = 0; i < draws.count; i += 1) {
      for (let k = 0; k < columns.length; k += 1) {
        const mine = columns[k][i];
        let above = 0, level = 0;
        for (let j = 0; j < columns.length; j += 1) {
          if (columns[j][i] > mine) above += 1;
          else if (columns[j][i] === mine) level += 1;
        }
        best[k][above + 1] += 1;
        worst[k][above + level] += 1;
      }
    }
    known.forEach((a, k) => {
      ranges[a] = [rankedAt(best[k], draws.count, DEEP), rankedAt(worst[k], draws.count, 1 - DEEP) + field.length - known.length];
    });
  }
  order.forEach((a, place) => {
    let [low, high] = [Math.min(ranges[a][0], place + 1), Math.max(ranges[a][1], place + 1)];
    for (const b of before[a]) [low, high] = [Math.max(low, ranges[b][0]), Math.max(high, ranges[b][1])];
    ranges[a] = [low, high];
  });
  return ranges;
}

function graded(data, draws, asked) {
  const weights = gradedWeights(data, asked);
  const overall = data.agents.map((agent) => overallScore(agent, weights));
  const { before, able } = standsBefore(data, overall);
  const order = bestFirst(data.agents, overall, before, able);
  const values = draws ? overallsOfRun(data, draws, weights, data.agents) : null;
  const grades = data.agents.map((agent, a) => {
    let ends = null;
    if (values && agent.row >= 0) {
      const ordered = sorted(column(values, draws.agents.length, agent.row));
      ends = [percentile(ordered, DEEP), percentile(ordered, 1 - DEEP)];
    }
    return overallGrade(agent, overall[a], ends, weights);
  });
  return { weights, order, grades, ranks: draws ? rankRanges(data, draws, weights, overall, order, before) : data.agents.map(() => null) };
}

// ---------------------------------------------------------------------------- the decision

function within(draws, limits) {
  const size = draws.agents.length, kept = new Float64Array(size);
  const performance = draws["next.performance"], seconds = draws["next.seconds"], usd = draws["next.usd"];
  const least = limits.performance ? BANDS.find(([letter]) => letter === limits.performance)[1] : null;
  for (let i = 0; i < performance.length; i += 1) {
    const fine = (least === null || performance[i] >= least) && (limits.seconds === null || seconds[i] <= limits.seconds)
      && (limits.usd === null || (usd ? usd[i] <= limits.usd : false));
    if (fine) kept[i % size] += 1;
  }
  return kept.map((count) => count / draws.count);
}

function leader(some, means, best, tie, preferred) {
  // The highest mean; of those less than a tie behind, who is most probably the best, as it is read; then the cheaper.
  const top = Math.max(...some.map((a) => means[a]));
  const near = some.filter((a) => top - means[a] < tie);
  return near.reduce((first, a) => (compared([-best[a], preferred[a]], [-best[first], preferred[first]]) < 0 ? a : first));
}

function decisionOrder(data, draws, means, best, money) {
  // Best first on the next task; who does the job before who does not; with less missing before whom it did as well as.
  const read = Array.from(best, (share) => Number(fixed(share, 2)));
  const tie = tieOf(money), above = draws.agents.map(() => []);
  for (const [one, other] of data.surer) above[other].push(one);
  const waiting = new Set(draws.agents.keys()), order = [];
  const orAll = (some, all) => (some.length ? some : all);
  while (waiting.size) {
    const all = [...waiting];
    const free = orAll(all.filter((a) => !above[a].some((b) => waiting.has(b))), all);
    const doing = orAll(free.filter((a) => money || data.nextAble[a]), free);
    const chosen = leader(doing, means, read, tie, data.preferred);
    order.push(chosen);
    waiting.delete(chosen);
  }
  return order;
}

const tieOf = (money) => TIE * (money ? money.solved : 1);

function probablyBest(values, size, allowed, tie) {
  // By agent, how probably nobody of those who may be recommended is better by more than a tie.
  const any = allowed.some(Boolean), best = new Float64Array(size), draws = values.length / size;
  for (let i = 0; i < values.length; i += size) {
    let top = -Infinity;
    for (let a = 0; a < size; a += 1) if ((!any || allowed[a]) && values[i + a] > top) top = values[i + a];
    for (let a = 0; a < size; a += 1) if ((!any || allowed[a]) && values[i + a] >= top - tie) best[a] += 1;
  }
  return best.map((count) => count / draws);
}

function columnMeans(values, size) {
  const sums = new Float64Array(size);
  for (let i = 0; i < values.length; i += 1) sums[i % size] += values[i];
  return sums.map((sum) => sum / (values.length / size));
}

function whoMay(data, draws, ask, kept) {
  const agentOf = (name) => data.agents.find((one) => one.name === name);
  const among = data.agents.filter((one) => !ask.limits.onDevice || one.onDevice).map((one) => one.name);
  const keeps = (name) => draws.agents.includes(name) && kept[draws.agents.indexOf(name)] >= LEAST_WITHIN;
  const doing = among.filter((name) => agentOf(name).able && !agentOf(name).unproven && keeps(name));
  const allowed = new Set((doing.length ? doing : among).filter(keeps));
  return { among: new Set(among), allowed: draws.agents.map((name) => allowed.has(name)) };
}

function firstOf(data, order, allowed, means, money) {
  const field = order.filter((a) => allowed[a]);
  if (!field.length) return { field, first: null, pays: true };
  if (money) return { field, first: field[0], pays: means[field[0]] > 0 };
  const barred = allowed.some((may, a) => !may && data.nextAble[a]);
  return { field, first: barred && !data.nextAble[field[0]] ? null : field[0], pays: true };
}

function decided(data, draws, ask) {
  const size = draws.agents.length, values = utilityDraws(data, draws, ask), means = columnMeans(values, size);
  const kept = within(draws, ask.limits);
  const { among, allowed } = whoMay(data, draws, ask, kept);
  const best = probablyBest(values, size, allowed, tieOf(ask.money));
  const order = decisionOrder(data, draws, means, best, ask.money);
  const { field, first, pays } = firstOf(data, order, allowed, means, Boolean(ask.money));
  const lost = lostDraws(values, size, allowed);
  const standings = order.map((a) => ({
    agent: draws.agents[a],
    row: a,
    best: best[a],
    allowed: allowed[a],
    within: kept[a],
    regret: { mean: meanOf(lost[a]), worst: Math.max(meanOf(lost[a]), percentile(sorted(lost[a]), 0.95)) },
    utility: estimate(column(values, size, a)),
  }));
  const chosen = first === null || !pays ? null : draws.agents[first];
  const recommended = chosen !== null && data.agents.find((one) => one.name === chosen).able ? chosen : null;
  const others = standings.filter((one) => one.allowed && one.agent !== recommended);
  const second = recommended === null ? null : others.reduce((top, one) => (top === null || one.best > top.best ? one : top), null);
  return { standings, field: field.map((a) => draws.agents[a]), pays, recommended, runnerUp: second?.agent ?? null, among };
}

function lostDraws(values, size, allowed) {
  // By agent, what is lost against the best of those who may be recommended.
  const lost = allowed.map(() => new Float64Array(values.length / size));
  if (!allowed.some(Boolean)) return lost;
  for (let i = 0; i < values.length; i += size) {
    let top = -Infinity;
    for (let a = 0; a < size; a += 1) if (allowed[a] && values[i + a] > top) top = values[i + a];
    for (let a = 0; a < size; a += 1) lost[a][i / size] = Math.max(top - values[i + a], 0);
  }
  return lost;
}

function excludedFor(data, ask, decision) {
  const found = new Map();
  for (const agent of data.agents) {
    const standing = decision.standings.find((one) => one.agent === agent.name);
    if (!standing) found.set(agent.name, agent.performance.note || "not measured");
    else if (standing.allowed) continue;
    else if (!decision.among.has(agent.name)) found.set(agent.name, "does not run on this device");
    else if (standing.within < LEAST_WITHIN) found.set(agent.name, `keeps to the limits with probability ${likely(standing.within)}`);
    else if (!agent.able) found.set(agent.name, "does not do the job");
    else if (agent.unproven) found.set(agent.name, `not all of its checks were measured, and ${agent.unproven} did as well`);
  }
  return found;
}

function pairedOff(draws, question, first, second) {
  // First minus second in performance: on these tasks, or on the next one like these.
  const values = draws[`${question}.performance`], size = draws.agents.length;
  const off = new Float64Array(draws.count);
  let better = 0, level = 0;
  for (let i = 0; i < draws.count; i += 1) {
    off[i] = values[i * size + first] - values[i * size + second];
    if (off[i] > 0) better += 1;
    else if (off[i] === 0) level += 1;
  }
  return { ...estimate(off), probability: better / draws.count + 0.5 * (level / draws.count) };
}

function answerMap(data, draws, ask, steps) {
  // Who is the answer at each point of the triangle of weights, whole steps of performance, speed and cost.
  const size = draws.agents.length, some = someDraws(draws, size);
  const { allowed } = whoMay(data, draws, ask, within(draws, ask.limits));
  const found = [];
  for (let p = 0; p <= steps; p += 1) {
    for (let s = 0; s <= steps - p; s += 1) {
      const weights = [p / steps, s / steps, (steps - p - s) / steps];
      const values = utilityDraws(data, some, { weights, money: null }), means = columnMeans(values, size);
      const best = probablyBest(values, size, allowed, TIE);
      const order = decisionOrder(data, draws, means, best, null);
      const { first } = firstOf(data, order, allowed, means, false);
      found.push({ p, s, agent: first === null ? null : draws.agents[first] });
    }
  }
  return found;
}

function someDraws(draws, size) {
  // Some of the draws are enough for a map.
  const stride = Math.max(1, Math.floor(draws.count / 500)), kept = Math.ceil(draws.count / stride), found = {};
  for (const name of KINDS.map((kind) => `next.${kind}`)) {
    if (!draws[name]) continue;
    found[name] = new Float64Array(kept * size);
    for (let d = 0; d < kept; d += 1) found[name].set(draws[name].subarray(d * stride * size, (d * stride + 1) * size), d * size);
  }
  return found;
}

// ---------------------------------------------------------------------------- how it is said

const grouped = (text) => text.replace(/\B(?=(\d{3})+(?!\d))/g, ",");

function fixed(value, digits) {
  // As Python writes a float: where it lies exactly between two, the even one.
  const text = value.toFixed(digits), long = value.toFixed(digits + 40), tail = long.slice(-40);
  if (text.includes("e") || tail !== `5${"0".repeat(39)}` || Number(text.at(-1)) % 2 === 0) return text;
  return long.slice(0, -40).replace(/\.$/, "");
}

const whole = (value) => Number(fixed(value, 0));

function withCommas(value, digits) {
  const [front, part] = fixed(value, digits).split(".");
  return part === undefined ? grouped(front) : `${grouped(front)}.${part}`;
}

function saidDollars(value) {
  if (value === null) return "no price";
  if (value === 0) return "$0";
  if (value >= 0.9995) return `$${withCommas(value, 2)}`;
  if (value < 1e-9) return "< $0.000000001";
  return `$${fixed(value, Math.max(2 - Math.floor(Math.log10(value)), 2))}`;
}

// In money a flat rate pays for some: one more trial of theirs costs nothing.
const saidPrice = (agent, money) => (money && agent.subscription ? "subscription" : saidDollars(agent.usd));

function signedDollars(amount) {
  const size = Math.abs(amount), shown = size >= 0.1 ? `$${withCommas(size, 2)}` : saidDollars(size);
  return amount < 0 ? `-${shown}` : shown;
}

function saidSeconds(value) {
  if (value === null) return "–";
  if (value < 9.995) return `${fixed(value, 2)} s`;
  if (value < 119.95) return `${fixed(value, 1)} s`;
  const all = whole(value);
  if (all < 3600) return `${Math.floor(all / 60)} min ${all % 60} s`;
  const minutes = whole(all / 60), hours = whole(all / 3600), days = whole(all / 86400);
  if (hours < 48) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return days < 100 ? `${Math.floor(hours / 24)} days ${hours % 24} h` : `${grouped(String(days))} days`;
}

function likely(probability) {
  if (probability > 0.99) return ">0.99";
  return probability < 0.01 ? "<0.01" : fixed(probability, 2);
}

const written = (value) => withCommas(value, 12).replace(/0+$/, "").replace(/\.$/, "");

function few(names, most = 6) {
  if (names.length <= most + 1) return names.join(", ");
  return `${names.slice(0, most).join(", ")} and ${grouped(String(names.length - most))} more`;
}

function saidMuch(amount, ask) {
  if (ask.money) return `${signedDollars(amount)} a task`;
  const points = amount * 100;
  return points < 9.95 ? `${fixed(points, 1)} points of 100` : `${fixed(points, 0)} points of 100`;
}

function saidLimits(limits) {
  return [
    limits.performance ? `performance ${limits.performance} or better` : "",
    limits.seconds === null ? "" : `at most ${written(limits.seconds)} s for a typical trial`,
    limits.usd === null ? "" : `at most $${written(limits.usd)} for a typical trial`,
    limits.onDevice ? "on this device" : "",
  ].filter(Boolean).join(", ");
}

function saidAnswer(data, ask, decision) {
  // The sentence that every face says.
  const agentOf = (name) => data.agents.find((one) => one.name === name);
  const did = (one) => agentOf(one.agent).did[ask.money ? 1 : 0];
  const field = decision.standings.filter((one) => one.allowed);
  const chosen = field.find((one) => one.agent === decision.recommended);
  if (chosen) {
    const use = data.unfinished ? "So far, use" : "Use";
    return `${use} ${chosen.agent}: ${howGood(data, ask, decision, chosen, field)}, and it ${did(chosen)}.`;
  }
  if (!field.length) return `No agent to recommend: ${nearest(data, ask, decision)}.`;
  const [first] = field;
  if (!decision.pays && agentOf(first.agent).able) {
    return `Use none of them: none pays for itself; the best, ${first.agent}, would lose ${saidDollars(-first.utility.mean)} a task.`;
  }
  const able = decision.standings.filter((one) => agentOf(one.agent).able).map((one) => one.agent);
  if (able.length) {
    const reasons = excludedFor(data, ask, decision);
    const why = few([...new Set(able.map((name) => reasons.get(name) ?? "is left out"))]);
    return `No agent within the limits does the job: ${few(able)} would, but ${why}.`;
  }
  return `None does the job: ${first.agent} comes nearest, it ${did(first)}.`;
}

function howGood(data, ask, decision, chosen, field) {
  const limits = saidLimits(ask.limits) ? " within the limits" : "";
  let said;
  if (field.length === 1) {
    const others = decision.standings.filter((one) => one.agent !== chosen.agent);
    const some = others.some((one) => !data.agents.find((agent) => agent.name === one.agent).able) ? " that does the job" : "";
    said = `it is the only agent${limits || some || " that was measured"}`;
  } else {
    const best = likely(chosen.best);
    said = chosen.best < 0.5
      ? `of ${field.length} agents${limits} you lose least with it (it is the best with probability ${best})`
      : `it is the best of ${field.length} agents${limits} with probability ${best}`;
  }
  return ask.money ? `${said}, it brings about ${signedDollars(chosen.utility.mean)} a task` : said;
}

function nearest(data, ask, decision) {
  const inside = decision.standings.filter((one) => !ask.limits.onDevice || data.agents.find((agent) => agent.name === one.agent).onDevice);
  if (!inside.length) return "none of those measured runs on this device";
  const one = inside.reduce((top, each) => (each.within > top.within ? each : top));
  return `none keeps to the limits (${saidLimits(ask.limits)}); ${one.agent} comes nearest, with probability ${likely(one.within)}`;
}

// ---------------------------------------------------------------------------- the way in

function weigh(data, draws, ask) {
  // Everything that follows from what matters: grades, ranks, the decision, and the order of the table.
  const grading = graded(data, draws, ask.money ? data.asked.run : ask.weights);
  if (!draws) return { grading, decision: null, answer: data.said.answer, rows: data.agents.map((_, a) => a), reasons: new Map() };
  const decision = decided(data, draws, ask);
  const at = new Map(data.agents.map((agent, a) => [agent.name, a]));
  const place = (a) => (grading.order.includes(a) ? grading.order.indexOf(a) : grading.order.length);
  const standing = decision.standings.map((one) => at.get(one.agent));
  const rest = data.agents.map((_, a) => a).filter((a) => !standing.includes(a));
  const rows = ask.money ? standing : standing.map((a, i) => [a, i]).sort(([a, i], [b, j]) => compared(
    [data.agents[a].name === decision.recommended ? 0 : 1, place(a), i], [data.agents[b].name === decision.recommended ? 0 : 1, place(b), j],
  )).map(([a]) => a);
  return { grading, decision, answer: saidAnswer(data, ask, decision), rows: [...rows, ...rest], reasons: excludedFor(data, ask, decision) };
}
