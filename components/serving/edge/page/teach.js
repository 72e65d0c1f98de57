// Teach: one class more from a name and a few photos, live in seconds, and back out again.
import { counted, h, problem, say, sentence, words } from "./dom.js";
import { dropPlace, tray } from "./photos.js";
import { picture, post, get } from "./service.js";

export const teachTab = { id: "teach", title: "Teach", needsToken: true, show };

function show(panel, { again }) {
  const name = h("input", { type: "text", id: "name", autocomplete: "off", maxLength: 100, required: true, oninput: ready });
  const told = h("div", {});
  const count = h("p", { class: "small quiet" }, "Five to sixteen photos are good; more than one view of it is better.");
  const photos = tray((given) => {
    count.textContent = given.length ? counted(given.length, "photo") : "Five to sixteen photos are good; more than one view of it is better.";
    ready();
  });
  const button = h("button", { class: "first", disabled: true }, "Teach it");
  const place = dropPlace(photos.add, { title: "Drop its photos here", small: true, burst: true });
  panel.append(
    h("h1", {}, "Teach a class"),
    h("p", { class: "lead" }, "Nothing is trained. A gate looks whether the new class harms the others, and you can undo it."),
    h("form", { class: "card", onsubmit: (event) => { event.preventDefault(); teach(false); } },
      h("div", { class: "field" }, h("label", { htmlFor: "name" }, "What is it called?"), name),
      place, count, photos.list, h("p", { class: "row" }, button)),
    told,
  );
  place.pasteHere();
  name.focus({ preventScroll: true });
  post("warm").catch(() => {}); // the first change would wait for it

  function ready() { button.disabled = !name.value.trim() || !photos.photos.length; }

  async function teach(force) {
    const sent = [...photos.photos];
    const began = performance.now();
    button.disabled = true;
    told.replaceChildren(h("p", { class: "waiting", role: "status" }, "Looking at the photos, then asking the gate …"));
    try {
      const outcome = await post("add_class", { name: name.value.trim(), force: force ? "true" : undefined }, sent);
      told.replaceChildren(await done(outcome, sent, (performance.now() - began) / 1000, again));
      photos.clear();
      name.value = "";
    } catch (error) {
      const all = error.code === "refused_by_gate" && h("button", { type: "button", onclick: () => teach(true) }, "Make it live all the same");
      const note = problem(error, all && h("p", {}, all));
      if (error.code === "refused_by_gate") note.prepend(h("p", { class: "tag bad" }, "The gate says no; nothing was changed"));
      told.replaceChildren(note);
    }
    ready();
  }
}

async function done(outcome, sent, seconds, again) {
  const names = outcome.classes.map((each) => each.class);
  const changed = outcome.version !== outcome.before;
  const title = names.length && changed ? `${names.map(words).join(", ")} is live` : outcome.waiting.length ? `${outcome.waiting.map(words).join(", ")} is a trained class: the photos wait` : "Nothing new: these photos were known";
  say(title);
  const note = h("section", { class: `note ${names.length && changed ? "good" : ""}`, "aria-label": "What came of it" },
    h("h2", {}, title), h("p", { class: "quiet small" }, `after ${seconds.toFixed(1)} s`),
    h("ul", { class: "told" }, outcome.told.filter((line) => !line.startsWith("live:")).map((line) => h("li", {}, sentence(line.trim())))));
  const odd = [...outcome.misfits.map((each) => each.path), ...outcome.near_duplicates.map((each) => each.path), ...outcome.refused_photos.map((each) => each.path),
    ...outcome.classes.flatMap((each) => (each.misfits ?? []).map((one) => sent[one.photo]?.name))];
  const shown = sent.filter((photo) => odd.includes(photo.name));
  if (shown.length) {
    note.append(h("h3", {}, "Photos to look at again"), h("ul", { class: "photos tray" }, shown.map((photo) => h("li", {}, h("figure", {}, h("img", { src: URL.createObjectURL(photo), alt: "" }), h("figcaption", {}, photo.name))))));
  }
  const near = await neighbours(outcome);
  if (near) note.append(near);
  if (changed) note.append(undoRow(outcome.before, again));
  return note;
}

/** The classes that the new one sits nearest to, with a photo of each. */
async function neighbours(outcome) {
  const names = [...new Set(outcome.classes.flatMap((each) => (each.neighbours ?? []).slice(0, 3).map((one) => one.name)))];
  if (!names.length) return null;
  const firsts = await get("photos").catch(() => ({}));
  const photoOf = new Map(Object.entries(firsts).map(([name, photos]) => [words(name), photos[0]]));
  const items = await Promise.all(names.filter((name) => photoOf.get(words(name))).map(async (name) => {
    const address = await picture(photoOf.get(words(name))).catch(() => null);
    return address && h("li", {}, h("figure", {}, h("img", { src: address, alt: "" }), h("figcaption", {}, words(name))));
  }));
  return items.length ? h("div", {}, h("h3", {}, "Most like these classes"), h("ul", { class: "photos tray" }, items)) : null;
}

/** A button that makes the version before live again. */
export function undoRow(before, again) {
  const row = h("p", { class: "row" }, h("button", { type: "button", onclick: async (event) => {
    event.target.disabled = true;
    try {
      await post("rollback", { version: before });
      row.replaceChildren(h("strong", {}, "Undone: all answers are as they were before."));
      say("Undone");
      setTimeout(again, 1200);
    } catch (error) {
      row.replaceChildren(problem(error));
    }
  } }, "Undo"));
  return row;
}
