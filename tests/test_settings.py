"""Settings: a missing or bad one stops the program with its name, and a secret never shows."""

from pathlib import Path

import pytest

from schemas.settings import BadSettings, Mode, read


def test_without_anything_set_it_is_a_rehearsal_on_this_machine() -> None:
    settings = read({})

    assert settings.mode is Mode.REHEARSAL
    assert settings.kafka is None
    assert settings.base_url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NIGHTLIGHT_MODE", "production"),
        ("NIGHTLIGHT_TWILIO_API", "api.twilio.com"),
        ("NIGHTLIGHT_PUBLIC_URL", "ftp://desk.example"),
        ("NIGHTLIGHT_LISTEN", "9191"),
        ("NIGHTLIGHT_LISTEN", "0.0.0.0:99999"),
        ("NIGHTLIGHT_KAFKA_PARTITIONS", "none"),
    ],
)
def test_a_bad_setting_is_named_and_its_value_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(BadSettings) as refused:
        read({name: value})

    assert name in str(refused.value)
    assert value not in str(refused.value).replace("http or https", "")


def test_a_missing_setting_that_a_command_needs_is_named() -> None:
    with pytest.raises(BadSettings, match="NIGHTLIGHT_DATABASE_URL is not set"):
        read({}).need("database_url")


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("sesame\n")

    settings = read({"NIGHTLIGHT_TWILIO_AUTH_TOKEN_FILE": str(path)})

    assert settings.need("twilio_auth_token") == "sesame"


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="NIGHTLIGHT_TWILIO_AUTH_TOKEN_FILE names "):
        read({"NIGHTLIGHT_TWILIO_AUTH_TOKEN_FILE": str(tmp_path / "nowhere")})


def test_a_secret_never_shows() -> None:
    settings = read({"NIGHTLIGHT_TWILIO_AUTH_TOKEN": "sesame", "NIGHTLIGHT_DATABASE_URL": "postgresql://u:sesame@h/d"})

    assert "sesame" not in repr(settings)
    assert "sesame" not in settings.model_dump_json()


def test_a_rehearsal_refuses_the_real_twilio() -> None:
    account = {"NIGHTLIGHT_TWILIO_ACCOUNT_SID": "AC0"}

    with pytest.raises(BadSettings, match="rehearsal"):
        read(account)

    assert read({**account, "NIGHTLIGHT_MODE": "live"}).mode is Mode.LIVE
    assert read({**account, "NIGHTLIGHT_TWILIO_API": "http://127.0.0.1:1"}).mode is Mode.REHEARSAL
