"""Tells of so many people through Segment's SDK for Python, and ends once all of it is delivered.

HOST WRITE_KEY PEOPLE
"""

import sys
import time

from segment.analytics.client import Client

host, write_key, count = sys.argv[1:]
failed = []
# It takes some six seconds, so that an outage falls into it.
rest = max(0.005, 30 / int(count))
client = Client(
    write_key=write_key,
    host=host,
    gzip=True,
    upload_size=20,
    upload_interval=0.1,
    max_retries=100,
    timeout=5,
    on_error=lambda error, _items: failed.append(str(error)),
)
for number in range(int(count)):
    user = f"python-{number}"
    traits = {"firstName": f"P{number}", "email": f"{user}@example.org"}
    client.identify(user_id=user, traits=traits)
    properties = {"action": "x", "count": number}
    client.track(user_id=user, event="Sign-in button clicked", properties=properties)
    if number % 5 == 4:
        time.sleep(rest)
client.page(user_id="python-0", name="Home")
client.group(user_id="python-0", group_id="g")
client.alias(previous_id="before", user_id="python-0")
client.flush()
client.shutdown()
if failed:
    print(f"{len(failed)} failed, {failed[0]}")
    sys.exit(1)
print("delivered")
