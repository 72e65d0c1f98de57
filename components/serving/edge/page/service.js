// The one place that speaks with the service.

export class Refused extends Error {
  constructor({ code, message, remedy }, status) {
    super(message);
    Object.assign(this, { code, remedy, status });
  }
}

const KEY = `shotline ${document.baseURI}`;
let token = sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
const away = document.getElementById("away");

export const hasToken = () => token !== null;

export function forgetToken() {
  token = null;
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
}

/** A token that a person has typed stays for this tab; one that the link brought, as long as its service runs. */
export function keepToken(given, typed) {
  forgetToken();
  token = given;
  (typed ? sessionStorage : localStorage).setItem(KEY, given);
}

async function asked(path, options = {}) {
  const headers = { accept: "application/json", ...options.headers };
  if (token) headers.authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI), { ...options, headers, cache: options.cache ?? "no-store" });
  } catch {
    waitForService();
    throw new Refused({ code: "away", message: "the service cannot be reached", remedy: "see whether it still runs" }, 0);
  }
  away.hidden = true;
  if (response.ok) return response;
  let told = { code: "unknown", message: `the service answered ${response.status}`, remedy: "try again" };
  try {
    told = await response.json();
  } catch { /* no JSON: what is known is told */ }
  if (response.status === 401 && token) {
    forgetToken();
    dispatchEvent(new Event("locked"));
  }
  throw new Refused(told, response.status);
}

export const get = async (path) => (await asked(path)).json();

/** POST of texts and photos (File or Blob, in the field images). */
export async function post(path, values = {}, photos = [], signal = undefined) {
  const body = new FormData();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) body.append(name, value);
  photos.forEach((photo, number) => body.append("images", photo, photo.name ?? `photo ${number + 1}.jpg`));
  body.append("sent-by", "page"); // a form without any field has no end that can be seen
  const told = await (await asked(path, { method: "POST", body, signal })).json();
  if (told.version) document.getElementById("live").textContent = `version ${told.version}`;
  return told;
}

const pictures = new Map();

/** The address of a thumbnail of one of the workspace's photos. */
export function picture(photo) {
  if (!pictures.has(photo)) {
    pictures.set(photo, asked(`photos/${photo}`, { cache: "default" }).then((r) => r.blob()).then((b) => URL.createObjectURL(b)));
    pictures.get(photo).catch(() => pictures.delete(photo));
  }
  return pictures.get(photo);
}

let waiting = false;
async function waitForService() {
  away.hidden = false;
  if (waiting) return;
  waiting = true;
  while (true) {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    try {
      if ((await fetch(new URL("livez", document.baseURI))).ok) break;
    } catch { /* still away */ }
  }
  waiting = false;
  away.hidden = true;
  dispatchEvent(new Event("back"));
}
