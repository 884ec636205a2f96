"""The parts of FHIR R4 that we read, and nothing else of it: what is not here is passed over, whatever it holds.

Own models, and small: `fhir.resources` reads R5 unless told otherwise, and refuses encounters that hospitals send.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(max_length=2000)]
Few = Field(default=(), max_length=100)


class Part(BaseModel):
    """Reads what it knows and passes over the rest; an error never holds a value."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True, populate_by_name=True
    )


class Coding(Part):
    system: Text | None = None
    code: Text | None = None
    display: Text | None = None


class CodeableConcept(Part):
    coding: Annotated[tuple[Coding, ...], Few] = ()
    text: Text | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(coding.code for coding in self.coding if coding.code)


class Period(Part):
    start: Text | None = None
    end: Text | None = None


class Extension(Part):
    url: Text = ""
    concept: CodeableConcept | None = Field(default=None, alias="valueCodeableConcept")
    coding: Coding | None = Field(default=None, alias="valueCoding")

    @property
    def said(self) -> tuple[Coding, ...]:
        """Its codings, whichever of the two shapes it has."""
        return (*([self.coding] if self.coding else []), *(self.concept.coding if self.concept else ()))


class Identifier(Part):
    use: Text | None = None
    type: CodeableConcept = CodeableConcept()
    system: Text | None = None
    value: Text | None = None
    period: Period = Period()
    extension: Annotated[tuple[Extension, ...], Few] = ()


class Reference(Part):
    reference: Text | None = None
    identifier: Identifier | None = None
    display: Text | None = None


class Meta(Part):
    security: Annotated[tuple[Coding, ...], Few] = ()
    tag: Annotated[tuple[Coding, ...], Few] = ()
    last_updated: Text | None = Field(default=None, alias="lastUpdated")


class HumanName(Part):
    use: Text | None = None
    family: Text | None = None
    given: Annotated[tuple[Text | None, ...], Few] = ()
    period: Period = Period()


class Address(Part):
    use: Text | None = None
    line: Annotated[tuple[Text | None, ...], Few] = ()
    postal_code: Text | None = Field(default=None, alias="postalCode")
    period: Period = Period()


class Resource(Part):
    id: Text | None = None
    meta: Meta = Meta()


class Link(Part):
    other: Reference = Reference()
    type: Text | None = None


class Patient(Resource):
    identifier: Annotated[tuple[Identifier, ...], Few] = ()
    name: Annotated[tuple[HumanName, ...], Few] = ()
    gender: Text | None = None
    birth_date: Text | None = Field(default=None, alias="birthDate")
    address: Annotated[tuple[Address, ...], Few] = ()
    deceased: Annotated[bool, Field(strict=True)] = Field(default=False, alias="deceasedBoolean")
    died_at: Text | None = Field(default=None, alias="deceasedDateTime")
    link: Annotated[tuple[Link, ...], Few] = ()


class Place(Part):
    location: Reference = Reference()
    status: Text | None = None


class Hospitalization(Part):
    admit_source: CodeableConcept = Field(default=CodeableConcept(), alias="admitSource")
    special_courtesy: Annotated[tuple[CodeableConcept, ...], Few] = Field(default=(), alias="specialCourtesy")
    extension: Annotated[tuple[Extension, ...], Few] = ()


class Encounter(Resource):
    identifier: Annotated[tuple[Identifier, ...], Few] = ()
    status: Text
    class_: Coding = Field(alias="class")
    subject: Reference | None = None
    period: Period = Period()
    location: Annotated[tuple[Place, ...], Few] = ()
    hospitalization: Hospitalization = Hospitalization()
    service_type: CodeableConcept = Field(default=CodeableConcept(), alias="serviceType")
    service_provider: Reference = Field(default=Reference(), alias="serviceProvider")
    extension: Annotated[tuple[Extension, ...], Few] = ()


class Flag(Resource):
    """What is to be known of a patient before anything else. Of it we read whether it restricts them."""

    status: Text | None = None
    code: CodeableConcept = CodeableConcept()
    subject: Reference = Reference()


class Organisation(Resource):
    """An Organization or a Location: what we need of them is the same."""

    identifier: Annotated[tuple[Identifier, ...], Few] = ()
    name: Text | None = None
    managing: Reference = Field(default=Reference(), alias="managingOrganization")
    part_of: Reference = Field(default=Reference(), alias="partOf")


class MessageHeader(Resource):
    event: Coding | None = Field(default=None, alias="eventCoding")
    focus: Annotated[tuple[Reference, ...], Few] = ()
    response: dict[str, Any] | None = None


class Entry(Part):
    full_url: Text | None = Field(default=None, alias="fullUrl")
    resource: dict[str, Any]


class Bundle(Resource):
    type: Text
    timestamp: Text | None = None
    entry: Annotated[tuple[Entry, ...], Field(min_length=1, max_length=500)]


READ: dict[str, type[Resource]] = {
    "Patient": Patient,
    "Encounter": Encounter,
    "Flag": Flag,
    "Organization": Organisation,
    "Location": Organisation,
    "MessageHeader": MessageHeader,
}
"""By `resourceType`: every other resource may be there, and is not looked into."""
