// The language of the page: its dates and numbers are written as its words are.

const page = document.documentElement.lang;
/** Of the page's language the kind that this browser prefers: English dates differ from country to country. */
export const LANGUAGE = navigator.languages.find((one) => one.split("-")[0] === page) ?? page;

/** `value` with that many decimal places. */
export function decimal(value, digits) {
  return value.toLocaleString(LANGUAGE, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });
}
