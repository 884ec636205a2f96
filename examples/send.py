"""One A&E arrival, told to Nightlight, and told again until it is taken. Python's own library is all it needs.

Usage: NIGHTLIGHT_KEY=nl_... python send.py https://nightlight.example SOURCE
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime

PATIENCE = 8
"""Tries. A real sender keeps the event on disk and never gives up."""


def arrival(source: str) -> dict:
    """What the hospital knows, as a CloudEvent. The id is ours, and stays the same however often it is sent."""
    name, now = f"example-{uuid.uuid4()}", datetime.now(UTC).isoformat()
    person = {
        "family_name": "Example",
        "given_name": "Robin",
        "date_of_birth": "2010-03-14",
        "nhs_number": "9990000018",
    }
    return {
        "specversion": "1.0",
        "id": name,
        "source": source,
        "type": "nightlight.admission.v1",
        "time": now,
        "authority": "E09000019",
        "data": {"attendance": name, "site": "RXX01", "arrived_at": now, "person": person},
    }


def send(gateway: str, key: str, event: dict) -> dict:
    """Return the answer once it is 202. Raises SystemExit with what is wrong with the event."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents+json"}
    request = urllib.request.Request(f"{gateway}/v1/events", json.dumps(event).encode(), headers)
    for attempt in range(PATIENCE):
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            if refusal.code not in (429, 500, 502, 503, 504):
                raise SystemExit(f"Refused: {refusal.read().decode()}") from None
            time.sleep(float(refusal.headers.get("Retry-After", 2**attempt)))
        except (urllib.error.URLError, TimeoutError):
            time.sleep(min(2**attempt, 30))
    raise SystemExit("Not taken yet: keep it, and send it again with the same id.")


if __name__ == "__main__":
    print(json.dumps(send(sys.argv[1].rstrip("/"), os.environ["NIGHTLIGHT_KEY"], arrival(sys.argv[2]))))
