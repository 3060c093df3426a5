"""A headless Chromium, driven over the WebDriver protocol: enough to visit pages and to see what went wrong in them."""
import json
import shutil
import subprocess
import time
import urllib.request

DRIVERS = ("chromedriver", "chromium-driver")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def first_of(names):
    return next((path for path in map(shutil.which, names) if path), None)


def why_not():
    """What is missing for a browser, or nothing."""
    if not first_of(BROWSERS) or not first_of(DRIVERS):
        return "there is no chromium with its driver (Debian: chromium chromium-driver)"
    return None


class Browser:
    def __init__(self, folder):
        options = {"binary": first_of(BROWSERS),
                   "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            "--window-size=1600,1200", f"--user-data-dir={folder / 'browser'}"]}
        self.log = open(folder / "driver.log", "w+", encoding="utf-8")  # pylint: disable=consider-using-with
        self.driver = subprocess.Popen([first_of(DRIVERS), "--port=0"], stdout=self.log, stderr=subprocess.STDOUT)
        self.address = f"http://127.0.0.1:{self.port()}"
        capabilities = {"alwaysMatch": {"goog:chromeOptions": options,
                                        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}
        self.session = self.ask("POST", "/session", {"capabilities": capabilities})["sessionId"]
        self.urls = {}  # of requests, by their ids

    def port(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with open(self.log.name, encoding="utf-8") as log:
                for line in log:
                    if "on port " in line and "started successfully" in line:
                        return int(line.rsplit("on port ", 1)[1].strip().rstrip("."))
            time.sleep(0.05)
        raise RuntimeError("the browser's driver does not start")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        try:
            self.ask("DELETE", f"/session/{self.session}")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.log.close()

    def ask(self, method, path, body=None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())["value"]

    def of_session(self, method, path, body=None):
        return self.ask(method, f"/session/{self.session}{path}", body)

    def visit(self, url):
        self.of_session("POST", "/url", {"url": url})

    def run(self, script):
        return self.of_session("POST", "/execute/sync", {"script": script, "args": []})

    def click(self, text):
        """The innermost element that shows this text and nothing else; false when there is none."""
        return self.run("""
const found = [...document.querySelectorAll('a, button, span, td, div')].filter(e => e.innerText?.trim() == %s);
found.at(-1)?.click();
return found.length > 0;""" % json.dumps(text))

    def text(self):
        return self.run("return document.body.innerText")

    def errors(self):
        """What has gone wrong in pages since the last call: messages of the console, answers that are no success, requests
        without an answer. The browser's own requests count for nothing."""
        found = [f"console: {entry['message']}" for entry in self.of_session("POST", "/se/log", {"type": "browser"})
                 if entry["level"] == "SEVERE"]
        urls = self.urls
        for entry in self.of_session("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            what, about = message["method"], message["params"]
            if what == "Network.requestWillBeSent":
                urls[about["requestId"]] = f"{about['request']['method']} {about['request']['url']}"
            elif what == "Network.responseReceived" and about["response"]["status"] >= 400:
                found.append(f"{about['response']['status']}: {urls.get(about['requestId'], about['response']['url'])}")
            elif what == "Network.loadingFailed" and not about.get("canceled") and about["requestId"] in urls:
                found.append(f"{about['errorText']}: {urls[about['requestId']]}")
        return found
