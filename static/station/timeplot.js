// Curves over time on one uPlot chart, in the colours of the page: steps that hold, and lines that were measured.

import { decimal, LANGUAGE } from "./language.js";

// 24 hours in every language: the axis has no room for more.
const near = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const precise = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const far = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short" });
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];

/**
 * @param {HTMLElement} place
 * @param {HTMLElement} legend a list that gets one line for each curve, with its value under the pointer
 * @returns {{show: (picture: {from: number, to: number, now: number, curves: object[]}, unit: {name: string, factor: number, digits: number}) => void}}
 *   curves: {kind, name, x, y}; kind "measured" is a line, every other kind steps
 */
export function timeplot(place, legend) {
  let shown = null;            // {picture, unit, curves}
  let plot = null;

  function show(picture, unit) {
    const curves = picture.curves.filter((curve) => curve.x.length);
    const tables = curves.map((curve) => [curve.x, curve.y.map((value) => (value === null ? null : value * unit.factor))]);
    const data = tables.length ? uPlot.join(tables, tables.map(() => [0, 2])) : [[]];
    const former = shown;
    shown = { picture, unit, curves };
    if (plot && former.unit === unit && former.curves.map((curve) => curve.name).join() === curves.map((curve) => curve.name).join()) {
      const { min, max } = plot.scales.x;
      const whole = min === former.picture.from && max === former.picture.to;
      plot.setData(data, false);
      plot.setScale("x", whole ? all() : { min, max });  // somebody may be looking closer
    } else {
      make(data);
    }
    place.dataset.curves = String(curves.length);
    place.dataset.points = String(data[0].length);
  }

  const all = () => ({ min: shown.picture.from, max: shown.picture.to });

  function make(data) {
    const { curves, unit } = shown;
    const style = getComputedStyle(place);
    const colour = (name) => style.getPropertyValue(name).trim();
    const looks = lookOf(curves, colour);
    const lines = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--muted"), grid: lines, ticks: lines, font: `12px ${style.fontFamily}` };
    plot?.destroy();
    plot = new uPlot({
      width: place.clientWidth,
      height: Math.min(360, Math.max(220, Math.round(place.clientWidth * 0.45))),
      legend: { show: false },
      cursor: { points: { show: false }, drag: { x: true, y: false }, bind: { dblclick: () => () => plot.setScale("x", all()) } },
      scales: { x: { time: true }, y: { range: (self, min, max) => [0, Math.max(1, (max ?? 1) * 1.2)] } },
      axes: [
        { ...axis, values: (self, ticks) => labels(ticks) },
        { ...axis, size: (self, values) => roomFor(values), values: (self, ticks, index, space, step) => ticks.map((tick) => `${decimal(tick, decimalsOf(step))} ${unit.name}`) },
      ],
      series: [{}, ...curves.map((curve, index) => ({
        label: curve.name,
        points: { show: false },
        paths: curve.kind === "measured" ? undefined : uPlot.paths.stepped({ align: 1 }),
        ...looks[index],
      }))],
      hooks: {
        draw: [(self) => mark(self, shown.picture.now, colour("--muted"))],
        setCursor: [(self) => tell(self, shown, legend)],
      },
    }, data, place);
    plot.setScale("x", all());
    legend.replaceChildren(...curves.map((curve, index) => entry(curve, looks[index])));
  }

  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (!plot || place.clientWidth === width) return;
    width = place.clientWidth;
    plot.setSize({ width, height: plot.height });
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (plot) make(plot.data); });
  return { show };
}

function lookOf(curves, colour) {
  let number = 0;
  return curves.map((curve) => {
    if (curve.kind === "allowed") return { stroke: colour("--accent"), width: 3, fill: `color-mix(in srgb, ${colour("--accent")} 12%, transparent)` };
    if (curve.kind === "measured") return { stroke: colour("--available"), width: 2 };
    if (curve.kind === "limit") return { stroke: colour("--muted"), width: 2 };
    const look = { stroke: colour(`--series-${number % 4}`), width: 1.5, dash: DASHES[(1 + number) % DASHES.length] };
    number += 1;
    return look;
  });
}

/** Pixels beside the axis, so that its longest value is not cut. */
const roomFor = (values) => 16 + 7 * Math.max(4, ...(values ?? []).map((value) => value.length));

/** All values of an axis with as many decimal places as its steps need: 0.5 → 1, 0.25 → 2, 2 → 0. */
const decimalsOf = (step) => [0, 1].find((digits) => Number.isInteger(+(step * 10 ** digits).toFixed(6))) ?? 2;

function labels(ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 3600;
  return ticks.map((tick, index) => {
    const moment = new Date(tick * 1000);
    if (step < 60) return precise.format(moment);
    const newDay = moment.getHours() === 0 && moment.getMinutes() === 0;
    return newDay || (index === 0 && step >= 86400) ? far.format(moment) : near.format(moment);
  });
}

function mark(plot, now, colour) {
  const x = Math.round(plot.valToPos(now, "x", true));
  if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) return;
  const pen = plot.ctx;
  pen.save();
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = devicePixelRatio;
  pen.beginPath();
  pen.moveTo(x, plot.bbox.top);
  pen.lineTo(x, plot.bbox.top + plot.bbox.height);
  pen.stroke();
  pen.textAlign = "left";
  pen.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  pen.fillText(gettext("now"), x + 4 * devicePixelRatio, plot.bbox.top + 12 * devicePixelRatio);
  pen.restore();
}

function entry(curve, look) {
  const item = document.createElement("li");
  const swatch = document.createElement("canvas");
  swatch.width = 48;
  swatch.height = 16;
  const pen = swatch.getContext("2d");
  pen.strokeStyle = look.stroke;
  pen.lineWidth = look.width * 2;
  pen.setLineDash((look.dash ?? []).map((length) => length * 2));
  pen.moveTo(0, 8);
  pen.lineTo(48, 8);
  pen.stroke();
  const name = document.createElement("span");
  name.textContent = curve.name;
  const value = document.createElement("b");
  item.append(swatch, name, value);
  return item;
}

/** The value that holds under the pointer: of steps the last one before it. */
function tell(plot, { curves, unit }, legend) {
  const at = plot.cursor.idx ?? -1;
  curves.forEach((curve, index) => {
    const values = plot.data[index + 1];
    let value;
    for (let i = at; i >= 0 && value === undefined; i -= 1) value = values[i];
    const moment = plot.data[0][at];
    const known = typeof value === "number" && moment >= curve.x[0] && moment <= curve.x.at(-1);
    legend.children[index].lastChild.textContent = known ? `${decimal(value, unit.digits)} ${unit.name}` : "";
  });
}
