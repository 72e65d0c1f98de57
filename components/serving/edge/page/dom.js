// Small pieces that every tab is made of.

/** An element: properties, listeners (onclick, ...), `class`, `aria-...`; children are elements, texts, or nothing. */
export function h(name, given = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key in element && !key.includes("-") && key !== "role") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A bar for a share of one; the figure stands beside it in words. */
export function bar(share, kind = "") {
  const element = h("span", { class: `bar ${kind}`.trim(), "aria-hidden": "true" });
  element.style.setProperty("--share", Math.min(1, Math.max(0, share)));
  return element;
}

export const percent = (share) => (share > 0.995 && share < 1 ? ">99 %" : share > 0 && share < 0.005 ? "<1 %" : `${Math.round(share * 100)} %`);
export const counted = (number, thing) => `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;
export const words = (name) => name.replaceAll("_", " ");
export const when = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Have a screen reader say it. */
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = "";
  setTimeout(() => (said.textContent = text), 50);
}

/** What went wrong, and what to do. */
export function problem(error, ...more) {
  return h("div", { class: "note bad", role: "alert" }, h("p", {}, h("strong", {}, sentence(error.message))), error.remedy && h("p", {}, sentence(error.remedy)), more);
}

export const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "");
