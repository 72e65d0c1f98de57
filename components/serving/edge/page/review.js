// Review: the photos of the pool that are most worth a word; one at a time, by button or key.
import { bar, counted, h, percent, problem, say, sentence, words } from "./dom.js";
import { labelChecks } from "./labels.js";
import { get, picture, post } from "./service.js";

export const reviewTab = { id: "review", title: "Review", needsToken: true, show };

const MOST = 9; // classes as buttons: keys 1 to 9

async function show(panel) {
  const told = h("div", {});
  const place = h("div", {}, h("p", { class: "waiting", role: "status" }, "Looking through the pool …"));
  let items = [];
  let last = null;
  panel.append(
    h("h1", {}, "Review"),
    h("p", { class: "lead" }, "Of the photos without a label, these tell most: the classifier is unsure of them, they are unlike each other, and many others look like them."),
    place, told, labelChecks(),
  );
  addEventListener("keydown", pressed);
  addEventListener("leave", () => removeEventListener("keydown", pressed), { once: true });
  await fetchMore();

  async function fetchMore() {
    try {
      items = await get("review?top=20");
      next();
    } catch (error) {
      place.replaceChildren(problem(error));
    }
  }

  function next() {
    const item = items[0];
    if (!item) {
      place.replaceChildren(h("p", { class: "note" }, "No photo of the pool is left to review. Put photos there: ", h("code", {}, "shotline pool add FOLDER"), "; or have the service keep what it is unsure of: ", h("code", {}, "shotline serve --keep"), "."));
      return;
    }
    place.replaceChildren(card(item));
  }

  function card(item) {
    const image = h("img", { alt: item.name || "the photo", class: "review-photo" });
    picture(item.photo).then((address) => (image.src = address)).catch(() => {});
    const all = item.alike.length ? h("input", { type: "checkbox", id: "alike" }) : null;
    const name = h("input", { type: "text", id: "review-name", autocomplete: "off", maxLength: 100, "aria-label": "A new name", placeholder: "another name" });
    const say_ = (values) => word(item, values, all?.checked);
    return h("section", { class: "card", "aria-label": "The photo" },
      image,
      h("p", { class: "quiet small" }, item.name || "sent to the service", item.abstained ? " · not known so far" : "", ` · ${counted(items.length, "photo")} left in this list`),
      all && h("div", {}, h("p", {}, all, h("label", { htmlFor: "alike" }, ` and the ${counted(item.alike.length, "photo")} that look alike`)), alike(item)),
      h("ol", { class: "review-classes" }, item.likely.slice(0, MOST).map((each, place_) => h("li", {},
        h("button", { type: "button", onclick: () => say_({ name: each.class }) },
          h("kbd", {}, String(place_ + 1)), ` ${words(each.class)} `, h("span", { class: "quiet small" }, percent(each.probability)), bar(each.probability))))),
      h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); if (name.value.trim()) say_({ name: name.value.trim() }); } }, name, h("button", {}, "It is this, a new class")),
      h("p", { class: "row" },
        h("button", { type: "button", onclick: () => say_({ word: "none" }) }, "None of these"),
        h("button", { type: "button", onclick: () => say_({ word: "bad" }) }, "Bad photo"),
        h("button", { type: "button", onclick: skip }, "Skip")));
  }

  function alike(item) {
    const list = h("ul", { class: "photos tray" });
    for (const photo of item.alike.slice(0, 8)) {
      picture(photo).then((address) => list.append(h("li", {}, h("img", { src: address, alt: "" })))).catch(() => {});
    }
    return list;
  }

  async function word(item, values, withAlike) {
    const photos = [item.photo, ...(withAlike ? item.alike : [])];
    for (const button of place.querySelectorAll("button")) button.disabled = true;
    try {
      last = await post("review", { photos: photos.join(","), ...values });
      const gone = new Set(photos);
      items = items.filter((each) => !gone.has(each.photo));
      told.replaceChildren(done(last, photos.length));
      if (items.length) next();
      else await fetchMore();
    } catch (error) {
      const force = error.code === "refused_by_gate" && h("button", { type: "button", onclick: () => word(item, { ...values, force: "true" }, withAlike) }, "Make it live all the same");
      told.replaceChildren(problem(error, force && h("p", {}, force)));
      next();
    }
  }

  function done(answer, count) {
    const what = { none: "none of the classes", bad: "not to be used" }[answer.said] ?? words(answer.said);
    const waits = answer.before && answer.before === answer.after;
    const title = `${counted(count, "photo")}: ${what}${waits ? "; it waits for the next training" : answer.before ? ", live" : ""}`;
    say(title);
    return h("section", { class: "note good", "aria-label": "What came of it" }, h("p", {}, h("strong", {}, sentence(title))),
      h("p", { class: "row" }, h("button", { type: "button", onclick: undo }, "Undo")));
  }

  async function undo() {
    if (!last) return;
    const { said, photos, before, after } = last;
    try {
      await post("review", { undo: "true", photos: photos.join(","), said, before, after });
      last = null;
      told.replaceChildren(h("p", { class: "note" }, h("strong", {}, "Undone: all answers are as they were before.")));
      say("Undone");
      await fetchMore();
    } catch (error) {
      told.replaceChildren(problem(error));
    }
  }

  function skip() {
    items.push(items.shift());
    next();
  }

  function pressed(event) {
    if (event.target.closest?.("input, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "s") return skip();
    if (event.key === "u") return undo();
    const chosen = place.querySelectorAll(".review-classes button")[Number(event.key) - 1];
    if (chosen && !chosen.disabled) chosen.click();
  }
}
