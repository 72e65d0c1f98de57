// Classes: what answers can name, and where each comes from.
import { counted, h, problem, say, when, words } from "./dom.js";
import { get, picture, post } from "./service.js";
import { undoRow } from "./teach.js";

export const classesTab = { id: "classes", title: "Classes", needsToken: true, show };

async function show(panel, { again }) {
  const told = h("div", {});
  const list = h("div", {});
  panel.append(h("h1", {}, "Classes"), told, list);
  try {
    const [rows, firsts] = await Promise.all([get("classes"), get("photos")]);
    panel.querySelector("h1").textContent = counted(rows.length, "class").replace("classs", "classes");
    list.replaceChildren(...rows.map((row) => card(row, firsts[row.class] ?? [], told, again)));
  } catch (error) {
    told.replaceChildren(problem(error));
  }
}

function card(row, photos, told, again) {
  const added = row.kind === "added";
  const actions = h("span", {});
  const element = h("section", { class: "card", "aria-label": words(row.class) },
    h("div", { class: "class-head" },
      h("h2", {}, words(row.class)),
      h("span", { class: `tag ${added ? "good" : ""}` }, added ? "added" : "trained"),
      h("span", { class: "quiet small" }, counted(row.photos, "photo"), added ? `, since ${when(row.since)}` : ""),
      h("span", { class: "spring" }), actions),
    h("ul", { class: "photos tray", "aria-label": `Photos of ${words(row.class)}` }, photos.map(thumbnail)));
  if (added) buttons();
  return element;

  function buttons() {
    actions.replaceChildren(
      h("button", { class: "plain", type: "button", "aria-label": `Rename ${words(row.class)}`, onclick: rename }, "Rename"),
      h("button", { class: "plain", type: "button", "aria-label": `Remove ${words(row.class)}`, onclick: () => change("remove_class", { name: row.class }, `${words(row.class)} is removed`) }, "Remove"),
    );
  }

  function rename() {
    const input = h("input", { type: "text", value: row.class, "aria-label": "New name", maxLength: 100, required: true });
    actions.replaceChildren(h("form", { class: "row", onsubmit: (event) => {
      event.preventDefault();
      change("rename_class", { name: row.class, new_name: input.value.trim() }, `${words(row.class)} is called ${words(input.value.trim())} now`);
    } }, input, h("button", { class: "first" }, "Rename"), h("button", { type: "button", onclick: buttons }, "Leave it")));
    input.select();
  }

  async function change(path, values, text) {
    try {
      const { before } = await post(path, values);
      say(text);
      await again();
      document.querySelector("#panel h1").after(h("section", { class: "note good", "aria-label": "Done" }, h("p", {}, h("strong", {}, `${text}.`)), undoRow(before, again)));
    } catch (error) {
      told.replaceChildren(problem(error));
    }
  }
}

/** One of the workspace's photos, once it has come. */
export function thumbnail(photo) {
  const image = h("img", { alt: "", width: 88, height: 88 });
  picture(photo).then((address) => (image.src = address)).catch(() => (image.alt = "cannot be shown"));
  return h("li", {}, image);
}
