// What was measured after the last row of the database: the minutes that are not written yet, and what this page has seen.

const EVERY_S = 5;
const LONGEST = 1000;
const GAP_S = 150;

/** Curves of a chart are continued with it: take(snapshot) when one comes, append(curve, from, value) before drawing. */
export function recent() {
  let minutes = [];            // [minute since 1970, W, mA]
  let seen = [];               // [seconds since 1970, W, mA]
  return {
    /** @returns {boolean} whether there is something new to draw */
    take(snapshot) {
      ({ minutes } = snapshot);
      const at = Math.round(Date.parse(snapshot.at) / 1000);
      const { power_w: watt, current_a: ampere } = snapshot.meter;
      if (seen.length && at - seen.at(-1)[0] < EVERY_S) return false;
      seen.push([at, watt, ampere === null ? null : Math.round(ampere * 1000)]);
      if (seen.length > LONGEST) seen = seen.slice(-720);
      return true;
    },
    /**
     * @param {{x: number[], y: (number|null)[]}} curve gets what is newer than its end
     * @param {number} from nothing before, seconds since 1970
     * @param {(watt: number|null, milliampere: number|null) => number|null} value
     */
    append(curve, from, value) {
      const add = (at, number) => {
        const last = curve.x.at(-1) ?? 0;
        if (at <= last || at < from) return;
        if (curve.x.length && at - last > GAP_S) { curve.x.push(last + 1); curve.y.push(null); }
        curve.x.push(at);
        curve.y.push(number);
      };
      for (const [minute, watt, milliampere] of minutes) add(minute * 60 + 30, value(watt, milliampere));
      for (const [at, watt, milliampere] of seen) add(at, value(watt, milliampere));
    },
  };
}
