// Tells of so many people through Segment's SDK for browsers, in a headless Chromium, and ends once
// all of it is delivered. HOST WRITE_KEY PEOPLE; the page is of the origin http://localhost:PAGE_PORT.
const { spawn } = require("node:child_process");
const { createServer } = require("node:http");
const { mkdtempSync, readFileSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { basename, dirname, join } = require("node:path");

const [host, writeKey, count] = process.argv.slice(2);
const port = Number(process.env.PAGE_PORT);
const sdk = join(dirname(require.resolve("@segment/analytics-next/package.json")), "dist", "umd");

// What runs in the browser. An answer of 200 is what the SDK takes for delivered; it says so to
// nobody, so the page listens to what the SDK's own calls are answered.
function page(host, writeKey, people) {
  const delivered = new Set();
  let again = 0;
  const plain = window.fetch.bind(window);
  window.fetch = async (url, options) => {
    const answer = await plain(url, options);
    if (options?.method?.toUpperCase() === "POST" && String(url).startsWith(host)) {
      if (answer.status === 200) delivered.add(JSON.parse(options.body).messageId);
      else again += 1;
    }
    return answer;
  };
  const { AnalyticsBrowser } = window.AnalyticsNext;
  const { host: apiHost } = new URL(host);
  const analytics = AnalyticsBrowser.load(
    { writeKey, cdnURL: host },
    { integrations: { "Segment.io": { apiHost: `${apiHost}/v1`, protocol: "http" } } },
  );
  const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
  const say = (text) => plain("/said", { method: "POST", body: text });
  (async () => {
    for (let number = 0; number < people; number += 1) {
      const userId = `browser-${number}`;
      await analytics.reset();
      analytics.identify(userId, { firstName: `B${number}`, email: `${userId}@example.org` });
      analytics.track("Sign-in button clicked", { action: "x", count: number });
      await pause(Math.max(5, 6_000 / people));
    }
    analytics.page("Home");
    analytics.group("g");
    analytics.alias("after", "before");
    const wanted = 2 * people + 3;
    while (delivered.size < wanted) {
      await say(`${delivered.size} of ${wanted}`);
      await pause(500);
    }
    await say(`delivered, ${again} answers told it to come again`);
  })().catch((error) => say(`failed: ${error.stack}`));
}

const html = `<!doctype html><title>A shop</title><script src="/index.js"></script>
<script>(${page})(${[host, writeKey, Number(count)].map((one) => JSON.stringify(one)).join(", ")})</script>`;

const profile = mkdtempSync(join(tmpdir(), "weir-browser-"));
let browser;

function end(text, code) {
  console.log(text);
  browser.once("exit", () => {
    try {
      rmSync(profile, { recursive: true, force: true });
    } catch (error) {
      // Its children may still write there for a moment; what it was about is done.
      console.error(`${profile} is left there: ${error.code}`);
    }
    process.exit(code);
  });
  // With its children.
  process.kill(-browser.pid, "SIGKILL");
}

const server = createServer((request, response) => {
  if (request.url === "/said") {
    let text = "";
    request.on("data", (part) => (text += part));
    request.on("end", () => {
      response.end();
      if (text.startsWith("delivered")) end(text, 0);
      else if (text.startsWith("failed")) end(text, 1);
      else console.error(text);
    });
    return;
  }
  if (request.url === "/") {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(html);
    return;
  }
  try {
    const script = readFileSync(join(sdk, basename(request.url)));
    response.setHeader("content-type", "text/javascript");
    response.end(script);
  } catch {
    response.statusCode = 404;
    response.end();
  }
});

server.listen(port, "127.0.0.1", () => {
  const flags = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    `--user-data-dir=${profile}`,
    `http://localhost:${port}/`,
  ];
  browser = spawn(process.env.CHROMIUM, flags, {
    stdio: ["ignore", "ignore", "inherit"],
    detached: true,
  });
});
