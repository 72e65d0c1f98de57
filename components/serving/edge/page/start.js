// Start from nothing: make classes, give them photos, train, watch, try.
import { bar, counted, h, percent, problem, say, sentence, words } from "./dom.js";
import { thumbnail } from "./classes.js";
import { dropPlace } from "./photos.js";
import { get, post } from "./service.js";

export const startTab = { id: "start", title: "Start", needsToken: true, show };

const STAGES = {
  ingest: "Reading the photos", validate: "Checking them", features: "Looking at each (the backbone)", ldc: "Training LDC",
  classifier: "Fitting heads, choosing one", liteembed: "Added classes", evaluate: "Measuring honestly", package: "Packing it up",
};

async function show(panel, { again }) {
  let training;
  try {
    training = await get("train");
  } catch (error) {
    panel.append(problem(error));
    return;
  }
  if (["starting", "running"].includes(training.state)) watch(panel, again);
  else await collect(panel, training, again);
}

async function collect(panel, training, again) {
  const told = h("div", {}, training.state === "failed" ? failed(training) : training.state === "stopped" ? h("p", { class: "note warn" }, "The last training was stopped. What it had done is kept.") : "");
  const list = h("div", {});
  const button = h("button", { class: "first", disabled: true, onclick: train }, "Train");
  const hint = h("p", { class: "small quiet" });
  const name = h("input", { type: "text", id: "new-class", autocomplete: "off", maxLength: 100, required: true });
  panel.append(
    h("h1", {}, "Make a classifier"),
    h("p", { class: "lead" }, "Name at least two classes and give each five to sixteen photos. Then train; it takes a minute or a few."),
    told, list,
    h("form", { class: "card", onsubmit: (event) => { event.preventDefault(); addCard(name.value.trim()); name.value = ""; } },
      h("div", { class: "field" }, h("label", { htmlFor: "new-class" }, "A class more"), name), h("button", {}, "Add the class")),
    h("p", { class: "row" }, button), hint,
  );
  const counts = new Map();
  const [rows, firsts] = await Promise.all([get("classes"), get("photos").catch(() => ({}))]);
  for (const row of rows) addCard(row.class, row.photos, firsts[row.class] ?? []);
  ready();
  if (!rows.length) name.focus({ preventScroll: true });

  function addCard(given, photos = 0, shown = []) {
    if (!given || counts.has(given)) return;
    counts.set(given, photos);
    const head = h("h2", {}, words(given));
    const count = h("span", { class: "quiet small" }, counted(photos, "photo"));
    const thumbs = h("ul", { class: "photos tray", "aria-label": `Photos of ${words(given)}` }, shown.map(thumbnail));
    const state = h("div", {});
    const place = dropPlace(send, { title: `Drop photos of ${words(given)} here`, small: true, burst: true });
    const card = h("section", { class: "card", "aria-label": words(given) },
      h("div", { class: "class-head" }, head, count, h("span", { class: "spring" }), h("button", { class: "plain", type: "button", "aria-label": `Remove ${words(given)}`, onclick: remove }, "Remove")),
      thumbs, place, state);
    list.append(card);
    place.pasteHere();

    async function send(files) {
      state.replaceChildren(h("p", { class: "waiting" }, `Sending ${counted(files.length, "photo")} …`));
      try {
        const answer = await post("add_class", { name: given }, files);
        counts.set(given, answer.photos);
        count.textContent = counted(answer.photos, "photo");
        const refused = new Set(answer.refused_photos.map((each) => each.path));
        thumbs.append(...files.filter((file) => !refused.has(file.name)).map((file) => h("li", {}, h("img", { src: URL.createObjectURL(file), alt: file.name }))));
        state.replaceChildren(...answer.told.filter((line) => line.startsWith("not used")).map((line) => h("p", { class: "note warn" }, sentence(line))));
        say(`${words(given)} has ${answer.photos} photos`);
      } catch (error) {
        state.replaceChildren(problem(error));
      }
      ready();
    }

    async function remove() {
      try {
        if (counts.get(given)) await post("remove_class", { name: given });
        counts.delete(given);
        card.remove();
        say(`${words(given)} is removed`);
      } catch (error) {
        state.replaceChildren(problem(error));
      }
      ready();
    }
  }

  function ready() {
    const full = [...counts.values()].filter((photos) => photos > 0).length;
    button.disabled = full < 2 || full < counts.size;
    hint.textContent = full < 2 ? "Two classes with photos are needed." : full < counts.size ? "One of the classes has no photo yet." : "";
  }

  async function train() {
    button.disabled = true;
    try {
      await post("train", { shots: 0 });
      panel.replaceChildren();
      watch(panel, again);
    } catch (error) {
      told.replaceChildren(problem(error));
      ready();
    }
  }
}

/** The stages as they run, until the classifier answers. */
async function watch(panel, again) {
  const list = h("ol", { class: "stages", "aria-label": "Stages of the training" });
  const state = h("p", { class: "waiting", role: "status" }, "The training begins …");
  panel.append(h("h1", {}, "Training"), h("p", { class: "lead" }, "This page may be closed; the training goes on."), state, list);
  let told = "";
  while (panel.isConnected) {
    const training = await get("train").catch((error) => ({ state: error.status ? "failed" : "running", stages: [], error: { what: error.message, remedy: error.remedy } }));
    if (training.stages.length) list.replaceChildren(...training.stages.map(row));
    const now = training.stages.at(-1)?.stage ?? "";
    if (now !== told) say(STAGES[now] ?? now);
    told = now;
    if (now) state.textContent = `${STAGES[now] ?? now} …`;
    if (training.state === "done") return finished(panel, training, again);
    if (["failed", "stopped"].includes(training.state)) {
      state.remove();
      panel.append(failed(training), h("button", { class: "first", onclick: () => again() }, "Back to the classes"));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
}

function row(stage) {
  const ended = stage.seconds !== null;
  return h("li", {}, h("span", { class: "mark", "aria-hidden": "true" }, ended ? "✓" : "•"), h("span", {}, STAGES[stage.stage] ?? stage.stage),
    h("span", { class: "quiet small" }, ended ? `${stage.seconds.toFixed(1)} s` : stage.total ? `${stage.done} of ${counted(stage.total, "").trim()} ${stage.what}` : ""),
    !ended && stage.total ? bar(stage.done / stage.total) : "");
}

function failed(training) {
  const error = training.error ?? { what: "the training was stopped", on: "", remedy: "train again: what was done is kept" };
  return problem({ message: error.on ? `${error.what} (${error.on})` : error.what, remedy: error.remedy });
}

/** The figure, as it was measured, and on to trying it. */
function finished(panel, training, again) {
  const measured = training.measured;
  say("The classifier is trained");
  const button = h("button", { class: "first", onclick: () => again("try") }, "Try it");
  panel.replaceChildren(h("h1", {}, "It is trained"),
    measured ? h("section", { class: "card" },
      h("p", {}, h("strong", {}, `${percent(measured.top1)} right`), measured.evidence === "query" ? " on photos that were kept apart for measuring." : " on photos that were left out while it learnt, each in its turn."),
      h("p", { class: "quiet" }, sentence(measured.why))) : "",
    h("p", { class: "row" }, button));
  button.focus();
}
