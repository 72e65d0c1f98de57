// Versions: what was live, what each changed, and the way back.
import { counted, h, problem, say, when, words } from "./dom.js";
import { get, post } from "./service.js";
import { undoRow } from "./teach.js";

export const versionsTab = { id: "versions", title: "Versions", needsToken: true, show };

async function show(panel, { again }) {
  const told = h("div", {});
  const list = h("ol", { class: "timeline", reversed: true });
  panel.append(h("h1", {}, "Versions"), h("p", { class: "lead" }, "Each answer names the version that made it. Rolling back loses nothing: later versions stay in this list."), told, list);
  try {
    const rows = await get("versions");
    const current = rows.find((row) => row.in_use);
    list.replaceChildren(...rows.reverse().map((row) => item(row, current)));
  } catch (error) {
    told.replaceChildren(problem(error));
  }

  function item(row, current) {
    const changes = row.changes.length ? row.changes.map(inWords) : ["The first version"];
    return h("li", { class: row.in_use ? "now" : "" }, h("section", { class: "card", "aria-label": `Version ${row.version}` },
      h("div", { class: "class-head" }, h("h2", {}, changes.slice(0, 2).join("; ") + (changes.length > 2 ? ` and ${changes.length - 2} more` : "")),
        row.in_use && h("span", { class: "tag good" }, "in use"), h("span", { class: "spring" }),
        !row.in_use && h("button", { type: "button", "aria-label": `Roll back to ${row.version}`, onclick: () => back(row, current) }, "Roll back to this")),
      h("p", { class: "quiet small" }, h("code", {}, row.version), `, ${when(row.made)}`, row.added.length ? `, with ${row.added.map(words).join(", ")} added` : "")));
  }

  async function back(row, current) {
    try {
      await post("rollback", { version: row.version });
      say(`Version ${row.version} is live again`);
      await again();
      document.querySelector("#panel h1").after(h("section", { class: "note good", "aria-label": "Done" }, h("p", {}, h("strong", {}, `Version ${row.version} is live again.`)), undoRow(current.version, again)));
    } catch (error) {
      told.replaceChildren(problem(error));
    }
  }
}

function inWords(change) {
  const name = words(change.class ?? "");
  if (change.change === "bundle") return "Trained anew";
  if (change.change === "renamed") return `${name} is called ${words(change.new_name)}`;
  if (change.change === "removed") return `${name} left`;
  if (change.change === "added") return `${name} came with ${counted(change.photos, "photo")}`;
  return `${name}: ${change.photos_before} photos, then ${change.photos}`;
}
