#!/bin/sh
# One A&E arrival as a FHIR R4 message. Usage: NIGHTLIGHT_KEY=nl_... ./send_fhir.sh https://nightlight.example SOURCE
set -eu
gateway=$1 source=$2
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
id=example-$(date +%s)-$$

curl --fail-with-body --silent --show-error --retry 8 --retry-connrefused --max-time 15 \
    --header "Authorization: Bearer $NIGHTLIGHT_KEY" \
    --header "Content-Type: application/fhir+json" \
    --data @- "$gateway/fhir/\$process-message" <<JSON
{
  "resourceType": "Bundle",
  "type": "message",
  "identifier": {"value": "$id"},
  "timestamp": "$now",
  "entry": [
    {"resource": {
      "resourceType": "MessageHeader",
      "eventCoding": {"system": "https://fhir.nhs.uk/CodeSystem/message-event", "code": "encounter-start"},
      "source": {"endpoint": "$source"},
      "focus": [{"reference": "urn:uuid:encounter"}]
    }},
    {"fullUrl": "urn:uuid:encounter", "resource": {
      "resourceType": "Encounter",
      "identifier": [{"value": "$id"}],
      "status": "arrived",
      "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER"},
      "subject": {"reference": "urn:uuid:patient"},
      "period": {"start": "$now"},
      "serviceProvider": {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RXX01"}}
    }},
    {"fullUrl": "urn:uuid:patient", "resource": {
      "resourceType": "Patient",
      "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
      "name": [{"use": "official", "family": "Example", "given": ["Robin"]}],
      "birthDate": "2010-03-14"
    }}
  ]
}
JSON
echo
