// Passwords on a phone: they can be looked at, locked capitals are told, a new one says how hard it is to guess, and the second one whether it is the same.

const KINDS = [[/[a-z]/, 26], [/[A-Z]/, 26], [/[0-9]/, 10], [/[^a-zA-Z0-9]/, 33]];
const WEAK_BITS = 50;
const STRONG_BITS = 90;

/** What guessing costs; a character that repeats or continues the one before costs little. */
function bits(text) {
  const pool = KINDS.reduce((sum, [kind, size]) => sum + (kind.test(text) ? size : 0), 1);
  let counted = 0;
  for (let i = 0; i < text.length; i += 1) counted += i && Math.abs(text.charCodeAt(i) - text.charCodeAt(i - 1)) < 2 ? 0.25 : 1;
  return counted * Math.log2(pool);
}

function strength(text) {
  const found = bits(text);
  if (!text) return "";
  if (found < WEAK_BITS) return gettext("Weak: a longer one is harder to guess, for example four words.");
  return found < STRONG_BITS ? gettext("Good.") : gettext("Strong.");
}

/** A line below the field that is read out when it changes. */
function line(field, name) {
  const element = document.createElement("p");
  element.className = name;
  element.setAttribute("role", "status");
  element.hidden = true;
  field.after(element);
  return (text) => { element.textContent = text; element.hidden = !text; };
}

function look(field) {
  const button = document.createElement("button");
  button.type = "button";
  button.classList.add("quiet", "show");
  const name = () => { button.textContent = field.type === "password" ? gettext("Show") : gettext("Hide"); };
  button.addEventListener("click", () => { field.type = field.type === "password" ? "text" : "password"; name(); });
  field.form.addEventListener("submit", () => { field.type = "password"; });  // browsers offer to keep passwords only
  name();
  return button;
}

for (const form of document.forms) {
  const fields = [...form.querySelectorAll("input[type=password]")];
  const [first, second] = fields.filter((field) => field.autocomplete === "new-password");
  for (const field of fields) {
    const place = field.closest("label") ?? field;
    const capitals = line(place, "hint");
    for (const kind of ["keydown", "keyup"]) {
      field.addEventListener(kind, (event) => capitals(event.getModifierState?.("CapsLock") ? gettext("Caps lock is on.") : ""));
    }
    if (field === first && second) {
      const said = line(place, "hint");
      field.addEventListener("input", () => said(strength(field.value)));
    }
    if (field === second) {
      const said = line(place, "hint");
      const compare = () => said(!second.value ? "" : second.value === first.value ? gettext("Both are the same.") : gettext("They differ."));
      for (const one of [first, second]) one.addEventListener("input", compare);
    }
    place.after(look(field));
  }
}
