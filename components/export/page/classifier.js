// The exported classifier in a browser: photos stay on this device. Needs the files beside it and nothing else.

import * as ort from "./runtime/ort.wasm.min.mjs";
import { prepared } from "./resize.js";

ort.env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;

/** A photo's file (or a blob) as RGB pixels the right way up, what is transparent on white. */
async function pixelsOf(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    pixels[to] = data[from];
    pixels[to + 1] = data[from + 1];
    pixels[to + 2] = data[from + 2];
  }
  return { pixels, width, height };
}

export class Classifier {
  /** Load the model and its facts from beside this file; `progress` is called with the share that has come, 0 to 1. */
  static async load(progress = () => {}) {
    const at = (name) => new URL(name, import.meta.url);
    const facts = await (await fetch(at("./facts.json"))).json();
    const response = await fetch(at("./model.onnx"));
    if (!response.ok) throw new Error(`the model could not be fetched (${response.status})`);
    const content = new Uint8Array(facts.size_bytes);
    const reader = response.body.getReader();
    let come = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      content.set(part.value, come);
      come += part.value.length;
      progress(come / facts.size_bytes);
    }
    const session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
    return Object.assign(new Classifier(), { facts, session });
  }

  /** What is on a photo: `top` (class, words, probability; most probable first) and `unknown`. */
  async answer(file) {
    const { pixels, width, height } = await pixelsOf(file);
    const input = prepared(pixels, width, height, this.facts.preprocessing);
    const side = Math.sqrt(input.length / 3);
    const photos = new ort.Tensor("uint8", input, [1, side, side, 3]);
    const { probabilities } = await this.session.run({ photos });
    const top = this.facts.classes
      .map(({ name, words }, place) => ({ class: name, words, probability: probabilities.data[place] }))
      .sort((one, other) => other.probability - one.probability);
    const { threshold } = this.facts;
    return { top, unknown: threshold !== null && top[0].probability < threshold };
  }
}
