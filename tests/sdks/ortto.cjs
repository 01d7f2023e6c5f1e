// Drives both of Segment's destinations that speak to Weir, as they are published, the way Segment
// does: associates audiences, and sends batches.
// FOLDER (of the package) KEY AUDIENCE PEOPLE; the way to Weir is in ORTTO_LOCAL_ENDPOINT.
const path = require("node:path");
const { Destination, defaultValues } = require("@segment/actions-core");

const [folder, apiKey, audienceName, count] = process.argv.slice(2);
const people = Number(count);
const settings = { api_key: apiKey };
const definition = (name) => require(path.join(folder, "dist/destinations", name)).default;

function identify(number, over) {
  const userId = `segment-${number}`;
  return {
    type: "identify",
    userId,
    messageId: `message-${over.id}-${number}`,
    timestamp: new Date(Date.now() - over.ago).toISOString(),
    traits: { firstName: `S${number}`, email: `${userId}@example.org`, ...over.traits },
    context: over.context ?? {},
  };
}

const all = (over) => Array.from({ length: people }, (_, number) => identify(number, over));

async function send(destination, action, events, more = {}) {
  const mapping = { ...defaultValues(definition(destination.name).actions[action].fields), ...more };
  const results = await destination.is.executeBatch(action, { events, mapping, settings });
  return results.map((result) => result.status);
}

const tell = (what, value) => console.log(JSON.stringify({ [what]: value }));

async function audiences() {
  const destination = { name: "ortto-audiences", is: new Destination(definition("ortto-audiences")) };
  await destination.is.testAuthentication(settings);
  const created = await destination.is.createAudience({ settings, audienceName });
  const again = await destination.is.createAudience({ settings, audienceName });
  const found = await destination.is.getAudience({ settings, externalId: created.externalId });
  tell("created", [created.externalId, again.externalId, found.externalId]);
  const personas = {
    computation_class: "audience",
    computation_key: "big_spender",
    external_audience_id: created.externalId,
  };
  const context = { personas };
  const join = all({ id: "join", ago: 9000, traits: { big_spender: true }, context });
  tell("joined", await send(destination, "syncAudience", join));
  const leave = identify(0, { id: "leave", ago: 8000, traits: { big_spender: false }, context });
  tell("left", await send(destination, "syncAudience", [leave]));
  const nowhere = { ...personas, external_audience_id: "0197e2a4-6f00-7c3a-8d51-2b9e4f7a1c04" };
  const lost = identify(1, { id: "lost", ago: 7000, traits: { big_spender: true }, context: { personas: nowhere } });
  tell("lost", await send(destination, "syncAudience", [lost]));
}

async function actions() {
  const destination = { name: "ortto", is: new Destination(definition("ortto")) };
  await destination.is.testAuthentication(settings);
  // As when the mapping is saved with an audience's name.
  const action = destination.is.actions.upsertContactProfile;
  const associated = await action.executeHook("onMappingSave", {
    settings,
    hookInputs: { audience_name: `${audienceName} by hand` },
    payload: {},
  });
  tell("associated", associated.savedData);
  const onMappingSave = { inputs: {}, outputs: associated.savedData };
  const add = { audience_update_mode: "add", onMappingSave };
  const events = all({ id: "upsert", ago: 6000 });
  tell("upserted", await send(destination, "upsertContactProfile", events, add));
  const tracks = all({ id: "track", ago: 5000 }).map((event) => ({
    ...event,
    type: "track",
    event: "Sign-in button clicked",
    properties: { action: "x", count: 1 },
  }));
  const remove = { audience_update_mode: "remove", onMappingSave };
  tell("tracked", await send(destination, "trackActivity", tracks.slice(0, 2), remove));
}

audiences()
  .then(actions)
  .then(() => console.log("done"))
  .catch((error) => {
    console.log(`${error.stack} ${JSON.stringify(error.response?.data)}`);
    process.exit(1);
  });
