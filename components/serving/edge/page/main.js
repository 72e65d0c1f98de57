// The page: which tabs there are, which one is shown, and who may do what.
import { h, problem, say } from "./dom.js";
import { forgetToken, get, hasToken, keepToken, post } from "./service.js";
import { tabsOf } from "./tabs.js";

const list = document.getElementById("tabs");
const main = document.getElementById("main");
let about = {};
let tabs = [];

async function begin(wanted) {
  await openLink();
  try {
    about = await get("");
  } catch (error) {
    main.replaceChildren(problem(error));
    addEventListener("back", () => begin(wanted), { once: true });
    return;
  }
  if (hasToken() && about.workspace) await get("versions").catch((error) => error.status === 401 && forgetToken());
  document.getElementById("live").textContent = about.version ? `version ${about.version}` : "";
  tabs = tabsOf(about);
  list.hidden = tabs.length < 2;
  list.replaceChildren(...tabs.map((tab) => h("button", {
    id: `tab-${tab.id}`, role: "tab", type: "button", "aria-controls": "panel", onclick: () => show(tab), onkeydown: move,
  }, tab.title)));
  show(tabs.find((tab) => tab.id === wanted) ?? tabs[0], false);
  warmSoon();
}

/** Who may change classes may open a tab that needs what takes seconds to load; the tab that is open goes first. */
function warmSoon() {
  if (about.trained && about.workspace && hasToken()) setTimeout(() => post("warm").catch(() => {}), 1000);
}

/** The link that `shotline serve` prints carries a code, good for once; it never reaches the service's log. */
async function openLink() {
  const code = new URLSearchParams(location.hash.slice(1)).get("open");
  if (code === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    keepToken((await post("open", { code })).token, false);
  } catch { /* used already: this browser may hold the token from then */ }
}

function show(tab, asked = true) {
  dispatchEvent(new Event("leave"));
  for (const each of list.children) {
    const chosen = each.id === `tab-${tab.id}`;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
  }
  const panel = h("div", { id: "panel", role: tabs.length < 2 ? null : "tabpanel", "aria-labelledby": tabs.length < 2 ? null : `tab-${tab.id}`, tabIndex: -1 });
  main.replaceChildren(panel);
  if (asked) history.replaceState(null, "", `#${tab.id}`);
  const locked = tab.needsToken && lockedBecause();
  if (locked) panel.append(h("h1", {}, tab.title), locked);
  else tab.show(panel, { about, again: (id = tab.id) => begin(id) });
}

function move(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const place = tabs.findIndex((tab) => event.currentTarget.id === `tab-${tab.id}`);
  const next = step ? (place + step + tabs.length) % tabs.length : { Home: 0, End: tabs.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  show(tabs[next]);
  list.children[next].focus();
}

/** Why this browser may not see a tab, and what to do; nothing where it may. */
function lockedBecause() {
  if (!about.workspace) {
    return h("p", { class: "note" }, "This service carries a classifier without its workspace, so its classes are changed where they were made: run ",
      h("code", {}, "shotline serve"), " in the workspace.");
  }
  if (!about.admin) {
    return h("p", { class: "note" }, "This service has no admin token, so nothing can be changed through it. Start it with ", h("code", {}, "SHOTLINE_ADMIN_TOKEN"), " set.");
  }
  if (hasToken()) return null;
  const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const told = h("div", {});
  return h("div", {},
    h("p", { class: "lead" }, "This browser may try photos. To teach, open the link that ", h("code", {}, "shotline serve"), " printed, or give the admin token."),
    h("form", { class: "card", onsubmit: async (event) => {
      event.preventDefault();
      keepToken(input.value.trim(), true);
      try {
        await get("versions").catch((error) => { if (error.status !== 422) throw error; });
        begin(location.hash.slice(1));
      } catch (error) {
        forgetToken();
        told.replaceChildren(problem(error));
      }
    } }, h("div", { class: "field" }, h("label", { htmlFor: "token" }, "Admin token"), input), h("button", { class: "first" }, "Use it"), told));
}

addEventListener("locked", () => { say("The admin token is no longer accepted."); begin(location.hash.slice(1)); });
begin(location.hash.slice(1).replace(/^open=.*/, ""));
