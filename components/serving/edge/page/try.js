// Try: photos in, answers out, and why.
import { bar, h, percent, problem, say, words } from "./dom.js";
import { dropPlace } from "./photos.js";
import { hasToken, picture, post } from "./service.js";

const AT_ONCE = 16;

export const tryTab = { id: "try", title: "Try", needsToken: false, show };

function show(panel, { about }) {
  const results = h("div", { class: "results" });
  const place = dropPlace(take, { title: "Drop photos here" });
  panel.append(h("h1", {}, "What is on this photo?"), place, results);
  place.pasteHere();

  async function take(photos) {
    const rows = photos.map((photo) => ({ photo, card: waiting(photo) }));
    results.prepend(...rows.map((row) => row.card));
    for (let start = 0; start < rows.length; start += AT_ONCE) await ask(rows.slice(start, start + AT_ONCE));
  }

  async function ask(rows) {
    let answers;
    try {
      answers = await post("classify", {}, rows.map((row) => row.photo));
    } catch (error) {
      if (rows.length > 1 && error.status && error.status !== 429) {
        for (const row of rows) await ask([row]);
        return;
      }
      answers = rows.map(() => ({ error }));
    }
    rows.forEach((row, number) => tell(row, answers[number]));
    say(answers.map((answer) => (answer.error ? answer.error.message : verdict(answer))).join(". "));
    if (about.workspace && hasToken()) for (const [number, row] of rows.entries()) if (!answers[number].error) await likes(row);
  }
}

function waiting(photo) {
  const address = URL.createObjectURL(photo);
  return h("article", { class: "card result" }, h("img", { src: address, alt: photo.name }), h("div", {}, h("p", { class: "waiting" }, "Looking …")));
}

function verdict(answer) {
  const [best] = answer.top;
  return answer.abstained ? `Unknown: none of the classes; nearest is ${words(best.class)}, ${percent(best.probability)}` : `${words(best.class)}, ${percent(best.probability)}`;
}

function tell(row, answer) {
  const beside = row.card.lastElementChild;
  if (answer.error) {
    beside.replaceChildren(h("p", { class: "quiet small name" }, row.photo.name), problem(answer.error));
    return;
  }
  const [best] = answer.top;
  const head = answer.abstained
    ? [h("h2", {}, "Unknown"), h("p", {}, "This is probably none of the classes. Nearest is ", h("strong", {}, words(best.class)), `, ${percent(best.probability)}.`)]
    : [h("h2", {}, words(best.class), " ", h("span", { class: "quiet" }, percent(best.probability)))];
  const likely = (answer.likely ?? []).filter((name) => name !== "unknown");
  const bars = h("ol", { class: "answers" }, answer.top.map((each) => h("li", {}, h("span", {}, words(each.class)), bar(each.probability, answer.abstained ? "before" : ""), h("span", {}, percent(each.probability)))));
  row.why = h("div", {});
  beside.replaceChildren(
    h("p", { class: "quiet small name" }, row.photo.name),
    ...head,
    likely.length > 1 ? h("p", { class: "quiet" }, `It may well be ${likely.map(words).join(" or ")}.`) : "",
    answer.flaw ? h("p", { class: "quiet" }, `About the file: ${answer.flaw}.`) : "",
    bars,
    row.why,
  );
}

/** The known photos that it is most like: a person sees why. */
async function likes(row) {
  let found;
  try {
    found = await post("search", { top: 6 }, [row.photo]);
  } catch {
    return; // the answer stands without them
  }
  const items = await Promise.all(found.map(async (each) => {
    const address = await picture(each.photo).catch(() => null);
    return address && h("li", {}, h("figure", {}, h("img", { src: address, alt: "", loading: "lazy" }), h("figcaption", {}, `${words(each.class)}, ${each.similarity.toFixed(2)}`)));
  }));
  row.why.replaceChildren(h("h3", {}, "The known photos that it is most like"), h("ul", { class: "photos alike" }, items));
}
