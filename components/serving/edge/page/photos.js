// Photos from a person: dropped, pasted, chosen, taken by the camera.
import { h, say } from "./dom.js";

let pasteInto = null; // whoever is in view takes what is pasted or dropped anywhere
const isPhoto = (file) => file.type.startsWith("image/") || /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic)$/i.test(file.name);

for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault()); // else the browser leaves the page
addEventListener("paste", (event) => {
  const photos = [...(event.clipboardData?.files ?? [])].filter(isPhoto);
  if (photos.length && pasteInto?.isConnected) {
    event.preventDefault();
    pasteInto.take(photos);
  }
});

/** A place to drop photos on; `take` is called with files. `burst`: the camera's button may be held. */
export function dropPlace(take, { title = "Drop photos here", small = false, burst = false } = {}) {
  const input = h("input", { type: "file", accept: "image/*", multiple: true, hidden: true, onchange: () => given(input.files) });
  const camera = h("div", { hidden: true });
  const place = h(
    "section",
    { class: `drop${small ? " small" : ""}`, "aria-label": title },
    h("p", {}, h("strong", {}, title)),
    h("p", { class: "quiet small" }, "or paste them, or"),
    h(
      "p",
      { class: "row" },
      h("button", { type: "button", onclick: () => input.click() }, "Choose photos"),
      navigator.mediaDevices?.getUserMedia && h("button", { type: "button", onclick: () => openCamera(camera, take, burst) }, "Use the camera"),
    ),
    input,
  );
  function given(files) {
    const photos = [...files].filter(isPhoto);
    if (photos.length) take(photos);
    else if (files.length) say("That is no photo.");
    input.value = "";
  }
  place.addEventListener("dragover", () => place.classList.add("over"));
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    place.classList.remove("over");
    given(event.dataTransfer.files);
  });
  const whole = h("div", {}, place, camera);
  whole.take = take;
  whole.pasteHere = () => (pasteInto = whole);
  whole.addEventListener("focusin", whole.pasteHere);
  whole.addEventListener("pointerdown", whole.pasteHere);
  return whole;
}

async function openCamera(where, take, burst) {
  if (!where.hidden) return;
  const video = h("video", { autoplay: true, muted: true, playsInline: true, "aria-label": "What the camera sees", onloadeddata: () => { button.disabled = false; button.focus(); } });
  const told = h("p", { class: "small quiet" }, burst ? "Hold the button to take several." : "");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
  } catch (error) {
    where.hidden = false;
    where.replaceChildren(h("p", { class: "note warn", role: "alert" }, `The camera cannot be used: ${error.message || error.name}.`));
    return;
  }
  video.srcObject = stream;
  let number = 0;
  let timer = null;
  const shoot = () => {
    if (!video.videoWidth) return;
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => take([new File([blob], `camera ${++number}.jpg`, { type: "image/jpeg" })]), "image/jpeg", 0.92);
  };
  const stop = () => {
    clearInterval(timer);
    stream.getTracks().forEach((track) => track.stop());
    where.hidden = true;
    where.replaceChildren();
  };
  const release = () => { clearInterval(timer); timer = null; };
  const button = h("button", { type: "button", class: "first", disabled: true, onclick: () => { if (!button.held) shoot(); button.held = false; } }, "Take a photo");
  if (burst) {
    button.addEventListener("pointerdown", () => {
      release();
      timer = setInterval(() => { button.held = true; shoot(); }, 400);
    });
    for (const type of ["pointerup", "pointerleave", "pointercancel"]) button.addEventListener(type, release);
  }
  where.hidden = false;
  where.replaceChildren(h("div", { class: "camera" }, video, told, h("p", { class: "row" }, button, h("button", { type: "button", onclick: stop }, "Close the camera"))));
  addEventListener("leave", stop, { once: true });
}

/** Photos that are collected before they are sent. `changed` is called with the list. */
export function tray(changed) {
  const photos = [];
  const list = h("ul", { class: "photos tray" });
  const add = (more) => {
    for (const photo of more) {
      const address = URL.createObjectURL(photo);
      const item = h(
        "li",
        {},
        h("img", { src: address, alt: photo.name }),
        h("button", { type: "button", "aria-label": `Leave out ${photo.name}`, onclick: () => remove(photo, item, address) }, "×"),
      );
      photos.push(photo);
      list.append(item);
    }
    say(`${photos.length} photos`);
    changed(photos);
  };
  function remove(photo, item, address) {
    photos.splice(photos.indexOf(photo), 1);
    URL.revokeObjectURL(address);
    const next = item.nextElementSibling?.querySelector("button") ?? item.previousElementSibling?.querySelector("button");
    item.remove();
    next?.focus();
    changed(photos);
  }
  const clear = () => { photos.length = 0; list.replaceChildren(); changed(photos); };
  return { list, photos, add, clear };
}
