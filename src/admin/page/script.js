"use strict";
// Asks for the page again every few seconds and puts in place what has changed; what is open stays open.
(() => {
  const parts = new Map();
  for (const part of document.querySelectorAll("[data-part]")) parts.set(part.dataset.part, part.innerHTML);
  const freshness = document.getElementById("freshness");
  let lastAnswer = new Date();

  function replace(part, next) {
    if (parts.get(part.dataset.part) === next.innerHTML) return;
    parts.set(part.dataset.part, next.innerHTML);
    const open = new Set();
    for (const details of part.querySelectorAll("details[open]")) open.add(details.dataset.key);
    const focused = document.activeElement?.closest?.("details")?.dataset.key;
    part.replaceChildren(...next.childNodes);
    for (const name of ["class", "data-severity"]) {
      if (next.hasAttribute(name)) part.setAttribute(name, next.getAttribute(name));
    }
    for (const details of part.querySelectorAll("details")) {
      if (open.has(details.dataset.key)) details.open = true;
      if (focused && details.dataset.key === focused) details.querySelector("summary").focus();
    }
  }

  // How much there was in each second between two answers, for some minutes.
  const series = new Map();
  const POINTS = 60;

  function draw(next) {
    const now = performance.now() / 1000;
    for (const figure of document.querySelectorAll("[data-plot]")) {
      const name = figure.dataset.plot;
      const total = Number(next.querySelector(`[data-plot="${name}"] [data-total]`)?.dataset.total);
      const known = series.get(name) ?? { rates: [] };
      series.set(name, known);
      // A process that has started anew counts from zero.
      if (known.total <= total && now > known.at) known.rates.push((total - known.total) / (now - known.at));
      Object.assign(known, { total, at: now, rates: known.rates.slice(-POINTS) });
      if (known.rates.length === 0) continue;
      const { rates } = known;
      const last = rates[rates.length - 1];
      const most = Math.max(1, ...rates);
      const points = rates.map((rate, place) => {
        const x = 240 - (rates.length - 1 - place) * (240 / (POINTS - 1));
        return `${x.toFixed(1)},${(39 - (rate / most) * 37).toFixed(1)}`;
      });
      const svg = figure.querySelector("svg");
      const first = points[0].split(",")[0];
      svg.querySelector("polyline").setAttribute("points", points.join(" "));
      svg.querySelector("polygon").setAttribute("points", `${first},40 ${points.join(" ")} 240,40`);
      const said = `${last < 10 ? last.toFixed(1) : Math.round(last)} ${name} per second`;
      svg.setAttribute("aria-label", `${said}; at most ${most.toFixed(1)} in the last minutes`);
      svg.removeAttribute("hidden");
      const rate = figure.querySelector(".rate");
      rate.textContent = `${said.split(" ")[0]} ${name}/s`;
      rate.hidden = false;
    }
  }

  async function refresh() {
    // A URL of the page may have a password in it, with which nothing can be fetched.
    const answer = await fetch(location.origin + location.pathname + location.search, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-part]")) {
      const counterpart = next.querySelector(`[data-part="${part.dataset.part}"]`);
      if (counterpart) replace(part, counterpart);
    }
    draw(next);
    document.title = next.title;
    document.querySelector("link[rel=icon]").href = next.querySelector("link[rel=icon]").href;
    lastAnswer = new Date();
    freshness.textContent = next.getElementById("freshness").textContent;
    document.body.classList.remove("stale");
  }

  async function follow() {
    try {
      if (!document.hidden) await refresh();
    } catch {
      freshness.textContent = `No answer since ${lastAnswer.toLocaleTimeString()}: what is shown is old`;
      document.body.classList.add("stale");
    }
    setTimeout(follow, document.body.dataset.refresh * 1000);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh().catch(() => {});
  });
  draw(document);
  setTimeout(follow, document.body.dataset.refresh * 1000);
})();
