
// ---------------------------------------------------------------------------- live: what a server tells of a run under way

const DOTS_AT_ONCE = 4000;
const race = { agents: new Map(), points: [], stamp: null };

const dotKind = () => document.querySelector("input[name=dots]:checked").value;

function showRace(told) {
  if (told.first) race.points = [];
  for (const agent of told.agents) race.agents.set(agent.name, agent);
  race.points.push(...told.points);
  byId("race").hidden = told.state === "over" && !race.seen;
  race.seen = race.seen || told.state !== "over";
  byId("race-title").textContent = told.state === "over" ? "It has ended" : "Under way";
  document.body.classList.toggle("underway", told.state !== "over");
  byId("race-said").textContent = told.said;
  fill(byId("race-table").tBodies[0], ...told.agents.map(raceRow));
  byId("race-hint").textContent = told.hint;
  byId("dots-title").hidden = byId("dots-kinds").hidden = byId("dots").hidden = race.points.length === 0;
  byId("dots-kinds").hidden ||= !race.points.some((one) => one.usd > 0);
  if (told.points.length || told.first) showDots();
}

function raceRow(agent) {
  const part = (name, count, title) => {
    if (!count) return null;
    const made = el("i", { class: name, title });
    made.style.width = `${(100 * count) / Math.max(agent.planned, 1)}%`;
    return made;
  };
  const failed = agent.done - agent.passed - agent.unmeasured;
  const lane = el("div", { class: "track", "aria-hidden": "true" }, part("passed", agent.passed, "passed"), part("failed", failed, "not passed"), part("unmeasured", agent.unmeasured, "not measured"), part("running", agent.running, "at work"));
  lane.style.color = agent.shade[isDark() ? 1 : 0];
  return el("tr", { "data-agent": agent.name },
    el("th", { scope: "row", title: agent.name }, el("div", { class: "name" }, mark(agent), el("span", { class: "who" }, ...jointed(agent.short)))),
    el("td", { class: "lane" }, lane),
    el("td", { class: "num", text: `${agent.done}/${agent.planned}${agent.unmeasured ? `, ${agent.unmeasured} failed` : ""}` }),
    el("td", { class: "num", text: agent.scored ? String(agent.passed) : "–" }),
    el("td", { class: "num", text: agent.spent }),
    el("td", { class: "last", text: agent.last }));
}

function dotRows() {
  const kind = dotKind(), dark = isDark() ? 1 : 0;
  return race.points.slice(-DOTS_AT_ONCE).filter((one) => one[kind] > 0).map((one) => {
    const agent = race.agents.get(one.agent);
    return { x: one[kind], y: one.y, color: agent.shade[dark], shape: agent.shape, said: one.said };
  });
}

async function showDots() {
  const rows = dotRows(), key = `${dotKind()} ${isDark()} ${byId("dots").clientWidth}`;
  const drawn = byId("dots").dataset.key === key && page.views.dots;
  if (drawn) {
    page.views.dots.data("rows", rows).runAsync();
    return;
  }
  byId("dots").dataset.key = key;
  race.drawing = (race.drawing ?? Promise.resolve()).then(() => draw("dots", `dots-${dotKind()}`, dotRows()));
  await race.drawing;
}

async function renewed(stamp) {
  // Newer data of the same run: what was moved and opened stays as it is.
  race.stamp = stamp;
  const parts = await fromServer("parts");
  if (!parts) return;
  for (const [name, text] of Object.entries(parts)) byId(`data-${name}`).content.textContent = text;
  await load();
  await showRun();
}

function listenToServer() {
  const source = new EventSource("events");
  race.busy = Promise.resolve();
  source.addEventListener("race", (event) => {
    const told = JSON.parse(event.data);
    race.busy = race.busy.then(async () => {
      showRace(told);
      if (told.stamp !== null && told.stamp !== race.stamp) await renewed(told.stamp);
    });
    if (told.state === "over" && told.whole) source.close();
  });
  source.addEventListener("error", () => { byId("race-said").textContent = "The flatfield that handed this page out does not answer: what is shown is the last that it said."; });
  for (const radio of document.querySelectorAll("input[name=dots]")) radio.addEventListener("change", showDots);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showDots);
  addEventListener("resize", () => race.points.length && setTimeout(showDots, 200));
}

async function beginServed() {
  page.served = {};
  page.served = await openedJson("served");
  byId("brand").replaceChildren(el("a", { href: page.served.runs, text: "flatfield" }), document.createTextNode(" · "), el("a", { href: page.served.runs, text: "all runs" }));
  race.stamp = page.served.stamp;
  if (page.served.underway) listenToServer();
}

beginServed();
