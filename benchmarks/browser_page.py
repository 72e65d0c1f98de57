"""The page without a server, in headless Chromium with the network off: its size, and the time of one photo.

python benchmarks/browser_page.py PAGE PHOTOS [--photos 10]

PAGE is what `shotline export page PAGE` wrote. It is opened once from a web host of this machine, then again with the network
off; photos of the folder PHOTOS are answered one after the other, the first not counted. Medians.
"""

import argparse
import functools
import http.server
import shutil
import statistics
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

_READY = "#status:has-text('Ready')"
_ANSWER = """async (photos) => {
  const { Classifier } = await import("./classifier.js");
  const classifier = await Classifier.load();
  const taken = [];
  for (const photo of photos) {
    const file = new Blob([Uint8Array.from(photo)]);
    const begun = performance.now();
    await classifier.answer(file);
    taken.push(performance.now() - begun);
  }
  return taken;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=10)
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.jpg"))[: arguments.photos + 1]
    size = sum(file.stat().st_size for file in arguments.page.rglob("*") if file.is_file())
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(arguments.page))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host, sync_playwright() as playwright:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(f"http://localhost:{host.server_port}/")
        opened.locator(_READY).wait_for(timeout=300_000)
        opened.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        context.set_offline(True)
        opened.reload()
        opened.locator(_READY).wait_for(timeout=300_000)
        opened.set_default_timeout(300_000)
        taken = opened.evaluate(_ANSWER, [list(file.read_bytes()) for file in files])
        browser.close()
        host.shutdown()
    print("| | |\n|---|---:|")
    print(f"| the folder, MB (at most 40) | {size / 1e6:.1f} |")
    print(f"| a photo, network off, ms | {statistics.median(taken[1:]):.0f} |")


if __name__ == "__main__":
    main()
