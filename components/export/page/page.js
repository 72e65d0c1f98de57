import { Classifier } from "./classifier.js";

const SHOWN = 5;
const element = (id) => document.getElementById(id);
const status = element("status");
const results = element("results");
const files = element("files");

const percent = (share) => `${(100 * share).toFixed(share > 0.1 && share < 0.9995 ? 0 : 1)} %`;

function made(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function bar({ words, probability }) {
  const share = made("span", { className: "bar" });
  share.style.setProperty("--share", probability);
  return made("li", {}, made("span", { className: "class" }, words), made("span", {}, percent(probability)), share);
}

function shown(file, answer, seconds) {
  const [best] = answer.top;
  const told = answer.unknown ? "Unknown" : best.words;
  const near = answer.unknown ? `nearest: ${best.words}, ` : "";
  return made(
    "article",
    { className: "card answer" },
    made("img", { src: URL.createObjectURL(file), alt: file.name }),
    made(
      "div",
      {},
      made("h2", {}, told),
      made("p", { className: "quiet" }, `${near}${percent(best.probability)}, in ${seconds.toFixed(2)} s: ${file.name}`),
      made("ol", { className: "classes" }, ...answer.top.slice(0, SHOWN).map(bar)),
    ),
  );
}

async function ask(classifier, chosen) {
  for (const [number, file] of [...chosen].entries()) {
    status.textContent = `Looking at photo ${number + 1} of ${chosen.length} …`;
    const began = performance.now();
    try {
      const answer = await classifier.answer(file);
      results.prepend(shown(file, answer, (performance.now() - began) / 1000));
    } catch (error) {
      const what = error instanceof DOMException ? "this browser cannot read it as a photo" : error.message;
      results.prepend(made("p", { className: "note bad" }, `${file.name}: ${what}`));
    }
  }
  status.textContent = `Ready. ${classifier.facts.classes.length} classes; your photos stay on this device.`;
}

function listen(classifier) {
  files.disabled = false;
  files.addEventListener("change", async () => {
    await ask(classifier, [...files.files]);
    files.value = "";
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    ask(classifier, [...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) ask(classifier, [...event.clipboardData.files]);
  });
}

try {
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("./offline.js").catch(() => {});
  const classifier = await Classifier.load((share) => {
    status.textContent = `Loading the classifier: ${percent(share)}`;
  });
  listen(classifier);
  await ask(classifier, []);
} catch (error) {
  status.textContent = `The classifier could not be loaded: ${error.message}. Put this folder on a web host; a browser opens it from there, not from a file.`;
  status.className = "note bad";
}
