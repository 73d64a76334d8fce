// The live timeline. Python sends the lanes of a window of time; here they are drawn, moved and asked about.
// While a new window is on its way, the lanes that are there are drawn at their new place.

const GUTTER = 92, TOP = 40, LANE = 34, BAND = 18, PAD = 16;
const INK = "#808080";
const MARK_ROWS = { exit: 0, injection: 4, IPI: 8 };
const ZOOM = 1.5, STEP = 0.25, SHORTEST = 20;
const UNITS = [[1e9, "s"], [1e6, "ms"], [1e3, "us"]];

const duration = (ns) => {
  const [unit, name] = UNITS.find(([size]) => Math.abs(ns) >= size) ?? [1, "ns"];
  return `${Number((ns / unit).toPrecision(6))} ${name}`;
};

function ticks(begin, end, most) {
  let step = 1;
  for (let scale = 1; (end - begin) / step > most; scale *= 10) {
    step = [1, 2, 5, 10].map((s) => s * scale).find((s) => (end - begin) / s <= most) ?? 10 * scale;
  }
  const found = [];
  for (let at = Math.ceil(begin / step) * step; at <= end; at += step) found.push(at);
  return found;
}

const waits = (lane, code) => lane.kind === "vcpu" && code >= 3;
const kindOf = (frame, lane, code) => (lane.kind === "vcpu" ? frame.states : frame.vcpus)[code];

function drawRects(pen, frame, lane, y, x) {
  for (const [begin, end, code] of lane.rects) {
    const { name, colour } = kindOf(frame, lane, code);
    const [left, width] = [x(begin), Math.max(0.5, x(end) - x(begin))];
    const quiet = waits(lane, code);
    pen.fillStyle = colour;
    pen.globalAlpha = quiet ? 0.5 : 1;
    pen.fillRect(left, quiet ? y + BAND - 6 : y, width, quiet ? 6 : BAND);
    pen.globalAlpha = 1;
    const label = quiet ? name.replace("waits for ", "") : lane.kind === "pcpu" ? name : "";
    if (label && pen.measureText(label).width + 8 < width) {
      pen.fillStyle = quiet ? INK : "#ffffff";
      pen.fillText(label, left + width / 2, y + (quiet ? 9 : 13));
    }
  }
}

function drawShares(pen, frame, lane, y, x) {
  const codes = Object.keys(lane.shares).map(Number).sort((a, b) => a - b);
  const bins = lane.shares[codes[0]]?.length ?? 0;
  const width = (frame.end - frame.begin) / bins;
  for (let bin = 0; bin < bins; bin += 1) {
    const [left, right] = [bin, bin + 1].map((at) => Math.round(x(frame.begin + at * width)));
    const share = (code) => lane.shares[code][bin];
    const quiet = codes.filter((code) => waits(lane, code)).reduce((sum, code) => sum + share(code), 0);
    if (quiet > 50) {
      pen.globalAlpha = 0.5;
      pen.fillStyle = frame.states[3].colour;
      pen.fillRect(left, y + BAND - 6, right - left, 6);
      pen.globalAlpha = 1;
    }
    let below = 0;
    for (const code of codes.filter((known) => !waits(lane, known) && share(known))) {
      const height = (BAND * share(code)) / 100;
      pen.fillStyle = kindOf(frame, lane, code).colour;
      pen.fillRect(left, y + BAND - below - height, right - left, height);
      below += height;
    }
  }
}

function drawMarks(pen, frame, kind, marks, y, x) {
  pen.fillStyle = frame.marks[kind];
  const top = y + BAND + 1 + MARK_ROWS[kind];
  if (marks.each) for (const [time] of marks.each) pen.fillRect(x(time) - 0.75, top, 1.5, 3.5);
  else {
    const most = Math.max(...marks.bins);
    const width = (frame.end - frame.begin) / marks.bins.length;
    marks.bins.forEach((count, bin) => {
      pen.globalAlpha = Math.ceil((4 * count) / most) / 4;
      const [left, right] = [bin, bin + 1].map((at) => Math.round(x(frame.begin + at * width)));
      if (count) pen.fillRect(left, top, right - left, 3.5);
    });
    pen.globalAlpha = 1;
  }
}

class Timeline {
  constructor(model, el) {
    this.model = model;
    el.classList.add("axlab-view", "axlab-timeline");
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.bar = document.createElement("div");
    this.bar.className = "axlab-controls";
    this.bar.setAttribute("role", "toolbar");
    this.said = document.createElement("div");
    this.said.className = "axlab-said";
    this.said.setAttribute("role", "status");
    this.legend = document.createElement("div");
    this.legend.className = "axlab-legend";
    el.replaceChildren(this.canvas, this.legend, this.bar, this.said);
    this.actions = {
      "+": () => this.zoom(1 / ZOOM), "-": () => this.zoom(ZOOM),
      ArrowLeft: () => this.pan(-STEP), ArrowRight: () => this.pan(STEP), "0": () => this.fit(),
    };
    this.actions["="] = this.actions["+"];
    const names = { "−": "-", "+": "+", "←": "ArrowLeft", "→": "ArrowRight", Fit: "0" };
    const hints = {
      "−": "Zoom out (-)", "+": "Zoom in (+)", "←": "Earlier (arrow left)", "→": "Later (arrow right)", Fit: "Everything (0)",
    };
    for (const [label, key] of Object.entries(names)) {
      const button = document.createElement("button");
      button.textContent = label;
      button.title = hints[label];
      button.setAttribute("aria-label", hints[label]);
      button.addEventListener("click", this.actions[key]);
      this.bar.append(button);
    }
    this.listen();
    this.update = () => this.receive();
    model.on("change:frame", this.update);
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(el);
    this.receive();
  }

  listen() {
    const at = (event) => event.clientX - this.canvas.getBoundingClientRect().left;
    this.canvas.addEventListener("keydown", (event) => {
      const action = this.actions[event.key];
      if (!action || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      action();
    });
    this.canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== this.canvas && !event.ctrlKey) return; // the page scrolls
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, this.time(at(event)));
    }, { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => {
      this.held = at(event);
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointerup", () => { this.held = undefined; });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.held === undefined) return this.hover(at(event), event.clientY - this.canvas.getBoundingClientRect().top);
      const moved = this.time(this.held) - this.time(at(event));
      this.held = at(event);
      this.show(this.begin + moved, this.end + moved);
    });
    this.canvas.addEventListener("pointerleave", () => { this.said.textContent = ""; });
  }

  get plot() { return Math.max(100, (this.canvas.clientWidth || 880) - GUTTER - PAD); }
  time(x) { return this.begin + ((x - GUTTER) / this.plot) * (this.end - this.begin); }
  zoom(factor, around = (this.begin + this.end) / 2) {
    const span = Math.max(SHORTEST, (this.end - this.begin) * factor);
    const begin = around - (around - this.begin) * (span / (this.end - this.begin));
    this.show(begin, begin + span);
  }
  pan(part) {
    const moved = part * (this.end - this.begin);
    this.show(this.begin + moved, this.end + moved);
  }
  fit() {
    this.wanted = false;
    this.model.send({ window: null });
  }

  // Show a window at once with what is there, and ask for its lanes; one question at a time.
  show(begin, end) {
    const span = end - begin;
    this.begin = Math.max(0, begin);
    this.end = this.begin + span;
    this.draw();
    if (this.asked) { this.wanted = true; return; }
    this.asked = true;
    this.model.send({ window: [Math.floor(this.begin), Math.ceil(this.end)] });
    clearTimeout(this.patience);
    this.patience = setTimeout(() => { this.asked = false; }, 1500); // the kernel is busy
  }

  receive() {
    this.frame = this.model.get("frame");
    this.asked = false;
    if (this.wanted) {
      this.wanted = false;
      this.show(this.begin, this.end);
      return;
    }
    if (this.held === undefined) [this.begin, this.end] = [this.frame.begin, this.frame.end];
    this.canvas.setAttribute("aria-label", this.model.get("alt"));
    this.canvas.dataset.window = `${this.frame.begin}-${this.frame.end}`;
    this.legend.replaceChildren(...this.model.get("legend").map(([colour, meaning, swatch]) => {
      const entry = document.createElement("span");
      const i = document.createElement("i");
      i.className = swatch;
      i.style.background = colour;
      entry.append(i, meaning);
      return entry;
    }));
    this.draw();
  }

  draw() {
    const { frame } = this;
    const height = TOP + LANE * frame.lanes.length + 6;
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth || 880;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const plot = this.plot;
    const x = (time) => GUTTER + (plot * (time - this.begin)) / (this.end - this.begin);
    pen.font = "10px 'DejaVu Sans Mono', Menlo, Consolas, monospace";
    pen.textAlign = "center";
    for (const time of ticks(this.begin, this.end, Math.max(2, plot / 100))) {
      pen.fillStyle = INK;
      pen.fillText(duration(time), Math.min(x(time), width - 28), 20);
      pen.globalAlpha = 0.3;
      pen.fillRect(x(time), 28, 1, height - 34);
      pen.globalAlpha = 1;
    }
    pen.font = "11px 'DejaVu Sans', Verdana, sans-serif";
    pen.textAlign = "end";
    pen.fillStyle = INK;
    frame.lanes.forEach((lane, row) => pen.fillText(lane.name, GUTTER - 10, TOP + LANE * row + 13));
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, plot, height);
    pen.clip();
    pen.font = "9px 'DejaVu Sans', Verdana, sans-serif";
    pen.textAlign = "center";
    frame.lanes.forEach((lane, row) => {
      const y = TOP + LANE * row;
      pen.globalAlpha = 0.35;
      pen.fillStyle = INK;
      pen.fillRect(GUTTER, y + BAND, plot, 1);
      pen.globalAlpha = 1;
      if (lane.rects) drawRects(pen, frame, lane, y, x);
      else drawShares(pen, frame, lane, y, x);
      for (const [kind, marks] of Object.entries(lane.marks)) drawMarks(pen, frame, kind, marks, y, x);
    });
    pen.restore();
  }

  hover(left, top) {
    const lane = this.frame.lanes[Math.floor((top - TOP) / LANE)];
    const time = this.time(left);
    if (!lane || left < GUTTER || time < this.frame.begin || time > this.frame.end) { this.said.textContent = ""; return; }
    this.said.textContent = `${lane.name} at ${duration(Math.round(time))}: ${this.stateAt(lane, time)}${this.markAt(lane, time)}`;
  }

  stateAt(lane, time) {
    const { frame } = this;
    if (lane.rects) {
      const rect = lane.rects.find(([begin, end]) => begin <= time && time < end);
      return rect ? `${kindOf(frame, lane, rect[2]).name}, ${duration(rect[1] - rect[0])} from ${duration(rect[0])}` : "nothing";
    }
    const said = Object.entries(lane.shares).map(([code, share]) => {
      const bin = Math.floor(((time - frame.begin) / (frame.end - frame.begin)) * share.length);
      return [kindOf(frame, lane, code).name, share[Math.min(bin, share.length - 1)]];
    });
    return said.filter(([, share]) => share).map(([name, share]) => `${name} ${share} %`).join(", ") || "nothing";
  }

  markAt(lane, time) {
    const near = (3 / this.plot) * (this.end - this.begin);
    const found = Object.entries(lane.marks).flatMap(([kind, marks]) =>
      (marks.each ?? []).filter(([at]) => Math.abs(at - time) < near).map(([, what]) => `${kind} ${what}`));
    return found.length ? ` · ${found.slice(0, 4).join(", ")}${found.length > 4 ? ", …" : ""}` : "";
  }

  stop() {
    this.watch.disconnect();
    clearTimeout(this.patience);
    this.model.off("change:frame", this.update);
  }
}

export default {
  render({ model, el }) {
    const timeline = new Timeline(model, el);
    model.send({ here: 1 });
    return () => {
      timeline.stop();
      model.send({ here: -1 });
    };
  },
};
