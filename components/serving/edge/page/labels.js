// Labels that look wrong: photos that were trained on and are answered as another class by what had not seen them.
import { h, problem, say, sentence, words } from "./dom.js";
import { get, picture, post } from "./service.js";

export function labelChecks() {
  const place = h("div", {}, h("p", { class: "waiting", role: "status" }, "Looking through the labels …"));
  const section = h("section", { class: "label-checks", "aria-label": "Labels that look wrong" },
    h("h2", {}, "Labels that look wrong"),
    h("p", { class: "quiet" }, "The classifier was trained on these photos. Without them it takes them for another class. What you say counts from the next training on; no file is moved."),
    place);
  fetchAll();
  return section;

  async function fetchAll() {
    try {
      const found = await get("labels?top=24");
      place.replaceChildren(h("ul", {}, found.map((item) => h("li", { class: "card" }, ...asked(item)))));
      section.hidden = found.length === 0;
    } catch { // nothing is trained yet, or the service is away: the rest of the tab tells
      section.hidden = true;
    }
  }

  function asked(item) {
    const told = h("div", {});
    const one = (text, values) => h("button", { type: "button", onclick: (event) => give(item, values, event.target, told) }, text);
    return [
      thumbnail(item),
      h("p", {}, "labelled ", h("strong", {}, words(item.class)), h("br", {}), "looks like ", h("strong", {}, words(item.taken_for))),
      h("p", { class: "row" }, one(`It is ${words(item.taken_for)}`, { name: item.taken_for }), one(`It is ${words(item.class)}`, { word: "right" }), one("Drop it", { word: "drop" })),
      told,
    ];
  }

  function thumbnail(item) {
    const image = h("img", { alt: `labelled ${words(item.class)}` });
    picture(item.photo).then((address) => (image.src = address)).catch(() => {});
    return image;
  }

  async function give(item, values, button, told) {
    const card = button.closest("li");
    for (const each of card.querySelectorAll("button")) each.disabled = true;
    try {
      const answer = await post("labels", { photos: item.photo, ...values });
      const title = { relabel: `now ${words(answer.class ?? "")}, from the next training on`, drop: "left out from the next training on", right: `${words(item.class)}, as it was` }[answer.action];
      say(title);
      card.replaceChildren(thumbnail(item), h("p", {}, h("strong", {}, sentence(title))),
        h("p", { class: "row" }, h("button", { type: "button", onclick: () => undo(item, card) }, "Undo")));
      card.querySelector("button").focus();
    } catch (error) {
      told.replaceChildren(problem(error));
      for (const each of card.querySelectorAll("button")) each.disabled = false;
    }
  }

  async function undo(item, card) {
    try {
      await post("labels", { photos: item.photo, word: "undo" });
      say("Undone");
      card.replaceChildren(...asked(item));
      card.querySelector("button").focus();
    } catch (error) {
      card.append(problem(error));
    }
  }
}
