"""Mails: what is in one, that it goes over TLS, and that a failure before it is handed over is certain."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from embedded.mail import Server, smtp_serving
from embedded.phone import Phone
from notifiers.channel import DeliveryError, Reason
from notifiers.email import CODES, Email, read_refusal
from schemas.pages import Channel
from schemas.settings import Settings
from tests.pager_cast import PLAN, Night, night

ADA = "ada@example.org"
ATTEMPT = UUID(int=7)
MAILED = [step.model_copy(update={"channels": (Channel.EMAIL,)}) for step in PLAN]


@pytest.fixture
def phone() -> Phone:
    return Phone("AC", "token", "")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `localhost`, signed by itself: a file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trust(certificate: Path) -> Callable[[], ssl.SSLContext]:
    return lambda: ssl.create_default_context(cafile=str(certificate))


def mailer(url: str, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context, **more: str) -> Email:
    given = {"smtp_url": url, "public_url": "https://nightlight.islington.gov.uk", **more}
    return Email(Settings.model_validate(given), trust=trust)


async def test_a_mail_says_what_a_text_says_and_comes_from_us(phone: Phone) -> None:
    with smtp_serving(phone) as port:
        accepted = await mailer(f"smtp://localhost:{port}").send(
            ADA, "Nightlight K7Q4: new moment at a café", attempt=ATTEMPT, valid_seconds=60
        )

    [mail] = phone.mails
    assert (mail.to, mail.sender, mail.subject) == (ADA, "nightlight@nightlight.islington.gov.uk", "Nightlight K7Q4")
    assert mail.text == "Nightlight K7Q4: new moment at a café"
    assert mail.message["Message-ID"] == accepted.provider_id == f"<{ATTEMPT}@nightlight.islington.gov.uk>"
    assert mail.message["Auto-Submitted"] == "auto-generated"


async def test_over_tls_from_the_beginning_with_a_name_and_a_password(
    phone: Phone, server_side: ssl.SSLContext, trust: Callable[[], ssl.SSLContext]
) -> None:
    how = Server(server_side, implicit=True, user=("us:er", "p@ss word"))
    with smtp_serving(phone, server=how) as port:
        await mailer(f"smtps://us%3Aer:p%40ss%20word@localhost:{port}", trust).send(
            ADA, "Nightlight", attempt=ATTEMPT, valid_seconds=60
        )

    assert [(mail.encrypted, mail.user) for mail in phone.mails] == [(True, "us:er")]


async def test_over_tls_after_starttls_wherever_it_is_offered(
    phone: Phone, server_side: ssl.SSLContext, trust: Callable[[], ssl.SSLContext]
) -> None:
    with smtp_serving(phone, server=Server(server_side)) as port:
        await mailer(f"smtp://localhost:{port}", trust).send(ADA, "Nightlight", attempt=ATTEMPT, valid_seconds=60)

    assert [mail.encrypted for mail in phone.mails] == [True]


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_certificate_that_we_do_not_trust_ends_it(
    phone: Phone, server_side: ssl.SSLContext, implicit: bool
) -> None:
    with (
        smtp_serving(phone, server=Server(server_side, implicit=implicit)) as port,
        pytest.raises(DeliveryError) as refused,
    ):
        await mailer(f"smtp{'s' * implicit}://localhost:{port}").send(
            ADA, "Nightlight", attempt=ATTEMPT, valid_seconds=60
        )

    assert (refused.value.reason, refused.value.certain, phone.mails) == (Reason.NOT_CONNECTED, True, [])


async def test_live_a_server_that_offers_no_tls_is_not_given_the_mail(phone: Phone) -> None:
    with smtp_serving(phone) as port, pytest.raises(DeliveryError) as refused:
        # 127.0.0.1 is a stand-in, and 0.0.0.0 is the same machine by a name that is none.
        await mailer(f"smtp://0.0.0.0:{port}", mode="live").send(ADA, "Nightlight", attempt=ATTEMPT, valid_seconds=60)

    assert (refused.value.reason, refused.value.permanent, phone.mails) == (Reason.NOT_ALLOWED, True, [])


async def test_a_wrong_password_is_an_account_that_is_wrong(phone: Phone) -> None:
    with smtp_serving(phone, server=Server(user=("us", "right"))) as port, pytest.raises(DeliveryError) as refused:
        await mailer(f"smtp://us:wrong@localhost:{port}").send(ADA, "Nightlight", attempt=ATTEMPT, valid_seconds=60)

    assert (refused.value.reason, refused.value.code) == (Reason.NOT_ALLOWED, "535")


@pytest.fixture
def mute() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken: list[socket.socket] = []
        threading.Thread(target=lambda: taken.append(listening.accept()[0]), daemon=True).start()
        yield listening.getsockname()[1]
        for one in taken:
            one.close()


async def test_a_server_that_never_greets_us_has_certainly_not_taken_it(mute: int) -> None:
    with pytest.raises(DeliveryError) as refused:
        await mailer(f"smtp://localhost:{mute}").send(ADA, "Nightlight", attempt=ATTEMPT, valid_seconds=60)

    assert (refused.value.reason, refused.value.certain) == (Reason.NO_ANSWER, True)


@pytest.mark.parametrize(
    ("public_url", "sender"),
    [("http://127.0.0.1:8081", "nightlight@localhost"), ("https://n1.gov.uk", "nightlight@n1.gov.uk")],
)
async def test_the_sender_is_of_our_own_domain_unless_it_is_set(phone: Phone, public_url: str, sender: str) -> None:
    with smtp_serving(phone) as port:
        for more in ({}, {"smtp_from": "duty@example.org"}):
            await mailer(f"smtp://localhost:{port}", public_url=public_url, **more).send(
                ADA, "Nightlight", attempt=ATTEMPT, valid_seconds=60
            )

    assert [mail.sender for mail in phone.mails] == [sender, "duty@example.org"]


@pytest.mark.parametrize("code", [*CODES, 499, 555, 354, 999])
def test_every_code_is_certain_even_one_that_is_new_to_us(code: int) -> None:
    assert read_refusal(code).certain
    assert read_refusal(code).code == str(code)


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url, every_channel=True) as begun:
        yield begun


async def test_a_page_by_mail_has_a_link_and_no_word_about_replying_and_nobody_takes_it_for_read(story: Night) -> None:
    page, reference = await story.open_page(plan=MAILED)

    await story.round()

    [mail] = story.phone.mails
    assert (mail.to, mail.subject) == (ADA, f"Nightlight {reference}")
    assert f"{story.settings.base_url}/p/" in mail.text
    assert "Reply 1" not in mail.text
    assert await story.states(page) == ["sent"]
    await story.rounds(62, every=2)
    assert [one.person for one in await story.attempts(page)] == ["ada", "ben"]


async def test_who_has_opted_out_of_texts_can_still_be_written_to(story: Night) -> None:
    await story.phone.reply("+447700900001", "STOP")
    await story.open_page(plan=MAILED)

    await story.round()

    assert [mail.to for mail in story.phone.mails] == [ADA]
