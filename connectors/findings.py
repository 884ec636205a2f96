"""What pydantic found wrong, as a sender may read it: where, and what to do, without a value or a key of theirs."""

from collections.abc import Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from connectors.problems import Finding

_UNKNOWN: Final = "extra_forbidden"
_OWN_WORDS: Final = {
    "missing": "is required",
    "model_type": "must be a JSON object",
    "tuple_type": "must be a JSON list",
    "timezone_aware": "write the offset too, for example +00:00 or Z",
}


def findings(problem: ValidationError, model: type[BaseModel], where: str) -> list[Finding]:
    """One for each thing wrong, in the model's order, none twice. `where` is the path of the model itself."""
    found = []
    for error in problem.errors(include_url=False, include_input=False, include_context=False):
        place: Sequence[int | str] = error["loc"]
        if error["type"] == _UNKNOWN:
            # The key is the sender's own words, and may be a name: say where it is, and what may be there.
            path, message = place[:-1], f"holds an unknown field; it may hold {_known(model, place[:-1])}"
        else:
            path, message = place, _OWN_WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
        found.append(Finding(path=where + _written(path, first=not where), message=message))
    return list(dict.fromkeys(found))


def _written(place: Sequence[int | str], *, first: bool) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") if first else text


def _known(model: type[BaseModel], place: Sequence[int | str]) -> str:
    """The names of the fields at `place`."""
    for part in place:
        if isinstance(part, str):
            model = _model_of(model.model_fields[part].annotation) or model
    return ", ".join(model.model_fields) or "nothing"


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
