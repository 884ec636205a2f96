#!/bin/sh
# One arrest, told to Nightlight. Usage: NIGHTLIGHT_KEY=nl_... ./send.sh https://nightlight.example SOURCE
set -eu
gateway=$1 source=$2
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
id=example-$(date +%s)-$$

# --retry sends it again when the answer is 429 or 503, or none comes: the same id counts once.
curl --fail-with-body --silent --show-error --retry 8 --retry-connrefused --max-time 15 \
    --header "Authorization: Bearer $NIGHTLIGHT_KEY" \
    --header "Content-Type: application/cloudevents+json" \
    --data @- "$gateway/v1/events" <<JSON
{
  "specversion": "1.0",
  "id": "$id",
  "source": "$source",
  "type": "nightlight.arrest.v1",
  "time": "$now",
  "authority": "E09000019",
  "data": {
    "custody_record": "$id",
    "force": "Example Police",
    "suite": "Example suite",
    "person": {"family_name": "Example", "given_name": "Robin", "date_of_birth": "2010-03-14", "postcode": "N1 1AA"}
  }
}
JSON
echo
