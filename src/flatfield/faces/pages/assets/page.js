
// ---------------------------------------------------------------------------- the page: opens what travels, shows it

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const MAP_STEPS = 24;
const ROWS_AT_ONCE = 60;
const page = { ask: null, asked: null, shown: null, hot: "", map: null, views: {}, cell: null };

function el(tag, given = {}, ...children) {
  const made = given.svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "svg" || value === null || value === undefined || value === false) continue;
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Where a long name may go on in the next line: behind its joints.
const jointed = (text) => text.split(/(?<=[+/_:.@])/).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));

const fill = (node, ...children) => node.replaceChildren(...children.filter((child) => child !== null));

async function opened(id) {
  // What travels is compressed, as letters and digits: nothing in it can end an element or run.
  const text = byId(id).content.textContent;
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The rest of the file: what nobody sees at first stands behind the script.
const parsed = () => new Promise((go) => (document.readyState === "loading" ? addEventListener("DOMContentLoaded", go, { once: true }) : go()));
const openedJson = async (id) => JSON.parse(new TextDecoder().decode(await opened(id)));
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;
const agentNamed = (name) => page.data.agents.find((one) => one.name === name);
const plural = (count, thing) => `${grouped(String(count))} ${thing}${count === 1 ? "" : "s"}`;

function letterTile(letter) {
  const known = letter && letter !== "·" && letter !== " ";
  return el("span", { class: known ? `tile letter-${letter}` : "tile none", text: known ? letter : "·", "aria-label": known ? null : "not measured", role: known ? null : "img" });
}

function graded2(said) {
  // `A (B–S)`: the letter as a tile, its range beside it.
  const [letter, ...rest] = said.split(" ");
  if (letter.length > 1) return [el("span", { class: "range", text: said })];
  const range = rest.join(" ").replace(/[()]/g, "");
  return [letterTile(letter), range ? el("span", { class: "range", text: range }) : null];
}

const SHAPES = {
  circle: "M8 2a6 6 0 1 0 .01 0z",
  square: "M2.5 2.5h11v11h-11z",
  diamond: "M8 1l6 7-6 7-6-7z",
  "triangle-up": "M8 1.5l6.5 12h-13z",
  "triangle-down": "M8 14.5l6.5-12h-13z",
  "triangle-right": "M14.5 8l-12 6.5v-13z",
  "triangle-left": "M1.5 8l12 6.5v-13z",
  cross: "M5.5 1.5h5v4h4v5h-4v4h-5v-4h-4v-5h4z",
};

function mark(agent) {
  const path = el("path", { svg: true, d: SHAPES[agent.shape], fill: agent.shade[isDark() ? 1 : 0] });
  return el("svg", { svg: true, viewBox: "0 0 16 16", "aria-hidden": "true" }, path);
}

// ---------------------------------------------------------------------------- the answer

function showAnswer() {
  const { data, ask, shown } = page, { decision } = shown;
  byId("answer").textContent = shown.answer;
  const changed = !sameAsk(ask, page.asked);
  byId("moved").hidden = !changed;
  if (changed) byId("moved-said").textContent = `For ${saidAsk(ask)}. The run was asked for ${saidAsk(page.asked)}: ${data.said.answer}`;
  byId("advice").hidden = changed;
  fill(byId("tiles"), ...(decision ? tiles(data, ask, decision) : []));
}

function tiles(data, ask, decision) {
  const chosen = decision.standings.find((one) => one.agent === decision.recommended);
  const found = [];
  if (chosen && decision.field.length > 1) {
    found.push([likely(chosen.best), "probability that it is the best, or within a hundredth"]);
    found.push([saidMuch(chosen.regret.mean, ask), "lost on average if another one is really better"]);
    found.push([saidMuch(chosen.regret.worst, ask), "lost in a bad case, 1 of 20"]);
    const second = decision.standings.find((one) => one.agent === decision.runnerUp);
    if (second) found.push([agentNamed(second.agent).short, `next, the best with probability ${likely(second.best)}`]);
  } else if (chosen) {
    const agent = agentNamed(chosen.agent);
    found.push([agent.performance.said, "performance on these tasks"]);
    found.push([saidSeconds(agent.seconds), "active seconds of a trial, on average"]);
    found.push([saidPrice(agent, ask.money), "dollars of a trial, on average"]);
  }
  return found.map(([said, what]) => el("div", {}, el("dt", { text: what }), el("dd", {}, ...jointed(said))));
}

function saidAsk(ask) {
  const limits = saidLimits(ask.limits), also = limits ? `, with ${limits}` : "";
  if (ask.money) {
    const hour = ask.money.hour ? ` and an hour of waiting at $${written(ask.money.hour)}` : "";
    return `a solved task at $${written(ask.money.solved)}${hour}${also}`;
  }
  const total = ask.weights[0] + ask.weights[1] + ask.weights[2];
  const parts = KINDS.map((kind, i) => `${kind} ${Math.round((100 * ask.weights[i]) / total)}%`);
  return `${parts.join(", ")}${also}`;
}

const sameAsk = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// ---------------------------------------------------------------------------- the ranking

function showTable() {
  const { data, ask, shown } = page, { decision, grading } = shown;
  const money = Boolean(ask.money);
  const has = { speed: data.agents.some((a) => a.speed.score !== null), seconds: data.agents.some((a) => a.seconds !== null) };
  const columns = [...(money ? [] : ["rank"]), "agent", "n", "best", money ? "$ a task" : "overall", "performance", ...(has.speed ? ["speed"] : []), "cost", ...(has.seconds ? ["s/trial"] : []), "$/trial"];
  const right = new Set(["rank", "n", "s/trial", "$/trial"]);
  fill(byId("table").tHead, el("tr", {}, ...columns.map((name) => el("th", { scope: "col", class: right.has(name) ? "num" : null, text: name }))));
  fill(byId("table").tBodies[0], ...shown.rows.map((a) => tableRow(a, money, has)));
  const fig = decision ? `best: the probability that nobody who may be recommended is better by more than a hundredth on the next task like these, over ${grouped(String(page.draws.count))} draws. A (B–S): the letter, and its range on these tasks (95%).` : "Nothing is measured yet.";
  const left = grading.weights[2] === 0 && (money ? data.asked.run : ask.weights)[2] > 0 ? " Cost is left out of the overall for all: for somebody who does the job it has no grade." : "";
  byId("ranking-hint").textContent = fig + left;
}

function tableRow(a, money, has) {
  const { data, shown } = page, agent = data.agents[a], { decision, grading } = shown;
  const standing = decision?.standings.find((one) => one.agent === agent.name);
  const rank = grading.ranks[a] && grading.grades[a].letter !== null ? grading.ranks[a] : null;
  const reason = shown.reasons.get(agent.name);
  const name = el("div", { class: "name" }, mark(agent), el("span", {}, el("span", { class: "who" }, ...jointed(agent.short)), agent.made ? el("span", { class: "reason", text: agent.made }) : null, reason ? el("span", { class: "reason", text: reason }) : null));
  const best = standing?.allowed ? [el("span", { class: "bar", "aria-hidden": "true" }, bar(standing.best)), document.createTextNode(fixed(standing.best, 2))] : [document.createTextNode("–")];
  const overall = money ? [document.createTextNode(standing ? `${signedDollars(standing.utility.mean)} `: "–"), standing ? el("span", { class: "range", text: `${signedDollars(standing.utility.low)} to ${signedDollars(standing.utility.high)}` }) : null] : graded2(gradeSaid(grading.grades[a]));
  const cells = [
    money ? null : el("td", { class: "num", "data-of": "rank", text: rank === null ? "–" : rank[0] === rank[1] ? String(rank[0]) : `${rank[0]}–${rank[1]}` }),
    el("th", { scope: "row", title: agent.name }, name),
    el("td", { class: "num", text: grouped(String(agent.n)) }),
    el("td", { "data-of": "best" }, ...best),
    el("td", { "data-of": "overall" }, ...overall.filter(Boolean)),
    el("td", {}, ...graded2(agent.performance.said).filter(Boolean)),
    has.speed ? el("td", {}, ...graded2(agent.speed.said).filter(Boolean)) : null,
    el("td", {}, ...graded2(agent.cost.said).filter(Boolean)),
    has.seconds ? el("td", { class: "num", text: saidSeconds(agent.seconds) }) : null,
    el("td", { class: "num", "data-of": "usd", text: saidPrice(agent, money) }),
  ];
  const row = el("tr", { class: agent.name === decision?.recommended ? "first" : null, "data-agent": agent.name }, ...cells.filter(Boolean));
  row.addEventListener("pointerenter", () => light(agent.name));
  row.addEventListener("pointerleave", () => light(""));
  return row;
}

function bar(share) {
  const made = el("i");
  made.style.width = `${Math.round(share * 100)}%`;
  return made;
}

function light(name) {
  page.hot = name;
  const view = page.views.scatter;
  if (view) view.signal("hot", name).runAsync();
}

// ---------------------------------------------------------------------------- the triangle of weights

const CORNERS = [[150, 22], [14, 258], [286, 258]];
// Performance at the top, speed at the left, cost at the right.

function placeOf(weights) {
  const parts = shares(weights, true);
  return [0, 1].map((axis) => parts[0] * CORNERS[0][axis] + parts[1] * CORNERS[1][axis] + parts[2] * CORNERS[2][axis]);
}

function weightsAt(x, y) {
  const [top, left, right] = CORNERS;
  const p = (left[1] - y) / (left[1] - top[1]);
  const c = (x - left[0] - (p * (right[0] - left[0])) / 2) / (right[0] - left[0]);
  const kept = [Math.max(p, 0), Math.max(1 - p - c, 0), Math.max(c, 0)];
  const total = kept[0] + kept[1] + kept[2];
  const percent = kept.map((each) => Math.round((100 * each) / total));
  percent[kept.indexOf(Math.max(...kept))] += 100 - percent[0] - percent[1] - percent[2];
  return percent.map((each) => each / 100);
}

function buildTriangle() {
  const svg = el("svg", { svg: true, viewBox: "0 0 300 284", role: "group", "aria-label": "Triangle of weights" });
  page.places = el("g", { svg: true, "aria-hidden": "true" });
  const edge = el("path", { svg: true, class: "edge", d: `M${CORNERS.map((corner) => corner.join(" ")).join("L")}z` });
  const corners = [["performance", 150, 14, "middle"], ["speed", 8, 277, "start"], ["cost", 292, 277, "end"]].map(([text, x, y, anchor]) => el("text", { svg: true, class: "corner", x, y, "text-anchor": anchor, text }));
  page.handle = el("g", { svg: true, class: "handle", tabindex: "0", role: "slider", "aria-label": "Weights: up and down for performance, left and right from speed to cost", "aria-valuemin": "0", "aria-valuemax": "100", "aria-orientation": "vertical" }, el("circle", { svg: true, class: "ring", r: "15" }), el("circle", { svg: true, class: "knob", r: "9" }));
  const inside = el("clipPath", { svg: true, id: "inside" }, el("path", { svg: true, d: edge.getAttribute("d") }));
  svg.append(el("defs", { svg: true }, inside), page.places, edge, ...corners, page.handle);
  const move = (event) => {
    const box = svg.getBoundingClientRect(), scale = 300 / box.width;
    setAsk({ weights: weightsAt((event.clientX - box.left) * scale, (event.clientY - box.top) * scale) });
  };
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    page.handle.focus();
    move(event);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => svg.hasPointerCapture(event.pointerId) && move(event));
  page.handle.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 10 : 1;
    const by = { ArrowUp: [step, 0], ArrowDown: [-step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step], Home: [100, 0], End: [-100, 0], PageUp: [10, 0], PageDown: [-10, 0] }[event.key];
    if (!by) return;
    event.preventDefault();
    setAsk({ weights: nudged(page.ask.weights, ...by) });
  });
  byId("triangle").append(svg);
}

function nudged(weights, up, right) {
  // Whole percents: performance takes from, or gives to, the others in proportion; speed and cost trade with each other.
  const parts = shares(weights, true).map((each) => each * 100);
  const p = Math.min(Math.max(Math.round(parts[0]) + up, 0), 100), rest = 100 - p;
  const others = parts[1] + parts[2];
  let c = others > 0 ? (rest * parts[2]) / others : rest / 2;
  c = Math.min(Math.max(Math.round(c) + right, 0), rest);
  return [p / 100, (rest - c) / 100, c / 100];
}

function showTriangle() {
  const [x, y] = placeOf(page.ask.weights);
  page.handle.setAttribute("transform", `translate(${x} ${y})`);
  const percents = shares(page.ask.weights, true).map((each) => Math.round(each * 100));
  page.handle.setAttribute("aria-valuenow", percents[0]);
  page.handle.setAttribute("aria-valuetext", `performance ${percents[0]}%, speed ${percents[1]}%, cost ${percents[2]}%`);
}

function drawMap() {
  // Each place of the triangle in the colour of the agent that is the answer there.
  const found = answerMap(page.data, page.draws, page.ask, MAP_STEPS), side = (CORNERS[2][0] - CORNERS[1][0]) / MAP_STEPS;
  const places = new Map(), areas = new Map();
  for (const one of found) {
    const [cx, cy] = placeOf([one.p / MAP_STEPS, one.s / MAP_STEPS, (MAP_STEPS - one.p - one.s) / MAP_STEPS]);
    areas.set(one.agent, [...(areas.get(one.agent) ?? []), el("circle", { svg: true, cx, cy, r: side * 0.62 })]);
    if (one.agent !== null) places.set(one.agent, [...(places.get(one.agent) ?? []), [cx, cy]]);
  }
  const drawn = [...areas].map(([name, dots]) => {
    // One family's members are told apart by how strong its colour is.
    const agent = name === null ? null : agentNamed(name);
    const members = page.data.agents.filter((each) => agent && each.family === agent.family && areas.has(each.name));
    const strength = agent ? [0.5, 0.22, 0.36, 0.14][members.indexOf(agent) % 4] : 0.15;
    return el("g", { svg: true, fill: agent ? agent.shade[isDark() ? 1 : 0] : "#888888", opacity: strength }, ...dots);
  });
  const labels = [...places].filter(([, at]) => at.length >= 12).map(([name, at]) => {
    const [cx, cy] = [0, 1].map((axis) => meanOf(at.map((each) => each[axis])));
    const [x, y] = at.reduce((top, each) => ((each[0] - cx) ** 2 + (each[1] - cy) ** 2 < (top[0] - cx) ** 2 + (top[1] - cy) ** 2 ? each : top));
    const [hx, hy] = placeOf(page.ask.weights), covered = Math.abs(x - hx) < 70 && Math.abs(y - hy) < 20;
    return el("text", { svg: true, class: "place", x, y: covered ? hy + 30 : y + 4, "text-anchor": "middle", text: agentNamed(name).short });
  });
  fill(page.places, el("g", { svg: true, "clip-path": "url(#inside)" }, ...drawn), ...labels);
}

// ---------------------------------------------------------------------------- what is asked

function setAsk(change) {
  page.ask = { ...page.ask, ...change };
  if (!page.waiting) {
    page.waiting = true;
    requestAnimationFrame(() => {
      page.waiting = false;
      showAll();
    });
  }
}

function showAll() {
  page.shown = weigh(page.data, page.draws, page.ask);
  showControls();
  showAnswer();
  showTable();
  const key = JSON.stringify(page.ask.limits);
  if (!byId("controls").hidden && !page.ask.money && key !== page.map) {
    page.map = key;
    drawMap();
  }
}

function showControls() {
  const { ask } = page, money = ask.money ?? page.money;
  for (const radio of byId("controls").elements.kind) radio.checked = radio.value === (ask.money ? "money" : "weights");
  byId("by-weights").hidden = Boolean(ask.money);
  byId("by-money").hidden = !ask.money;
  showTriangle();
  ask.weights.forEach((weight, i) => put(`w${i}`, Number((weight * 100).toFixed(6))));
  put("solved", money.solved);
  put("hour", money.hour);
  put("solved-range", Math.round(onRange(money.solved)));
  put("hour-range", Math.round(onRange(money.hour)));
  byId("solved-range").setAttribute("aria-valuetext", `$${written(money.solved)}`);
  byId("hour-range").setAttribute("aria-valuetext", `$${written(money.hour)}`);
  put("limit-performance", ask.limits.performance ?? "");
  put("limit-seconds", ask.limits.seconds ?? "");
  put("limit-usd", ask.limits.usd ?? "");
  byId("limit-local").checked = ask.limits.onDevice;
}

function put(id, value) {
  const field = byId(id);
  if (document.activeElement !== field && field.value !== String(value)) field.value = value;
}

// Sliders of dollars go by ten times: from a cent to a thousand dollars, and 0 at the left.
const onRange = (dollars) => (dollars <= 0 ? 0 : Math.min(Math.max((Math.log10(dollars) + 2) * 20, 1), 100));
const fromRange = (value) => (value <= 0 ? 0 : Number((10 ** (value / 20 - 2)).toPrecision(2)));

function numberIn(id, least = 0) {
  const value = byId(id).value.trim() === "" ? null : Number(byId(id).value);
  return value !== null && Number.isFinite(value) && value >= least ? value : null;
}

function listenToControls() {
  const form = byId("controls");
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const radio of form.elements.kind) radio.addEventListener("change", () => setAsk({ money: radio.value === "money" ? page.money : null }));
  for (const i of [0, 1, 2]) {
    byId(`w${i}`).addEventListener("input", () => {
      const weights = [0, 1, 2].map((each) => (numberIn(`w${each}`) ?? 0) / 100);
      if (weights.some((each) => each > 0)) setAsk({ weights });
    });
  }
  const dollars = (change) => {
    page.money = { ...page.money, ...change };
    setAsk({ money: page.money });
  };
  byId("solved").addEventListener("input", () => numberIn("solved") > 0 && dollars({ solved: numberIn("solved") }));
  byId("hour").addEventListener("input", () => dollars({ hour: numberIn("hour") ?? 0 }));
  byId("solved-range").addEventListener("input", (event) => dollars({ solved: fromRange(Math.max(event.target.valueAsNumber, 1)) }));
  byId("hour-range").addEventListener("input", (event) => dollars({ hour: fromRange(event.target.valueAsNumber) }));
  const limited = () => setAsk({ limits: { performance: byId("limit-performance").value || null, seconds: numberIn("limit-seconds"), usd: numberIn("limit-usd"), onDevice: byId("limit-local").checked } });
  for (const id of ["limit-performance", "limit-seconds", "limit-usd", "limit-local"]) byId(id).addEventListener("input", limited);
  byId("reset").addEventListener("click", () => {
    setAsk(page.asked);
    byId("answer").scrollIntoView({ block: "nearest" });
    byId("ranking").focus({ preventScroll: true });
  });
}

// ---------------------------------------------------------------------------- charts

function library() {
  // What draws charts travels compressed and begins when the first of them is wanted; the policy knows its digest.
  page.library ??= parsed().then(() => opened("library")).then((bytes) => document.head.append(el("script", { text: new TextDecoder().decode(bytes) })));
  return page.library;
}

async function draw(name, kind, rows) {
  // The widest chart that there is room for, on the ground that is in force.
  const holder = byId(name), charts = page.data.charts;
  const wanted = Math.max(charts.widths.findLastIndex((width) => width + 80 <= holder.clientWidth || width === charts.widths[0]), 0);
  const spec = structuredClone(charts[isDark() ? "dark" : "light"][wanted][kind]);
  if (!spec) return;
  if (rows) spec.data.values = rows;
  await library();
  page.views[name]?.finalize();
  const drawn = el("div");
  fill(holder, drawn);
  const { view } = await vegaEmbed(drawn, spec, { mode: "vega-lite", ast: true, defaultStyle: false, actions: false, tooltip: false, renderer: "svg" });
  page.views[name] = view;
  view.addEventListener("pointermove", (event, item) => tip(event, item?.datum?.said));
  view.addEventListener("pointerout", () => tip(null, ""));
}

function tip(event, said) {
  const shown = byId("tip");
  shown.hidden = !said;
  if (!said) return;
  shown.textContent = said;
  shown.style.left = `${Math.min(event.clientX + 14, innerWidth - shown.offsetWidth - 8)}px`;
  shown.style.top = `${Math.max(event.clientY - shown.offsetHeight - 10, 4)}px`;
}

function tradeKind() {
  return document.querySelector("input[name=trade]:checked").value;
}

async function showTrade() {
  const kind = tradeKind(), known = page.data.agents.filter((one) => one.typical[kind] && one.typical.performance);
  const lacking = page.data.agents.filter((one) => !known.includes(one));
  byId("trade-title").textContent = `Performance against ${kind === "usd" ? "cost" : "time"}`;
  byId("trade-hint").textContent = [
    "Lines are 95% intervals on these tasks; nobody beats those on the dashed front on both.",
    lacking.length ? `Not in it, for want of a ${kind === "usd" ? "price" : "measure"}: ${few(lacking.map((one) => one.short))}.` : "",
  ].join(" ").trim();
  await draw("scatter", kind);
}

// ---------------------------------------------------------------------------- who failed what

function gridOrder() {
  const { tasks, cells } = page.data, width = cells.agents.length, order = byId("grid-order").value;
  const merit = tasks.map((_, t) => {
    const scores = cells.score.slice(t * width, (t + 1) * width).filter((one) => one !== null);
    if (!scores.length) return 2;
    return order === "hard" ? meanOf(scores) : Math.min(...scores) - Math.max(...scores);
  });
  const all = tasks.map((_, t) => t);
  return order === "run" ? all : all.sort((a, b) => merit[a] - merit[b] || a - b);
}

function gridColumns() {
  // Contenders as the table ranks them, then the controls.
  const names = [...page.shown.rows.map((a) => page.data.agents[a].name), ...page.data.controls.map((one) => one.name)];
  return names.map((name) => page.data.cells.agents.indexOf(name)).filter((at) => at >= 0);
}

function showGrid() {
  const { cells } = page.data, columns = gridColumns(), body = byId("grid").tBodies[0], focused = body.contains(document.activeElement);
  page.grid = { order: gridOrder(), columns, next: 0 };
  byId("grid").classList.toggle("many", columns.length > 24);
  const heads = columns.map((at) => el("th", { scope: "col", class: "col", title: cells.agents[at] }, el("span", { text: cutName(agentNamed(cells.agents[at])?.short ?? cells.agents[at]) })));
  fill(byId("grid").tHead, el("tr", {}, el("th", { scope: "col" }, el("span", { class: "unseen", text: "task" })), ...heads));
  fill(byId("grid").tBodies[0]);
  addGridRows();
  const cell = page.cell && body.querySelector(`td[data-t="${page.cell[0]}"][data-a="${page.cell[1]}"]`);
  if (cell) cell.setAttribute("aria-selected", "true");
  if (cell && focused) cell.focus({ preventScroll: true });
}

// Names that are long differ at their ends: what is left out of one where room is short is not its end.
function tailed(name) {
  const letters = [...name];
  return el("span", { class: "tailed" }, el("span", { text: letters.slice(0, -9).join("") }), el("span", { text: letters.slice(-9).join("") }));
}

const cutName = (name) => (name.length > 22 ? `${name.slice(0, 5)}…${name.slice(-16)}` : name);

function addGridRows() {
  const { tasks, cells } = page.data, { order, columns } = page.grid, measure = byId("grid-measure").value;
  const body = byId("grid").tBodies[0], width = cells.agents.length, until = Math.min(page.grid.next + ROWS_AT_ONCE, order.length);
  for (; page.grid.next < until; page.grid.next += 1) {
    const t = order[page.grid.next], task = tasks[t];
    const head = el("th", { scope: "row", title: task.title, "aria-label": task.id }, tailed(task.id));
    body.append(el("tr", {}, head, ...columns.map((at, c) => gridCell(t, at, cells[measure][t * width + at], page.grid.next === 0 && c === 0))));
  }
}

function gridCell(t, at, letter, first) {
  const known = letter !== " " && letter !== "·";
  const name = page.data.cells.agents[at], said = letter === " " ? "does not take part" : letter === "·" ? "not measured" : letter;
  return el("td", { class: known ? `letter-${letter}` : letter === " " ? "off" : "none", text: known ? letter : letter === " " ? "" : "·", tabindex: first ? "0" : "-1", "data-t": t, "data-a": at, "aria-label": `${said}: ${agentNamed(name)?.short ?? name}, ${page.data.tasks[t].id}` });
}

function listenToGrid() {
  const table = byId("grid");
  table.addEventListener("click", (event) => event.target.closest("td")?.dataset.t && openCell(event.target.closest("td")));
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      openCell(cell);
      return;
    }
    const row = cell.parentElement;
    if (event.key === "ArrowDown" && !row.nextElementSibling) addGridRows();
    const next = { ArrowRight: cell.nextElementSibling, ArrowLeft: cell.previousElementSibling, ArrowDown: row.nextElementSibling?.cells[cell.cellIndex], ArrowUp: row.previousElementSibling?.cells[cell.cellIndex], Home: row.cells[1], End: row.cells[row.cells.length - 1] }[event.key];
    if (next === undefined && !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    if (next?.tagName === "TD") {
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
  });
  const holder = table.closest(".scroll");
  holder.addEventListener("scroll", () => holder.scrollTop + holder.clientHeight > holder.scrollHeight - 300 && addGridRows());
  for (const id of ["grid-measure", "grid-order"]) byId(id).addEventListener("change", showGrid);
}

async function openCell(cell) {
  const t = Number(cell.dataset.t), at = Number(cell.dataset.a), { cells, tasks } = page.data;
  const name = cells.agents[at], task = tasks[t];
  byId("grid").querySelector("[aria-selected]")?.removeAttribute("aria-selected");
  cell.setAttribute("aria-selected", "true");
  page.cell = [t, at];
  page.reasons ??= await openedJson("data-reasons");
  const trials = page.reasons.trials.filter((one) => one.agent === name && one.task === task.id);
  const printed = page.reasons.published.filter((one) => one.agent === name && one.task === task.id);
  const items = trials.map((one) => el("li", {}, el("strong", { text: one.ended }), document.createTextNode(one.took.startsWith("–") ? "" : ` · ${one.took}`), ...one.steps.map((text) => el("span", { class: "quote", text })), one.why ? el("span", { class: "quote", text: one.why }) : null, one.answer ? el("span", { class: "quote", text: `answer: ${one.answer}` }) : null));
  const buttons = hasTalk(name, task.id) ? [el("button", { type: "button", text: "Read the transcript", onclick: () => openTalk(name, task.id) }), document.createTextNode(" "), el("button", { type: "button", text: "Where the time went", onclick: () => openTimes(task.id) })] : [];
  fill(byId("why"), el("h3", { text: `${agentNamed(name)?.short ?? name} on ${task.id}` }), trials.length ? el("ol", {}, ...items) : el("p", { class: "note", text: "No trial of it is stored." }), printed.length ? el("p", { class: "note", text: printed.map((one) => one.said).join("; ") }) : null, el("p", {}, ...buttons));
}

// ---------------------------------------------------------------------------- two agents, task by task

function options(select, values, usual) {
  const chosen = select.value !== "" && values.some(([value]) => value === select.value) ? select.value : usual;
  fill(select, ...values.map(([value, text]) => el("option", { value, text, selected: value === chosen })));
}

async function showPair() {
  const first = agentNamed(byId("pair-first").value), second = agentNamed(byId("pair-second").value), { cells, tasks } = page.data;
  const width = cells.agents.length, [a, b] = [first, second].map((one) => cells.agents.indexOf(one.name));
  const rows = tasks.map((task, t) => ({ task: task.id, one: cells.score[t * width + a], other: cells.score[t * width + b] })).filter((row) => row.one !== null && row.other !== null).map((row) => {
    const off = row.one - row.other;
    return { task: row.task, off, better: off > 0 ? "first" : off < 0 ? "second" : "level", said: `${row.task}: ${fixed(row.one, 2)} against ${fixed(row.other, 2)}` };
  }).sort((x, y) => y.off - x.off);
  const said = [`Bars to the right: ${first.short} did more of the work; to the left: ${second.short}.`];
  if (page.draws && first.row >= 0 && second.row >= 0 && first !== second) {
    for (const [question, what] of [["these", "On these tasks"], ["next", "On the next task like these"]]) {
      const off = pairedOff(page.draws, question, first.row, second.row);
      said.push(`${what} ${first.short} is better with probability ${likely(off.probability)}, by ${signed(off.mean)} points of 100 (${signed(off.low)} to ${signed(off.high)}).`);
    }
  }
  byId("pair-said").textContent = said.join(" ");
  await draw("pair-chart", "differences", rows.length > 120 ? rows.filter((row) => row.off !== 0).slice(0, 120) : rows);
}

function signed(share) {
  const text = fixed(Math.abs(share) * 100, 1);
  return share < 0 && text !== "0.0" ? `−${text}` : text;
}

// ---------------------------------------------------------------------------- transcripts and times

const hasTalk = (agent, task) => page.talks?.some((one) => one[0] === agent && one[1] === task);

async function talkOf(agent, task, repeat) {
  if (page.served) return fromServer(`talk?${new URLSearchParams({ agent, task, repeat })}`);
  const entry = page.talks.find((one) => one[0] === agent && one[1] === task && one[2] === repeat);
  if (!entry) return null;
  page.portions ??= new Map();
  if (!page.portions.has(entry[3])) {
    if (page.portions.size > 8) page.portions.clear();
    page.portions.set(entry[3], openedJson(`talk-${entry[3]}`));
  }
  return (await page.portions.get(entry[3])).find((one) => one.agent === agent && one.task === task && one.repeat === repeat);
}

async function fromServer(address) {
  // Of the server that handed this page out; a file asks nobody.
  const reply = await fetch(address).catch(() => null);
  return reply?.ok ? reply.json() : null;
}

const trialsOf = (task) => page.talks.filter((one) => one[1] === task);
const trialName = ([agent, , repeat]) => `${agentNamed(agent)?.short ?? agent} #${repeat}`;

function openTalk(agent, task) {
  byId("talks").open = true;
  byId("talk-task").value = task;
  listTalks();
  byId("talk-left").value = talkKey(trialsOf(task).find((one) => one[0] === agent));
  showTalks();
  byId("talks").scrollIntoView({ block: "start" });
  byId("talks").querySelector("summary").focus({ preventScroll: true });
}

function listTalks() {
  // Whose transcripts are read stays, where they did this task too.
  const all = trialsOf(byId("talk-task").value), found = all.map((one) => [talkKey(one), trialName(one)]);
  const other = all.find((one) => one[0] !== all[0][0]);
  options(byId("talk-left"), found, found[0]?.[0]);
  options(byId("talk-right"), [["", "nobody"], ...found], other ? talkKey(other) : "");
}

const talkKey = ([agent, , repeat]) => `${repeat} ${agent}`;

async function showTalks() {
  const all = trialsOf(byId("talk-task").value);
  const chosen = ["talk-left", "talk-right"].map((id) => all.find((one) => talkKey(one) === byId(id).value)).filter(Boolean);
  const told = await Promise.all(chosen.map((one) => talkOf(...one.slice(0, 3))));
  fill(byId("sides"), ...told.filter(Boolean).map(talkColumn));
}

function talkColumn(talk) {
  const part = (heading, text, bad) => (text ? [el("h4", { text: heading }), el("pre", { class: bad ? "bad" : null, tabindex: "0", text })] : []);
  const turns = talk.turns.flatMap((turn, i) => [
    ...part(`turn ${i + 1}: reasoning`, turn.reasoning),
    ...part(`turn ${i + 1}`, turn.text),
    ...turn.calls.flatMap((call) => [...part(`turn ${i + 1} calls ${call.name}`, call.given || "(nothing)"), ...part(`${call.ok ? "returned" : "failed"}${call.took ? `, ${call.took}` : ""}`, call.got || "(nothing)", !call.ok)]),
  ]);
  const checks = talk.checks.map((check) => el("li", { text: `${check.score === null ? "not measured" : fixed(check.score, 2)} · ${check.said}` }));
  return el("article", { class: "talk" }, el("h3", { text: `${trialName([talk.agent, talk.task, talk.repeat])}: ${talk.ended}` }), el("p", { class: "note", text: talk.sums }), ...part("system prompt", talk.system), ...part("prompt", talk.prompt), ...turns, ...part("answer", talk.answer), talk.changes.length ? el("h4", { text: `changed: ${talk.changes.join(", ")}` }) : null, checks.length ? el("h4", { text: "checks" }) : null, el("ul", { class: "advice" }, ...checks));
}

function openTimes(task) {
  byId("times").open = true;
  byId("time-task").value = task;
  listRepeats();
  showTimes();
  byId("times").scrollIntoView({ block: "start" });
  byId("times").querySelector("summary").focus({ preventScroll: true });
}

function listRepeats() {
  const repeats = [...new Set(trialsOf(byId("time-task").value).map((one) => one[2]))].sort((a, b) => a - b);
  options(byId("time-repeat"), repeats.map((one) => [String(one), String(one)]), String(repeats[0]));
}

async function showTimes() {
  const repeat = Number(byId("time-repeat").value), wanted = trialsOf(byId("time-task").value).filter((one) => one[2] === repeat);
  const told = (await Promise.all(wanted.map((one) => talkOf(...one.slice(0, 3))))).filter(Boolean);
  const rows = told.flatMap((talk) => talk.times.map(([turn, kind, start, end]) => ({ trial: agentNamed(talk.agent)?.short ?? talk.agent, turn, kind, start, end, said: `turn ${turn}, ${kind}: ${saidSeconds(end - start)}` })));
  byId("time-said").textContent = rows.length ? `Turn after turn: ${told.map((talk) => `${agentNamed(talk.agent)?.short ?? talk.agent} ${plural(talk.turns.length, "turn")}, ${talk.sums}`).slice(0, 6).join("; ")}.` : "No turns are on record: imported figures and controls have none.";
  if (rows.length) await draw("time-chart", "timelines", rows);
  else fill(byId("time-chart"));
}

// ---------------------------------------------------------------------------- manifest and sections

function showManifest() {
  const all = byId("manifest-all").checked, rows = page.data.manifest.filter((row) => all || row.differs);
  const short = (name) => agentNamed(name)?.short ?? name;
  const body = rows.map((row) => {
    const groups = new Map();
    for (const [name, value] of Object.entries(row.values)) groups.set(value, [...(groups.get(value) ?? []), short(name) + (row.varies.includes(name) ? " (varies)" : "")]);
    const one = groups.size === 1;
    const values = [...groups].map(([value, names]) => el("li", {}, el("span", { text: value }), one ? null : el("span", { class: "chips", text: ` — ${names.join(", ")}` })));
    return el("tr", { class: row.differs ? "differs" : null }, el("th", { scope: "row", text: `${row.heading}: ${row.label}` }), el("td", {}, el("ul", { class: "values" }, ...values), row.note ? el("p", { class: "note", text: row.note }) : null));
  });
  const head = el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "what" }), el("th", { scope: "col", text: "value, and whose it is" })));
  fill(byId("manifest-body"), rows.length ? el("table", {}, head, el("tbody", {}, ...body)) : el("p", { class: "note", text: "Nothing differs, or nothing is on record." }));
}

function sectionBody(section) {
  const tables = section.tables.map((table) => {
    const right = new Set(table.right);
    const head = el("tr", {}, ...table.columns.map((name) => el("th", { scope: "col", class: right.has(name) ? "num" : null, text: name.trim() })));
    const rows = table.rows.map((row) => el("tr", {}, ...row.map((cell, i) => el("td", { class: right.has(table.columns[i]) ? "num" : null, text: cell }))));
    const more = table.all > table.rows.length ? el("p", { class: "note", text: `the first ${plural(table.rows.length, "row")} of ${grouped(String(table.all))}` }) : null;
    return el("div", {}, el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": section.title }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows))), more);
  });
  return el("div", { class: "body" }, ...section.paragraphs.map((text) => el("p", { class: "said", text })), section.points.length ? el("ul", { class: "advice" }, ...section.points.map((text) => el("li", { text }))) : null, ...tables);
}

function listenToFolds() {
  const once = (id, start) => byId(id).addEventListener("toggle", (event) => {
    if (event.target.open && !event.target.dataset.seen) {
      event.target.dataset.seen = "yes";
      start();
    }
  });
  once("paired", showPair);
  once("times", showTimes);
  once("talks", showTalks);
  once("manifest", showManifest);
  for (const id of ["pair-first", "pair-second"]) byId(id).addEventListener("change", showPair);
  byId("manifest-all").addEventListener("change", showManifest);
  byId("talk-task").addEventListener("change", () => { listTalks(); showTalks(); });
  for (const id of ["talk-left", "talk-right"]) byId(id).addEventListener("change", showTalks);
  byId("time-task").addEventListener("change", () => { listRepeats(); showTimes(); });
  byId("time-repeat").addEventListener("change", showTimes);
}

function showSections() {
  const opened = new Set([...byId("sections").children].filter((fold) => fold.open).map((fold) => fold.dataset.title));
  const folds = page.data.sections.map((section) => {
    const fold = el("details", { "data-title": section.title }, el("summary", { text: section.title }));
    fold.addEventListener("toggle", () => fold.open && fold.childElementCount === 1 && fold.append(sectionBody(section)));
    fold.open = opened.has(section.title);
    return fold;
  });
  fill(byId("sections"), ...folds);
}

async function prepareTalks() {
  page.talks = await openedJson("data-talks");
  page.portions = null;
  const tasks = page.data.tasks.filter((task) => page.talks.some((one) => one[1] === task.id)).map((task) => [task.id, task.id]);
  byId("talks").hidden = byId("times").hidden = tasks.length === 0;
  if (!tasks.length) return;
  if (page.data.talksLeftOut) byId("talk-said").textContent = `For want of room, ${plural(page.data.talksLeftOut, "transcript")} are not in this file: flatfield show has them.`;
  options(byId("talk-task"), tasks, tasks[0][0]);
  options(byId("time-task"), tasks, tasks[0][0]);
  listTalks();
  listRepeats();
}

// ---------------------------------------------------------------------------- the beginning

function redraw() {
  showAll();
  if (!byId("controls").hidden && !page.ask.money) drawMap();
  if (page.data.agents.some((one) => one.typical[tradeKind()])) showTrade();
  if (byId("paired").dataset.seen) showPair();
  if (byId("times").dataset.seen) showTimes();
}

function showHead() {
  const { run, said } = page.data;
  byId("run").textContent = [run.id, run.created, run.counted, run.imported].filter(Boolean).join(" · ");
  fill(byId("advice"), ...said.advice.map((text) => el("li", { text })), ...said.details.map((text) => el("li", { text })));
  byId("foot").textContent = `Run ${run.id}. ${page.draws ? `Letters, ranks and probabilities are computed in this page from ${grouped(String(page.draws.count))} draws of the posterior that flatfield made of the run's trials. ` : ""}${page.served ? "It asks nobody but the flatfield that handed it out." : "It asks no network for anything."}${run.command ? ` Again: ${run.command}` : ""}`;
}

async function load() {
  page.data = await openedJson("data-figures");
  page.draws = page.data.draws ? unpackDraws(await opened("data-draws"), page.data.draws) : null;
  page.reasons = page.map = null;
  const { asked } = page.data, moved = page.ask && !sameAsk(page.ask, page.asked);
  page.asked = { weights: asked.weights, money: asked.money, limits: asked.limits };
  page.money ??= asked.money ?? { solved: 5, hour: 80 };
  if (!moved) page.ask = page.asked;
}

async function showRun() {
  // All that stands on the data: when the page opens, and again whenever a server has newer data.
  const { data } = page;
  showHead();
  for (const id of ["matters", "failed", "more"]) byId(id).hidden = data.agents.length === 0 && data.controls.length === 0;
  // One agent alone is the answer whatever matters.
  const chooses = Boolean(page.draws) && data.agents.length > 1;
  if (chooses && !byId("triangle").firstChild) buildTriangle();
  byId("controls").hidden = !chooses;
  byId("matters-title").textContent = chooses ? "What matters to you" : data.agents.length === 1 ? "The agent" : "The agents";
  page.handle ??= el("g", { svg: true });
  byId("limit-local").disabled = !data.agents.some((one) => one.onDevice);
  showAll();
  const has = { usd: new Set(data.agents.filter((one) => one.typical.usd && one.typical.performance).map((one) => one.typical.usd[0])).size > 1, seconds: data.agents.some((one) => one.typical.seconds && one.typical.performance) };
  byId("trade").hidden = !has.usd && !has.seconds;
  byId("trade-kinds").hidden = !(has.usd && has.seconds);
  const kind = has.usd && has.seconds && page.traded ? tradeKind() : has.usd ? "usd" : "seconds";
  for (const radio of document.querySelectorAll("input[name=trade]")) radio.checked = radio.value === kind;
  showGrid();
  if (!byId("trade").hidden) await showTrade();
  const names = data.agents.map((one) => [one.name, one.short]);
  byId("paired").hidden = names.length < 2;
  if (names.length > 1) {
    const [first, second] = page.shown.rows.map((a) => data.agents[a].name);
    options(byId("pair-first"), names, first);
    options(byId("pair-second"), names, second);
  }
  byId("manifest").hidden = data.manifest.length === 0;
  showSections();
  await parsed();
  await prepareTalks();
  for (const [id, show] of [["paired", showPair], ["manifest", showManifest]]) if (byId(id).dataset.seen) show();
}

async function begin() {
  await load();
  listenToControls();
  listenToGrid();
  listenToFolds();
  for (const radio of document.querySelectorAll("input[name=trade]")) radio.addEventListener("change", () => { page.traded = true; showTrade(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      clearTimeout(page.resizing);
      page.resizing = setTimeout(redraw, 150);
    }
  });
  await showRun();
  // Where there is nothing to choose from, what is to be read is why.
  const first = byId("grid").querySelector("td:not(.off)");
  if (first && (!page.draws || byId("grid").querySelectorAll("td").length === 1)) await openCell(first);
  document.documentElement.dataset.ready = "yes";
}

