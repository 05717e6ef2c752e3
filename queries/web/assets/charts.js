"use strict";
/* Two pictures in SVG, of rows that a report gave: a curve over time, and columns that are stacked.
   Text is only ever set as text, so a model called <img onerror=…> is a name. */
const charts = (() => {
  const NAMESPACE = "http://www.w3.org/2000/svg";
  const SERIES = 7; // more can't be told apart; the last of eight colours is for the rest
  const MARGIN = { top: 14, right: 12, bottom: 26, left: 62 };
  const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
  const STEPS = [MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR,
    12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 182 * DAY, 365 * DAY];

  function svg(name, attributes, text) {
    const made = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function html(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === false || value === undefined || value === null) continue;
      if (key in made && typeof value !== "string") made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  /** 0, then round numbers up to just above *most*. */
  function ticks(most, count) {
    if (!(most > 0)) return [0, 1];
    const rough = most / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    const found = [];
    for (let n = 0; n * step < most + step; n += 1) found.push(n * step);
    return found;
  }

  /** Formats instants by the clock of a zone. */
  function clock(zone) {
    const parts = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    });
    const of = (instant) => Object.fromEntries(parts.formatToParts(instant).map((part) => [part.type, part.value]));
    return {
      full: (instant) => { const p = of(instant); return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}`; },
      time: (instant) => { const p = of(instant); return `${p.hour}:${p.minute}`; },
      day: (instant) => { const p = of(instant); return `${p.month}-${p.day}`; },
      month: (instant) => { const p = of(instant); return `${p.year}-${p.month}`; },
      offset: (instant) => {
        const p = of(instant);
        return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute) - Math.floor(instant / MINUTE) * MINUTE;
      },
    };
  }

  function timeTicks(begin, end, room, at) {
    const step = STEPS.find((each) => (end - begin) / each <= room) || STEPS[STEPS.length - 1];
    const offset = at.offset(begin), found = [];
    for (let t = Math.ceil((begin + offset) / step) * step - offset; t <= end; t += step) found.push(t);
    const write = step < DAY ? at.time : step < 91 * DAY ? at.day : at.month;
    return found.map((t) => [t, step < DAY && at.time(t) === "00:00" ? at.day(t) : write(t)]);
  }

  function compact(value) {
    return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
  }

  /** The largest keys by *measure*, at most as many as have a colour of their own. */
  function largest(rows, key, measure, combine) {
    const sizes = new Map();
    for (const row of rows) sizes.set(row[key], combine(sizes.get(row[key]) || 0, row[measure] || 0));
    const names = [...sizes.keys()].sort((one, other) => sizes.get(other) - sizes.get(one));
    return { shown: names.slice(0, SERIES), rest: names.slice(SERIES) };
  }

  const models = new Map(); // which colour each has, in both pictures

  /** Which colour each of *names* has: that of *known* where it has one, else one that none of them has. */
  function colours(names, known) {
    const found = new Map(names.filter((name) => known.has(name)).map((name) => [name, known.get(name)]));
    const free = [...Array(SERIES).keys()].filter((index) => ![...found.values()].includes(index));
    for (const name of names) if (!found.has(name)) found.set(name, free.length ? free.shift() : SERIES);
    return found;
  }

  function legend(names, colour, off, toggle, spoken) {
    return html("ul", { class: "legend" }, ...names.map((name) => {
      const swatch = html("span", { class: `swatch s${colour.get(name)}`, "aria-hidden": "true" });
      if (!toggle) return html("li", {}, swatch, spoken(name));
      const button = html("button", { type: "button", "aria-pressed": String(!off.has(name)) }, swatch, spoken(name));
      button.addEventListener("click", () => toggle(name));
      return html("li", {}, button);
    }));
  }

  /** A place that keyboards and screen readers move in: a slider over *count* positions, of which *say* tells one. */
  function walk(picture, count, { label, say, show, enter, jump, select }) {
    let at = -1, anchor = -1;
    picture.tabIndex = 0;
    const attributes = { role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": count - 1 };
    for (const [name, value] of Object.entries(attributes)) picture.setAttribute(name, value);
    const tell = () => {
      picture.setAttribute("aria-valuenow", Math.max(at, 0));
      picture.setAttribute("aria-valuetext", at < 0 ? `${count} positions` : say(at));
    };
    tell();
    const go = (next, selecting) => {
      if (selecting && anchor < 0) anchor = Math.max(at, 0);
      if (!selecting) anchor = -1;
      at = Math.min(Math.max(next, 0), count - 1);
      tell();
      show(at, anchor);
    };
    const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
    picture.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in moves) go(at + moves[event.key], event.shiftKey);
      else if (event.key === "Home") go(0, event.shiftKey);
      else if (event.key === "End") go(count - 1, event.shiftKey);
      else if (event.key.toLowerCase() === "p" && jump) go(jump(), false);
      else if (event.key === "Enter" && at >= 0) { if (anchor >= 0 && anchor !== at && select) select(anchor, at); else if (enter) enter(at); }
      else if (event.key === "Escape") { at = -1; anchor = -1; tell(); show(-1, -1); }
      else return;
      event.preventDefault();
    });
    picture.addEventListener("blur", () => { anchor = -1; show(-1, -1); });
  }

  /** Put *tip* beside *x*, on the side that has room. */
  function place(tip, x, width) {
    tip.hidden = false;
    const room = tip.offsetWidth + 14;
    tip.style.left = `${Math.max(0, x + room > width ? x - room : x + 14)}px`;
  }

  function frame(home, height, label) {
    const width = Math.max(home.clientWidth, 240);
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, class: "drawn" });
    picture.append(svg("title", {}, label));
    const tip = html("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    home.replaceChildren(picture, tip);
    return { width, picture, tip, right: width - MARGIN.right, bottom: height - MARGIN.bottom };
  }

  function axis(picture, values, y, right, write) {
    for (const value of values) {
      picture.append(svg("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }));
      picture.append(svg("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, write(value)));
    }
  }

  function tell(tip, heading, lines) {
    tip.replaceChildren(html("b", {}, heading), ...lines.map(([index, text]) => html("div", {},
      html("span", { class: `swatch s${index}` }), text)));
  }

  /** Tokens of minutes: a line for each model, *limits* as lines across. */
  function curve(home, rows, { zone, begin, end, every, limits, off, name, toggle, open, narrow, height = 260 }) {
    const at = clock(zone), width = every * MINUTE;
    const { shown, rest } = largest(rows, "model", "total_tokens", Math.max);
    const visible = shown.filter((model) => !off.has(model));
    const colour = colours(shown, models);
    for (const [model, index] of colour) models.set(model, index);
    const points = rows.filter((row) => visible.includes(row.model) && row.total_tokens !== null)
      .map((row) => ({ row, t: Date.parse(row.minute), y: row.total_tokens, series: colour.get(row.model) }))
      .filter((point) => point.t >= begin - width && point.t <= end + width);
    const highest = Math.max(0, ...points.map((point) => point.y));
    const near = limits.filter((limit) => limit.value <= 3 * highest);
    const values = ticks(Math.max(highest, ...near.map((limit) => limit.value)), 4);
    const drawn = frame(home, height, "Tokens per minute");
    const { picture, right, bottom, tip } = drawn;
    const span = Math.max(end - begin, MINUTE);
    const x = (t) => MARGIN.left + ((t - begin) / span) * (right - MARGIN.left);
    const y = (value) => bottom - (value / values[values.length - 1]) * (bottom - MARGIN.top);
    axis(picture, values, y, right, compact);
    for (const [t, text] of timeTicks(begin, end, Math.max(2, Math.floor((right - MARGIN.left) / 75)), at)) {
      picture.append(svg("text", { x: x(t), y: height - 8, "text-anchor": "middle" }, text));
    }
    for (const model of visible) {
      const own = points.filter((point) => point.row.model === model);
      picture.append(svg("path", { class: `series s${colour.get(model)}`, d: outline(own, width, x, y) }));
    }
    for (const limit of near) {
      picture.append(svg("line", { class: "limit", x1: MARGIN.left, x2: right, y1: y(limit.value), y2: y(limit.value) }));
      picture.append(svg("text", { class: "limit", x: right - 4, y: y(limit.value) - 5, "text-anchor": "end" }, limit.text));
    }
    const cursor = svg("line", { class: "cursor", y1: MARGIN.top, y2: bottom, visibility: "hidden" });
    const brush = svg("rect", { class: "brush", y: MARGIN.top, height: bottom - MARGIN.top, width: 0 });
    picture.append(brush, cursor);
    const times = [...new Set(points.map((point) => point.t))].sort((one, other) => one - other);
    const groups = new Map(times.map((t) => [t, []]));
    for (const point of points) groups.get(point.t).push(point);
    for (const group of groups.values()) group.sort((one, other) => other.y - one.y);
    const spoken = (t) => groups.get(t).map((point) => `${name(point.row.model)} ${point.y.toLocaleString("en")} tokens`).join(", ");
    const show = (index, anchor) => {
      if (index < 0) { cursor.setAttribute("visibility", "hidden"); tip.hidden = true; brush.setAttribute("width", 0); return; }
      const t = times[index];
      cursor.setAttribute("x1", x(t)); cursor.setAttribute("x2", x(t)); cursor.setAttribute("visibility", "visible");
      tell(tip, at.full(t), groups.get(t).map((point) => [point.series, `${name(point.row.model)}: ${point.y.toLocaleString("en")} tokens, ${point.row.calls} call${point.row.calls === 1 ? "" : "s"}`]));
      place(tip, x(t), drawn.width);
      cover(brush, anchor < 0 ? null : [x(times[anchor]), x(t)]);
    };
    if (times.length) {
      const peak = () => times.indexOf(points.reduce((best, point) => (point.y > best.y ? point : best)).t);
      walk(picture, times.length, {
        label: "Minutes with tokens; Enter shows the calls of one", say: (index) => `${at.full(times[index])}: ${spoken(times[index])}`,
        show, jump: peak, enter: (index) => open(groups.get(times[index])[0].row),
        select: (one, other) => narrow(...[times[one], times[other]].sort((a, b) => a - b)),
      });
      point(picture, drawn.width, {
        move: (px) => show(nearest(times, begin + ((px - MARGIN.left) / (right - MARGIN.left)) * span), -1),
        leave: () => show(-1, -1),
        drag: (from, to) => cover(brush, [from, to]),
        click: (px, py) => {
          const group = groups.get(times[nearest(times, begin + ((px - MARGIN.left) / (right - MARGIN.left)) * span)]);
          open(group.reduce((best, one) => (Math.abs(y(one.y) - py) < Math.abs(y(best.y) - py) ? one : best)).row);
        },
        brushed: (from, to) => {
          const instant = (px) => begin + ((Math.min(Math.max(px, MARGIN.left), right) - MARGIN.left) / (right - MARGIN.left)) * span;
          narrow(instant(Math.min(from, to)), instant(Math.max(from, to)));
        },
      });
    }
    home.append(legend(shown, colour, off, toggle, name));
    const far = limits.filter((limit) => !near.includes(limit)).map((limit) => limit.text);
    const notes = [every > 1 ? `Each point is the fullest minute of ${every}.` : "", far.length ? `Far above: ${far.join(", ")}.` : "",
      rest.length ? `Not drawn: ${rest.length > 5 ? `${rest.length} models with lower peaks` : rest.map(name).join(", ")}.` : ""].filter(Boolean);
    if (notes.length) home.append(html("p", { class: "note" }, notes.join(" ")));
    if (!points.length) home.append(html("p", { class: "empty" }, "No minute with tokens."));
  }

  /** A path through *points*, down to nothing where there are none for longer than *width*. */
  function outline(points, width, x, y) {
    const path = [];
    let last = null;
    const to = (t, value) => path.push(`${path.length ? "L" : "M"}${x(t).toFixed(1)} ${y(value).toFixed(1)}`);
    for (const { t, y: value } of points) {
      const gap = last === null || t - last > 2 * width;
      if (gap && last !== null) to(last + Math.min(width, (t - last) / 2), 0);
      if (gap) to(last === null ? t - width / 2 : t - Math.min(width, (t - last) / 2), 0);
      to(t, value);
      last = t;
    }
    if (last !== null) to(last + width / 2, 0);
    return path.join("");
  }

  function nearest(times, t) {
    let best = 0;
    for (let index = 1; index < times.length; index += 1) if (Math.abs(times[index] - t) < Math.abs(times[best] - t)) best = index;
    return best;
  }

  function cover(brush, ends) {
    brush.setAttribute("width", ends ? Math.abs(ends[1] - ends[0]) : 0);
    if (ends) brush.setAttribute("x", Math.min(...ends));
  }

  /** What a mouse, a pen or a finger does in *picture*: move, click, or drag over a stretch. */
  function point(picture, width, { move, leave, click, drag, brushed }) {
    let from = null;
    const where = (event) => {
      const box = picture.getBoundingClientRect();
      return [(event.clientX - box.left) * (width / box.width), event.clientY - box.top];
    };
    picture.addEventListener("pointermove", (event) => {
      const [px] = where(event);
      if (from !== null && drag && Math.abs(px - from) > 6) drag(from, px); else move(px);
    });
    picture.addEventListener("pointerleave", () => { if (from === null) leave(); });
    picture.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      [from] = where(event);
      if (event.pointerType === "mouse") picture.setPointerCapture(event.pointerId);
    });
    picture.addEventListener("pointercancel", () => { from = null; leave(); });
    picture.addEventListener("pointerup", (event) => {
      const [px, py] = where(event), began = from;
      from = null;
      if (began === null) return;
      if (brushed && Math.abs(px - began) > 6) brushed(began, px); else if (click) click(px, py);
    });
  }

  /** Cost of periods, divided by key. */
  function stack(home, rows, { zone, by, grain, money, name, height = 260 }) {
    const at = clock(zone);
    const { shown, rest } = largest(rows, "key", "cost_usd", (one, other) => one + other);
    const keys = rest.length ? [...shown, rest] : shown;
    const colour = colours(shown, by === "model" ? models : new Map()).set(rest, SERIES);
    const called = (key) => (key === rest ? `${rest.length} others` : name(key));
    const begins = periods(rows, grain, at);
    const columns = new Map(begins.map((begin) => [begin.id, { begin, sums: keys.map(() => 0), total: 0 }]));
    for (const row of rows) {
      const column = columns.get(idOf(row.period, grain)), index = shown.indexOf(row.key);
      column.sums[index < 0 ? SERIES : index] += row.cost_usd || 0;
      column.total += row.cost_usd || 0;
    }
    const all = [...columns.values()];
    const values = ticks(Math.max(0, ...all.map((column) => column.total)), 4);
    const drawn = frame(home, height, `Cost of each ${grain}`);
    const { picture, right, bottom, tip } = drawn;
    const y = (value) => bottom - (value / values[values.length - 1]) * (bottom - MARGIN.top);
    const step = (right - MARGIN.left) / Math.max(all.length, 1), wide = Math.min(step * 0.85, 46);
    const x = (index) => MARGIN.left + step * (index + 0.5);
    axis(picture, values, y, right, (value) => `$${compact(value)}`);
    const each = Math.ceil(all.length / Math.max(1, Math.floor((right - MARGIN.left) / 62)));
    const hover = svg("rect", { class: "column-cursor", y: MARGIN.top, height: bottom - MARGIN.top, width: step, visibility: "hidden" });
    picture.append(hover);
    all.forEach((column, index) => {
      let base = 0;
      column.sums.forEach((value, series) => {
        if (!(value > 0)) return;
        const top = y(base + value);
        picture.append(svg("rect", { class: `series s${colour.get(keys[series])}`, x: x(index) - wide / 2, width: wide, y: top, height: Math.max(y(base) - top, 0.5) }));
        base += value;
      });
      if (index % each === 0) picture.append(svg("text", { x: x(index), y: height - 8, "text-anchor": "middle" }, column.begin.short));
    });
    const lines = (column) => keys.map((key, series) => [series, key, column.sums[series]]).filter(([, , value]) => value > 0)
      .map(([, key, value]) => [colour.get(key), `${called(key)}: ${money(value)}`]);
    const show = (index) => {
      hover.setAttribute("visibility", index < 0 ? "hidden" : "visible");
      if (index < 0) { tip.hidden = true; return; }
      hover.setAttribute("x", x(index) - step / 2);
      tell(tip, `${all[index].begin.text}: ${money(all[index].total)}`, lines(all[index]));
      place(tip, x(index), drawn.width);
    };
    if (all.length) {
      walk(picture, all.length, {
        label: `Cost of each ${grain}`, show,
        say: (index) => `${all[index].begin.text}: ${money(all[index].total)}; ${lines(all[index]).map(([, text]) => text).join(", ")}`,
      });
      point(picture, drawn.width, { move: (px) => show(Math.min(Math.max(Math.floor((px - MARGIN.left) / step), 0), all.length - 1)), leave: () => show(-1) });
    }
    home.append(all.length ? legend(keys, colour, new Set(), null, called) : html("p", { class: "empty" }, "No calls."));
  }

  /** Which period a time is of: hours are instants, the others days of the calendar. */
  function idOf(period, grain) {
    return grain === "hour" ? Date.parse(period) : period.slice(0, 10);
  }

  /** Every period from the first to the last, those without calls too, as gaps are gaps. */
  function periods(rows, grain, at) {
    if (!rows.length) return [];
    const first = rows[0].period, last = rows[rows.length - 1].period, found = [];
    if (grain === "hour") {
      for (let t = Date.parse(first); t <= Date.parse(last); t += HOUR) {
        found.push({ id: t, text: at.full(t), short: at.time(t) === "00:00" ? at.day(t) : at.time(t) });
      }
      return found;
    }
    const day = new Date(`${first.slice(0, 10)}T00:00:00Z`), end = last.slice(0, 10);
    for (let id = first.slice(0, 10); id <= end; id = day.toISOString().slice(0, 10)) {
      found.push({ id, text: grain === "month" ? id.slice(0, 7) : id, short: grain === "month" ? id.slice(0, 7) : id.slice(5) });
      if (grain === "month") day.setUTCMonth(day.getUTCMonth() + 1); else day.setUTCDate(day.getUTCDate() + (grain === "week" ? 7 : 1));
    }
    return found;
  }

  return { curve, stack, html, compact };
})();
