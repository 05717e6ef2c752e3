"use strict";
/* Filters → questions → panels. Which questions there are says the server (`api/panels`); in a file that was written by
   `ingest page`, they are answered already. */
(() => {
  const { html } = charts;
  const $ = (id) => document.getElementById(id);
  const MANY = ["model", "agent", "project", "user", "provider"];
  const NAMES = { key: "", agent_id: "agent", story_id: "story", session_id: "session", user_id: "user", source_path: "source" };
  const AT_ONCE = 4;
  const stored = $("answers") ? JSON.parse($("answers").textContent) : null;
  const off = new Set();
  const picked = { stack: "model", grain: null, rank: "model", limit: "" };
  let plan = null, view = null, series = null, headroom = [], round = 0, shown = null, newest = null;
  let slice = "", took = 0, loading = false, commits = 0, timer = null, stale = new Set();

  /* Asking */

  const waiting = [];
  let running = 0;

  function ask(address) {
    if (stored) {
      const found = stored.answers[address];
      if (found && found.json) return Promise.resolve(found.json);
      return Promise.reject(new Error(found ? found.error : "This file doesn't hold that; `ingest serve` answers it."));
    }
    return new Promise((resolve, reject) => { waiting.push([address, resolve, reject]); next(); });
  }

  function next() {
    if (running >= AT_ONCE || !waiting.length) return;
    const [address, resolve, reject] = waiting.shift();
    running += 1;
    request(address).then(resolve, reject).finally(() => { running -= 1; next(); });
  }

  async function request(address) {
    let response;
    try { response = await fetch(address, { headers: { Accept: "application/json" } }); } catch { throw new Error("The server can't be reached."); }
    if (response.status === 429) { await new Promise((done) => setTimeout(done, 1000)); return request(address); }
    const said = await response.json();
    if (!response.ok) throw new Error(said.error || response.statusText);
    return said;
  }

  /* Writing values */

  const whole = (value) => value.toLocaleString("en");

  function money(value) {
    const size = Math.abs(value), digits = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 6;
    return (value < 0 ? "-$" : "$") + size.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  const name = (value) => (value === null || value === undefined ? "none" : String(value));
  const when = (value) => value.slice(0, 19).replace("T", " ").replace(/(\d\d:\d\d):00$/, "$1");

  function cell(column, value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value === "number") {
      if (column.endsWith("_usd")) return money(value);
      if (column.endsWith("share") || column.endsWith("_rate")) return (100 * value).toFixed(1) + "%";
      return value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) >= 100 ? 0 : 3 });
    }
    if (/^\d{4}-\d\d-\d\dT/.test(value)) return when(value);
    return String(value);
  }

  const title = (column) => (column in NAMES ? NAMES[column] : column.replace(/_usd$/, "").replaceAll("_", " "));

  /* Parts of panels */

  const long = (value) => (String(value).length > 32 && !/^\d{4}-\d\d-\d\dT/.test(value) ? "text" : false);

  function table(rows, columns, { caption = "", head = null, bar = null, action = null, empty = "Nothing." } = {}) {
    if (!rows.length) return html("p", { class: "empty" }, empty);
    const numbers = new Set(columns.filter((column) => rows.some((row) => typeof row[column] === "number")));
    const most = bar ? Math.max(...rows.map((row) => row[bar] || 0)) : 0;
    const heading = (column) => [
      html("th", { scope: "col", class: numbers.has(column) ? "number" : false }, title(column)),
      ...(column === bar ? [html("th", { scope: "col", class: "bar" }, html("span", { class: "hidden" }, `share of the largest ${title(bar)}`))] : []),
      ...(column === head && action ? [html("th", { scope: "col" }, html("span", { class: "hidden" }, "more"))] : []),
    ];
    const value = (column, row) => {
      if (column === head) return [html("th", { scope: "row", class: long(row[column]) }, name(row[column])), ...(action ? [html("td", {}, action(row))] : [])];
      const written = html("td", { class: numbers.has(column) ? "number" : long(row[column]) }, cell(column, row[column]));
      if (column !== bar) return [written];
      const fill = html("span", {});
      fill.style.width = `${most > 0 ? (100 * (row[bar] || 0)) / most : 0}%`;
      return [written, html("td", { class: "bar", "aria-hidden": "true" }, fill)];
    };
    const header = html("tr", {}, ...columns.flatMap(heading));
    const body = rows.map((row) => html("tr", {}, ...columns.flatMap((column) => value(column, row))));
    const made = html("table", {}, caption ? html("caption", {}, caption) : null, html("thead", {}, header), html("tbody", {}, ...body));
    return html("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": caption || "Table" }, made);
  }

  function notes(answer) {
    return (answer.notes || []).map((note) => html("p", { class: "note" }, note));
  }

  /** Links to the answers at *addresses* as CSV, and what they ask as SQL. */
  function links(footer, addresses) {
    footer.replaceChildren(...addresses.flatMap(([what, address]) => [csv(what, address), sql(what, address)]));
  }

  function other(address, form) {
    const [path, query] = address.split("?");
    const pairs = new URLSearchParams(query);
    pairs.delete("rows"); // the whole of it
    pairs.set("format", form);
    return `${path}?${pairs}`;
  }

  function csv(what, address) {
    const link = html("a", { download: `${what}.csv`, "aria-label": `${what} as CSV` }, `${what}.csv`);
    if (!stored) link.href = other(address, "csv");
    else if (stored.answers[address] && stored.answers[address].csv !== undefined) link.href = URL.createObjectURL(new Blob([stored.answers[address].csv], { type: "text/csv" }));
    return link;
  }

  function sql(what, address) {
    const text = html("pre", { tabIndex: 0, role: "group", "aria-label": `SQL of ${what}` }, "…");
    const details = html("details", {}, html("summary", {}, html("span", { class: "hidden" }, `${what}: `), "SQL"), text);
    details.addEventListener("toggle", async () => {
      if (!details.open || text.textContent !== "…") return;
      if (stored) text.textContent = (stored.answers[address] || {}).sql || "not in this file";
      else text.textContent = await fetch(other(address, "sql")).then((response) => response.text(), () => "The server can't be reached.");
    });
    return details;
  }

  /** Fill *home* with what *draw* makes of the answers at *addresses*, unless something else was asked meanwhile. */
  async function fill(home, addresses, draw) {
    const mine = round;
    home.setAttribute("aria-busy", "true");
    try {
      const answers = await Promise.all(addresses.map(ask));
      if (mine === round) draw(...answers);
    } catch (error) {
      if (mine === round) home.replaceChildren(html("p", { class: "failed" }, error.message));
    } finally {
      if (mine === round) home.removeAttribute("aria-busy");
    }
  }

  function listed(id, what, address, columns, options = {}) {
    const section = $(id), body = section.querySelector(".body");
    links(section.querySelector("footer"), [[what, address]]);
    return fill(body, [address], (answer) => {
      const present = columns.filter((column) => answer.rows.some((row) => row[column] !== null && row[column] !== undefined));
      body.replaceChildren(table(answer.rows, present, { caption: answer.title, ...options }), ...notes(answer));
    });
  }

  /* Panels */

  function tile(label, value, small, bad) {
    return html("div", {}, html("dt", {}, label), html("dd", { class: bad ? "bad" : false }, value, small ? html("small", {}, small) : null));
  }

  function totals() {
    const home = $("totals").querySelector(".tiles");
    links($("totals").querySelector("footer"), [["usage", plan.usage], ["tpm", plan.tpm]]);
    return fill(home, [plan.usage, plan.tpm], (usage, tpm) => {
      const sum = usage.rows[0], peak = tpm.rows.find((row) => row.peak_tpm !== null);
      if (!sum) { home.replaceChildren(tile("Calls", "0", plan.nothing || "")); return; }
      home.replaceChildren(
        tile("Cost", sum.cost_usd === null ? "unknown" : money(sum.cost_usd)),
        tile("Tokens", sum.total_tokens === null ? "unknown" : charts.compact(sum.total_tokens), sum.total_tokens === null ? "" : whole(sum.total_tokens)),
        tile("Calls", whole(sum.calls), `${whole(sum.models)} models`),
        tile("Peak TPM", peak ? charts.compact(peak.peak_tpm) : "none", peak ? `${name(peak.model)}, ${when(peak.peak_minute)}` : ""),
        tile("Failures", whole(sum.failed_calls), sum.calls + sum.failed_calls ? `${((100 * sum.failed_calls) / (sum.calls + sum.failed_calls)).toFixed(1)}%` : "", sum.failed_calls > 0),
        tile("Unpriced", whole(sum.unpriced_calls), "calls without a cost", sum.unpriced_calls > 0),
      );
    });
  }

  /** The lines to draw across: the limit that was typed, and those of limits.toml, or that a provider told of. */
  function limits() {
    const typed = Number(picked.limit), lines = new Map();
    for (const row of headroom) {
      if (row.limit_a_minute === null || row.counts === "RPM") continue;
      const what = `${row.counts} ${whole(row.limit_a_minute)}`; // one line for the models that share it
      if (!lines.has(what)) lines.set(what, { value: row.limit_a_minute, models: [] });
      lines.get(what).models.push(name(row.model));
    }
    const known = [...lines].map(([what, { value, models }]) => ({ value, text: `${inShort(models)}: ${what}` }));
    return typed > 0 ? [{ value: typed, text: `limit ${whole(typed)}` }, ...known] : known;
  }

  function inShort(names) {
    return names.length > 2 ? `${names[0]} and ${names.length - 1} more` : names.join(", ");
  }

  function drawCurve() {
    if (!series) return;
    const home = $("tpm").querySelector(".picture");
    const [begin, end] = view || [Date.parse(plan.from), Date.parse(plan.to)];
    $("zoom-out").hidden = !view && !(new URLSearchParams(location.search).get("until"));
    charts.curve(home, series, {
      zone: plan.zone, begin: Math.floor(begin / 60000) * 60000, end, every: plan.every, limits: limits(), off, name, open: burst, narrow,
      toggle: (model) => { if (off.has(model)) off.delete(model); else off.add(model); drawCurve(); refocus(home, model); },
    });
  }

  function refocus(home, model) {
    for (const button of home.querySelectorAll(".legend button")) if (button.textContent === name(model)) button.focus();
  }

  function curve() {
    const home = $("tpm").querySelector(".picture");
    links($("tpm").querySelector("footer"), [["tpm-series", plan.series], ["headroom", plan.headroom]]);
    return fill(home, [plan.series, plan.headroom], (minutes, near) => {
      [series, headroom] = [minutes.rows, near.rows];
      if (plan.from) drawCurve(); else home.replaceChildren(html("p", { class: "empty" }, plan.nothing || "No calls."));
    });
  }

  /** Take the stretch between two instants as the window. */
  function narrow(begin, end) {
    if (stored) { view = [begin, Math.max(end, begin + 60_000)]; drawCurve(); return; }
    const text = (instant) => new Date(Math.floor(instant / 60000) * 60000).toISOString().slice(0, 16) + "+00:00";
    change((pairs) => { pairs.set("since", text(begin)); pairs.set("until", text(end + 60000)); });
  }

  async function burst(row) {
    const section = $("burst"), body = section.querySelector(".body");
    const minute = { model: row.model, minute: row.minute };
    const pairs = [...(row.model === null ? [] : [["p.model", row.model]]), ["p.minute", row.minute]];
    const address = stored ? `${slice}\n${row.model}\n${row.minute}` : `${plan.burst}${plan.burst.includes("?") ? "&" : "?"}${new URLSearchParams(pairs)}`;
    section.hidden = false;
    shown = minute;
    $("h-burst").textContent = `Calls of ${name(row.model)} at ${when(row.minute)}`;
    links(section.querySelector("footer"), !stored || stored.answers[address] ? [["burst", address]] : []);
    if (stored && !stored.answers[address]) {
      body.replaceChildren(html("p", {}, "This file holds the calls of the fullest minutes only. These are given by:"),
        html("pre", {}, `ingest report burst -p model='${name(row.model)}' -p minute='${row.minute}'`));
    } else {
      await fill(body, [address], (answer) => {
        const columns = ["created_at", "agent_id", "total_tokens", "share", "cumulative_share", "story_id", "state", "request_tokens", "response_tokens",
          "latency_ms", "concurrent_calls", "cost_usd", "session_id", "source_path", "source_offset"];
        const present = columns.filter((column) => answer.rows.some((call) => call[column] !== null));
        body.replaceChildren(table(answer.rows, present, { caption: answer.title, bar: "total_tokens" }), ...notes(answer));
      });
    }
    if (shown === minute) { section.focus({ preventScroll: true }); section.scrollIntoView({ block: "nearest" }); }
  }

  function cost() {
    const home = $("cost").querySelector(".picture"), grain = picked.grain || plan.grain;
    options($("stack-by"), Object.keys(plan.stacked), picked.stack);
    $("grain").value = grain;
    const address = plan.stacked[picked.stack][grain];
    links($("cost").querySelector("footer"), [["cost-over-time", address]]);
    return fill(home, [address], (answer) => {
      const draw = () => charts.stack(home, answer.rows, { zone: plan.zone, by: picked.stack, grain, money, name });
      home.redraw = draw;
      draw();
    });
  }

  function ranking() {
    options($("rank-by"), plan.by, picked.rank);
    return listed("ranking", "cost-by", plan.ranking[picked.rank],
      ["key", "cost_usd", "cost_share", "total_tokens", "calls", "failed_calls", "unpriced_calls"], { head: "key", bar: "cost_usd", caption: `By ${picked.rank}, dearest first` });
  }

  function options(select, values, value) {
    if (select.options.length !== values.length) select.replaceChildren(...values.map((each) => html("option", {}, each)));
    select.value = value;
  }

  function periods() {
    const body = $("periods").querySelector(".body");
    body.replaceChildren(...(plan.periods.length ? [] : [html("p", { class: "empty" }, plan.nothing || "No calls.")]));
    return Promise.all(plan.periods.map((period) => {
      const parts = html("div", {}), footer = html("footer", {}), heading = { day: "", week: "Week from ", month: "Month from " }[period.name] + period.begin;
      body.append(html("div", {}, html("h3", {}, period.today && period.name === "day" ? `Today, ${period.begin}` : heading), parts, footer));
      links(footer, [["usage", period.usage], ["cost-by", period.providers]]);
      return fill(parts, [period.usage, period.providers], (usage, providers) => {
        const sum = usage.rows[0] || {};
        parts.replaceChildren(
          html("dl", { class: "tiles" }, tile("Cost", cell("cost_usd", sum.cost_usd) || "unknown"), tile("Tokens", cell("", sum.total_tokens) || "unknown"),
            tile("Calls", whole(sum.calls || 0)), tile("Active models", whole(sum.models || 0))),
          table(providers.rows, ["key", "cost_usd", "calls", "total_tokens"], { caption: "Per provider", head: "key", bar: "cost_usd" }));
      });
    }));
  }

  function peaks() {
    const button = (row) => {
      if (!row.peak_minute) return "";
      const made = html("button", { type: "button", "aria-label": `Calls of the peak of ${name(row.model)}` }, "calls");
      made.addEventListener("click", () => burst({ model: row.model, minute: row.peak_minute }));
      return made;
    };
    return listed("models", "tpm", plan.tpm, ["model", "calls", "failed_calls", "total_tokens", "active_minutes", "avg_tpm", "peak_tpm", "peak_minute",
      "peak_rolling_60s", "p50_tpm", "p95_tpm", "p99_tpm", "peak_rpm"], { head: "model", action: button });
  }

  function prices() {
    const body = $("prices").querySelector(".body");
    return fill(body, ["api/prices"], (answer) => {
      const all = answer.prices, columns = ["provider", "model", "prompts_above", "input", "cache_read", "cache_write", "output"];
      const several = all.some((row) => row.prompts_above);
      body.replaceChildren(table(all, columns.filter((column) => several || column !== "prompts_above"), { head: "model", caption: "Of the models that were called; empty: no price" }));
    });
  }

  function limitTable() {
    const typed = Number(picked.limit);
    const address = !stored && typed > 0 ? `${plan.limits}${plan.limits.includes("?") ? "&" : "?"}p.limit=${typed}` : plan.limits;
    return listed("limits", "limits", address, ["model", "provider", "counts", "counted", "calls", "fixed_peak", "rolling_peak", "largest_call", "largest_call_share",
      "throttled_calls", "max_wait_s", "total_wait_s", "limit_for_none", "limit_for_one_percent", "rules_as_of"], { head: "model" });
  }

  function lag() {
    const body = $("lag").querySelector(".body");
    return fill(body, ["api/status"], (answer) => {
      const columns = Object.keys(answer.sources[0] || {}).filter((column) => column !== "source_id");
      const present = columns.filter((column) => answer.sources.some((row) => row[column] !== null));
      body.replaceChildren(table(answer.sources, present, { head: "path", caption: "Sources, and how many bytes of each are not in the warehouse yet (as `ingest status`)", empty: "No source has been read." }));
    });
  }

  const PANELS = {
    totals,
    tpm: curve,
    cost,
    ranking,
    periods,
    models: peaks,
    performance: () => listed("performance", "performance", plan.performance, ["model", "calls", "failed_calls", "error_rate", "retry_rate", "latency_p50_ms",
      "latency_p95_ms", "latency_p99_ms", "output_tokens_per_second"], { head: "model" }),
    prices,
    unpriced: () => listed("unpriced", "unpriced", plan.unpriced, ["model", "provider", "calls", "total_tokens", "unpriced_calls", "first_at", "last_at"],
      { head: "model", empty: "Every call has a cost." }),
    told: () => listed("told", "rate-limited", plan.told, ["created_at", "model", "dimension", "limit_value", "used", "requested", "over", "wait_ms", "agent_id"],
      { empty: "No error told of a limit." }),
    errors: () => listed("errors", "errors", plan.errors, ["error_type", "model", "agent_id", "errors", "total_tokens", "cost_usd", "first_at", "last_at", "latest_error"],
      { head: "error_type", empty: "No call failed." }),
    retries: () => listed("retries", "retries", plan.retries, ["created_at", "agent_id", "story_id", "model", "tries", "outcome", "waited_ms", "error_type",
      "tokens_of_failed_tries", "cost_of_failed_tries_usd", "evidence"], { empty: "No call was tried again." }),
    coverage: () => listed("coverage", "coverage", plan.coverage, ["source_path", "format", "rows", "rejects", "tokens_known", "cost_known", "estimated",
      "duplicates_dropped", "first_at", "last_at"], { head: "source_path" }),
    lag,
    limits: limitTable, // last, as it takes longest
  };

  /* Filters: their state is the address of the page */

  function change(edit) {
    const pairs = new URLSearchParams(location.search);
    edit(pairs);
    history.pushState(null, "", `${location.pathname}${String(pairs) ? "?" + pairs : ""}`);
    load();
  }

  function showFilters() {
    const pairs = new URLSearchParams(location.search), since = pairs.get("since") || "";
    const relative = [...$("window").options].some((option) => option.value === since) && !pairs.get("until");
    $("window").value = relative ? since : "own";
    $("own-window").hidden = relative;
    $("since").value = wall(pairs.get("since"));
    $("until").value = wall(pairs.get("until"));
    $("zone").value = pairs.get("tz") || "";
  }

  /** An instant by the clock of the zone, as an input of the browser takes it. */
  function wall(text) {
    if (!text || !/^\d{4}-/.test(text)) return "";
    if (!/[+Z]/.test(text.slice(10))) return text.length === 10 ? `${text}T00:00` : text.slice(0, 16);
    const parts = new Intl.DateTimeFormat("sv-SE", { timeZone: plan ? plan.zone : "UTC", dateStyle: "short", timeStyle: "short" });
    return parts.format(new Date(text)).replace(" ", "T");
  }

  async function values(filter) {
    const home = $("picks");
    let details = $(`pick-${filter}`);
    if (!details) {
      details = html("details", { class: "pick", id: `pick-${filter}` }, html("summary", {}), html("fieldset", {}));
      details.addEventListener("toggle", () => { if (details.open) values(filter); });
      details.addEventListener("keydown", (event) => { if (event.key === "Escape") { details.open = false; details.querySelector("summary").focus(); } });
      home.append(details);
    }
    const chosen = stored ? plan.filters[filter] || [] : new URLSearchParams(location.search).getAll(filter);
    const label = chosen.length === 0 ? "all" : chosen.length === 1 ? chosen[0] : `${chosen.length} chosen`;
    details.querySelector("summary").replaceChildren(`${filter} `, html("b", {}, label));
    details.hidden = stored && !chosen.length && !stored.slices[filter];
    if (!details.open) return; // who doesn't look needs no values
    const mine = round, found = stored ? (stored.slices[filter] || []) : await ask(plan.values[filter]).then((answer) => answer.rows.map((row) => row.key), () => []);
    if (mine !== round) return;
    const names = [...new Set([...chosen, ...found.filter((key) => key !== null && key !== "")])];
    const fieldset = details.querySelector("fieldset");
    if (fieldset.contains(document.activeElement) && fieldset.querySelectorAll("input").length === names.length) return;
    fieldset.replaceChildren(html("legend", { class: "hidden" }, `Calls of which ${filter}`), ...names.map((value) => {
      const box = html("input", { type: "checkbox", checked: chosen.includes(value) });
      box.disabled = Boolean(stored && !found.includes(value));
      box.addEventListener("change", () => (stored ? turn(filter, value, box.checked) : change((pairs) => {
        const kept = pairs.getAll(filter).filter((each) => each !== value);
        pairs.delete(filter);
        for (const each of box.checked ? [...kept, value] : kept) pairs.append(filter, each);
      })));
      return html("label", {}, box, value);
    }), ...(names.length ? [] : [html("p", { class: "empty" }, "None known.")]));
  }

  /** Turn a file to the calls of one value, or back to all: it holds no other answers. */
  function turn(filter, value, on) {
    slice = on ? `${filter}\n${value}` : "";
    load();
  }

  function trouble(message) {
    $("trouble").hidden = !message;
    $("trouble").textContent = message || "";
  }

  /** Ask everything anew; a *refresh* asks at once only what is in sight, the rest when it comes into it. */
  async function load({ refresh = false } = {}) {
    const mine = ++round, began = performance.now();
    if (!refresh) view = null;
    loading = true;
    waiting.length = 0;
    showFilters();
    try {
      const asked = stored ? stored.plans[slice] : await request(`api/panels${location.search}`);
      if (mine !== round) return;
      plan = asked;
    } catch (error) {
      if (mine !== round) return;
      loading = false;
      trouble(error.message);
      return;
    }
    trouble(plan.nothing);
    showFilters();
    $("warehouse").textContent = plan.warehouse;
    document.title = `ingest: ${plan.warehouse}`;
    $("zone").placeholder = plan.zone;
    const names = Object.keys(PANELS), now = refresh ? names.filter(inSight) : names;
    stale = new Set(names.filter((id) => !now.includes(id)));
    await Promise.all([...now.map((id) => PANELS[id]()), ...MANY.map(values)]);
    if (mine !== round) return;
    loading = false;
    took = performance.now() - began;
    document.body.dataset.loaded = String(mine);
    if (newest) say();
    if (commits) refreshSoon();
  }

  function inSight(id) {
    const box = $(id).getBoundingClientRect();
    return box.bottom > 0 && box.top < window.innerHeight;
  }

  function say() {
    const { committed_at: at, calls, models } = newest;
    const tokens = (models || []).reduce((sum, model) => sum + (model.total_tokens || 0), 0);
    const clock = new Date(at).toLocaleTimeString("en-GB", { timeZone: plan.zone });
    $("live").textContent = `Last commit ${clock}: ${whole(calls || 0)} calls, ${charts.compact(tokens)} tokens`;
  }

  /** Ask again after a commit, but leave the server ten times as long as it took to answer, up to a minute. */
  function refreshSoon() {
    if (loading || timer || !$("follow").checked) return;
    timer = setTimeout(() => {
      timer = null;
      if (!commits || !$("follow").checked) return;
      commits = 0;
      load({ refresh: true });
    }, Math.min(Math.max(2000, 10 * took), 60_000));
  }

  function listen() {
    const source = new EventSource("api/stream");
    source.addEventListener("commit", (event) => {
      const first = newest === null;
      newest = JSON.parse(event.data);
      if (plan) say();
      if (first) return; // what was asked when the page came has it
      commits += 1;
      refreshSoon();
    });
    source.addEventListener("trouble", (event) => { $("live").textContent = event.data; });
    source.addEventListener("error", () => { $("live").textContent = "The server can't be reached."; });
    $("follow").addEventListener("change", () => { if (commits) refreshSoon(); });
    const watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) if (isIntersecting && stale.delete(target.id)) PANELS[target.id]();
    });
    for (const id of Object.keys(PANELS)) watch.observe($(id));
  }

  function start() {
    const zones = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
    $("zones").replaceChildren(...["UTC", ...zones].map((zone) => html("option", { value: zone })));
    $("stack-by").addEventListener("change", (event) => { picked.stack = event.target.value; cost(); });
    $("grain").addEventListener("change", (event) => { picked.grain = event.target.value; cost(); });
    $("rank-by").addEventListener("change", (event) => { picked.rank = event.target.value; ranking(); });
    $("limit").addEventListener("change", (event) => {
      picked.limit = event.target.value.replaceAll(/[,_ ]/g, "").replace(/k$/i, "000").replace(/m$/i, "000000");
      drawCurve();
      limitTable();
    });
    let size = 0;
    new ResizeObserver(() => {
      const width = $("tpm").clientWidth;
      if (width === size || !plan) return;
      size = width;
      drawCurve();
      const home = $("cost").querySelector(".picture");
      if (home.redraw) home.redraw();
    }).observe($("tpm"));
    if (stored) {
      for (const id of ["window", "zone", "clear", "follow"]) $(id).closest("label, button").hidden = true;
      $("own-window").hidden = true;
      $("fixed").hidden = false;
      $("fixed").textContent = stored.about;
      $("zoom-out").addEventListener("click", () => { view = null; drawCurve(); });
      load();
      return;
    }
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("window").addEventListener("change", (event) => {
      const value = event.target.value;
      if (value === "own") { $("own-window").hidden = false; $("since").focus(); return; }
      change((pairs) => { pairs.delete("until"); if (value) pairs.set("since", value); else pairs.delete("since"); });
    });
    for (const id of ["since", "until"]) $(id).addEventListener("change", (event) => change((pairs) => { if (event.target.value) pairs.set(id, event.target.value); else pairs.delete(id); }));
    $("zone").addEventListener("change", (event) => change((pairs) => { if (event.target.value.trim()) pairs.set("tz", event.target.value.trim()); else pairs.delete("tz"); }));
    $("clear").addEventListener("click", () => change((pairs) => { for (const key of [...pairs.keys()]) pairs.delete(key); }));
    $("zoom-out").addEventListener("click", () => change((pairs) => { pairs.delete("since"); pairs.delete("until"); }));
    document.addEventListener("click", (event) => {
      for (const details of document.querySelectorAll(".pick[open]")) if (!details.contains(event.target)) details.open = false;
    });
    window.addEventListener("popstate", () => load());
    load();
    listen();
  }

  start();
})();
