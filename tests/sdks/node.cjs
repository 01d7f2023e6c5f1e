// Tells of so many people through Segment's SDK for Node, and ends once all of it is delivered.
// HOST WRITE_KEY PEOPLE
const { setTimeout: pause } = require("node:timers/promises");
const { Analytics } = require("@segment/analytics-node");

const [host, writeKey, count] = process.argv.slice(2);
const people = Number(count);
// It takes some six seconds, so that an outage falls into it.
const rest = Math.max(5, 30_000 / people);

async function main() {
  const analytics = new Analytics({
    writeKey,
    host,
    flushAt: 20,
    flushInterval: 100,
    maxRetries: 100,
    httpRequestTimeout: 5000,
  });
  let again = 0;
  const failed = [];
  analytics.on("http_response", (response) => {
    if (response.status !== 200) again += 1;
  });
  const done = (error) => error && failed.push(String(error));
  for (let number = 0; number < people; number += 1) {
    const userId = `node-${number}`;
    const traits = { firstName: `N${number}`, email: `${userId}@example.org` };
    analytics.identify({ userId, traits }, done);
    analytics.track(
      { userId, event: "Sign-in button clicked", properties: { action: "x", count: number } },
      done,
    );
    if (number % 5 === 4) await pause(rest);
  }
  analytics.page({ userId: "node-0", name: "Home" }, done);
  analytics.group({ userId: "node-0", groupId: "g" }, done);
  analytics.alias({ userId: "node-0", previousId: "before" }, done);
  await analytics.closeAndFlush({ timeout: 200_000 });
  if (failed.length > 0) {
    console.log(`${failed.length} failed, ${failed[0]}`);
    process.exit(1);
  }
  console.log(`delivered, ${again} answers told it to come again`);
}

main();
