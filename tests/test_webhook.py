"""A team's chat: one signed message, to the address that was set and to no other."""

import asyncio
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from uuid import UUID

import pytest

from embedded.phone import Phone, phone_serving
from notifiers.channel import DeliveryError, Reason
from notifiers.webhook import SIGNATURE, Webhook, is_public, read_refusal, sign
from schemas.pages import Channel
from schemas.settings import BadSettings, Mode, Settings, read
from tests.pager_cast import NIGHT, PLAN, WEBHOOK_SECRET, Night, night

ATTEMPT = UUID(int=7)
CHATTED = [step.model_copy(update={"channels": (Channel.WEBHOOK,)}) for step in PLAN]


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url, every_channel=True) as begun:
        yield begun


def chat(urls: str, **more: str) -> Webhook:
    return Webhook(Settings.model_validate({"webhook_urls": urls, **more}), clock=lambda: NIGHT)


async def test_a_page_in_a_chat_is_delivered_at_once_and_has_no_link_that_accepts_for_one_person(story: Night) -> None:
    page, reference = await story.open_page(plan=CHATTED)

    await story.round()

    [said] = story.phone.chats
    assert said.text == (
        f"Nightlight {reference}: new moment at a custody suite (Islington team). "
        f"Whoever is on call, accept by text, by telephone or here: {story.settings.base_url}"
    )
    assert await story.states(page) == ["delivered"]
    labels = {"channel": "webhook", "provider": "chat"}
    assert story.count("nightlight_attempts_total", outcome="delivered", **labels) == 1
    assert story.count("nightlight_sent_to_delivered_seconds_count", **labels) == 1


async def test_what_is_posted_is_signed_over_its_time_and_its_body(story: Night) -> None:
    await story.open_page(plan=CHATTED)

    await story.round()

    [said] = story.phone.chats
    at = said.headers["x-nightlight-timestamp"]
    mac = hmac.new(WEBHOOK_SECRET.encode(), f"{at}.".encode() + said.body, hashlib.sha256).hexdigest()
    assert said.headers[SIGNATURE.lower()] == f"v1={mac}" == sign(said.body, int(at), WEBHOOK_SECRET)
    assert json.loads(said.body).keys() == {"text"}


async def test_a_team_has_its_own_chat_and_every_other_the_common_one() -> None:
    with phone_serving() as phone:
        notifier = chat(f"Islington north = {phone.url}/chat/north\n*={phone.url}/chat/all;")
        for team in ("Islington north", " Islington  north", "Camden"):
            await notifier.send(team, "Nightlight", attempt=ATTEMPT, valid_seconds=60)
        await notifier.close()

    assert [said.room for said in phone.chats] == ["north", "north", "all"]
    assert SIGNATURE.lower() not in phone.chats[0].headers


async def test_a_team_without_a_chat_is_told_of_as_a_channel_that_is_not_set_up() -> None:
    notifier = chat("Islington=http://127.0.0.1:1/chat")

    with pytest.raises(DeliveryError) as refused:
        await notifier.send("Camden", "Nightlight", attempt=ATTEMPT, valid_seconds=60)

    await notifier.close()
    assert (refused.value.reason, refused.value.permanent) == (Reason.CHANNEL_NOT_SET_UP, True)


@pytest.mark.parametrize(
    "value",
    [
        "Islington",
        "=https://hooks.example.com/x",
        "Islington=hooks.example.com",
        "Islington=ftp://hooks.example.com/x",
        "Islington=https://",
        "Islington=https://us:er@hooks.example.com/x",
    ],
)
def test_an_address_that_is_none_is_named_and_not_repeated(value: str) -> None:
    with pytest.raises(BadSettings, match="NIGHTLIGHT_WEBHOOK_URLS") as refused:
        read({"NIGHTLIGHT_WEBHOOK_URLS": value, "NIGHTLIGHT_MODE": "live"})

    assert "hooks" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "mode"),
    [("https://hooks.slack.com/services/x", "rehearsal"), ("http://hooks.example.com/x", "live")],
)
def test_a_rehearsal_names_no_real_chat_and_live_names_https_only(url: str, mode: str) -> None:
    with pytest.raises(BadSettings, match="WEBHOOK_URLS"):
        read({"NIGHTLIGHT_WEBHOOK_URLS": f"*={url}", "NIGHTLIGHT_MODE": mode})


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - refused, not bound to
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("::ffff:169.254.169.254", False),
        ("2002:7f00:0001::", False),
    ],
)
def test_our_own_network_is_never_asked(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "2130706433", "0x7f.1"])
async def test_live_an_address_of_our_own_network_is_refused_before_it_is_asked(host: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.setblocking(False)
        notifier = chat(f"*=https://{host}:{listening.getsockname()[1]}/x", mode=Mode.LIVE.value)

        with pytest.raises(DeliveryError) as refused:
            await notifier.send("Islington", "Nightlight", attempt=ATTEMPT, valid_seconds=60)

        await notifier.close()
        assert refused.value.reason in (Reason.NOT_ALLOWED, Reason.NOT_CONNECTED)
        with pytest.raises(BlockingIOError):
            listening.accept()


async def test_a_redirect_is_not_followed_and_an_answer_without_end_is_left() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if "/redirect" in head:
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            for _ in range(40):
                if writer.is_closing():
                    break
                writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    home = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    notifier = chat(f"Redirect={home}/redirect;*={home}/endless")

    problems = []
    for team in ("Redirect", "Endless"):
        with pytest.raises(DeliveryError) as refused:
            await notifier.send(team, "Nightlight", attempt=ATTEMPT, valid_seconds=60)
        problems.append((refused.value.reason, refused.value.certain))

    await notifier.close()
    server.close()
    assert problems == [(Reason.REFUSED, True), (Reason.PROVIDER_FAULT, False)]


@pytest.mark.parametrize(
    ("status", "certain"), [(301, True), (400, True), (404, True), (429, True), (500, False), (599, False)]
)
def test_every_status_is_read(status: int, certain: bool) -> None:
    assert read_refusal(status).certain is certain


def test_a_phone_that_has_no_chat_has_heard_nothing() -> None:
    assert Phone("AC", "token", "").chats == []
