// The live connection of a page: reconnects by itself, and knows how old the newest word of the station is.

import { duration } from "./times.js";

const PING_MS = 15000;        // we ask that often whether the other end is there …
const SILENT_MS = 12000;      // the station says something at least every 5 s; later than this its word is stale
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];
const KEEP_SESSION_MS = 4 * 60000;

/**
 * Open the live connection.
 * @param {{frames?: boolean, snapshot?: Function, onframes?: Function, stale?: Function}} page
 *   snapshot(snapshot), onframes(frames, reset), stale(text or "")
 * @returns {{command: (name: string, argument?: number|string) => Promise<{ok: boolean, text: string}>}}
 */
export function connect(page) {
  let socket = null;
  let failures = 0;
  let heardAt = 0;             // a snapshot, performance.now()
  let answered = 0;            // anything at all
  let everHeard = false;
  let replies = [];
  const openedAt = performance.now();

  function open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/ws/live${page.frames ? "?frames=1" : ""}`);
    const mine = socket;
    let accepted = false;
    socket.onopen = () => { accepted = true; answered = performance.now(); };
    socket.onmessage = (event) => {
      if (mine !== socket) return;
      answered = performance.now();
      failures = 0;
      const message = JSON.parse(event.data);
      if (message.type === "snapshot") {
        heardAt = answered;
        everHeard = true;
        page.snapshot?.(message.snapshot);
      } else if (message.type === "frames") {
        page.onframes?.(message.frames, message.reset);
      } else if (message.type === "reply") {
        replies.shift()?.(message);
      }
      check();
    };
    socket.onclose = async (event) => {
      if (mine !== socket) return;
      socket = null;
      for (const reply of replies.splice(0)) reply({ ok: false, text: gettext("The connection to the station broke. Look at the state before you try again.") });
      check();
      // Refused, or closed with 4401: perhaps only the login is over.
      if (!accepted || event.code === 4401) await toLoginWhenOver();
      const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
      setTimeout(open, wait * (0.75 + Math.random() / 2));
    };
  }

  function check() {
    const now = performance.now();
    if (!everHeard) {
      // Never an error before the station had its chance to speak.
      const late = now - openedAt > SILENT_MS;
      page.stale?.(late ? gettext("The station's controller does not answer. The page tries again by itself.") : "");
    } else if (!socket || socket.readyState !== WebSocket.OPEN) {
      page.stale?.(interpolate(gettext("Connection lost. These numbers are %(time)s old; reconnecting."), { time: duration((now - heardAt) / 1000) }, true));
    } else if (now - heardAt > SILENT_MS) {
      page.stale?.(interpolate(gettext("No news from the station's controller for %(time)s."), { time: duration((now - heardAt) / 1000) }, true));
    } else {
      page.stale?.("");
    }
  }

  setInterval(check, 1000);
  setInterval(() => {
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (performance.now() - answered > 2 * PING_MS) socket.close();  // half open: the other end is gone
    else socket.send('{"type":"ping"}');
  }, PING_MS);
  setInterval(() => { if (!document.hidden) toLoginWhenOver(); }, KEEP_SESSION_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    if (socket?.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');  // asks for news after a rest
    else failures = 0;
  });
  open();

  return {
    command(name, argument) {
      return new Promise((resolve) => {
        const opening = socket;
        if (opening?.readyState === WebSocket.CONNECTING) {  // the page was quicker than its connection
          const again = () => {
            opening.removeEventListener("open", again);
            opening.removeEventListener("close", again);
            resolve(this.command(name, argument));
          };
          opening.addEventListener("open", again);
          opening.addEventListener("close", again);
          return;
        }
        if (socket?.readyState !== WebSocket.OPEN) {
          resolve({ ok: false, text: gettext("Not connected to the station. Try again in a moment.") });
          return;
        }
        const reply = (message) => { clearTimeout(timer); resolve(message); };
        const timer = setTimeout(() => {
          replies = replies.filter((other) => other !== reply);
          resolve({ ok: false, text: gettext("The station's controller did not answer within 5 s. Look at the state before you try again.") });
        }, 5000);
        replies.push(reply);
        socket.send(JSON.stringify({ type: "command", command: name, argument }));
      });
    },
  };
}

async function toLoginWhenOver() {
  try {
    const answer = await fetch("/session", { redirect: "manual" });
    if (answer.type === "opaqueredirect") location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  } catch { /* the station is away: the socket tries again anyway */ }
}
