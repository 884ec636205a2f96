"""The answer to a reply, in Twilio's words: Twilio sends it, in the same conversation."""

from twilio.twiml.messaging_response import MessagingResponse


def say(text: str | None) -> str:
    """A TwiML document that sends `text`; None sends nothing."""
    twiml = MessagingResponse()
    if text is not None:
        twiml.message(text)
    return str(twiml)
