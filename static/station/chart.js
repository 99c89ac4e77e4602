// Power over the last ten minutes, as far as this browser has seen it; it survives a change of the page, not of the tab.

const SPAN_MS = 10 * 60000;
const KEY = "station-power";

/** A chart on a canvas: add(watt) when a snapshot comes, draw() as often as you like. */
export function chart(canvas) {
  let points = [];             // [ms since epoch, W], null W: nothing known
  try {
    points = JSON.parse(sessionStorage.getItem(KEY) ?? "[]").filter(([at]) => at > Date.now() - SPAN_MS);
  } catch { /* a private window: start empty */ }

  function add(watt) {
    const now = Date.now();
    const last = points.at(-1);
    if (last && now - last[0] > 20000) points.push([last[0] + 1, null]);  // a gap is a gap
    points.push([now, watt]);
    while (points.length && points[0][0] < now - SPAN_MS) points.shift();
    try { sessionStorage.setItem(KEY, JSON.stringify(points)); } catch { /* full or forbidden */ }
  }

  function draw() {
    const width = canvas.clientWidth;
    const height = 120;
    const scale = window.devicePixelRatio || 1;
    if (!width) return;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    pen.scale(scale, scale);
    pen.font = `12px ${style.fontFamily}`;
    const muted = style.getPropertyValue("--muted");
    const accent = style.getPropertyValue("--charging");
    const line = style.getPropertyValue("--line");
    const now = Date.now();
    const highest = Math.max(1000, ...points.map(([, watt]) => watt ?? 0));
    const top = Math.ceil(highest / 1000) * 1000;
    const left = 52;
    const bottom = height - 18;
    const x = (at) => left + (width - left - 2) * (1 - (now - at) / SPAN_MS);
    const y = (watt) => bottom - (bottom - 8) * (watt / top);

    pen.strokeStyle = line;
    pen.fillStyle = muted;
    pen.lineWidth = 1;
    for (const watt of [0, top / 2, top]) {
      pen.beginPath();
      pen.moveTo(left, Math.round(y(watt)) + 0.5);
      pen.lineTo(width, Math.round(y(watt)) + 0.5);
      pen.stroke();
      pen.textAlign = "right";
      pen.fillText(`${(watt / 1000).toFixed(top > 2000 ? 0 : 1)} kW`, left - 6, y(watt) + 4);
    }
    pen.textAlign = "left";
    pen.fillText("10 min ago", left, height - 3);
    pen.textAlign = "right";
    pen.fillText("now", width, height - 3);

    pen.strokeStyle = accent;
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.beginPath();
    let drawing = false;
    for (const [at, watt] of points) {
      if (watt === null) { drawing = false; continue; }
      if (drawing) pen.lineTo(x(at), y(watt)); else pen.moveTo(x(at), y(watt));
      drawing = true;
    }
    pen.stroke();
  }
  return { add, draw };
}
