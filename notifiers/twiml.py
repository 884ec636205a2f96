"""Answers to Twilio in its own words: what it sends back in the same conversation, and what it says in a call."""

from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import Gather, VoiceResponse

LANGUAGE = "en-GB"
KEY_WITHIN = 6
"""Seconds for a key, after what is said."""
TIMES = 2
"""How often it is said: whoever has just woken has missed the first."""


def say(text: str | None) -> str:
    """A TwiML document that sends `text`; None sends nothing."""
    twiml = MessagingResponse()
    if text is not None:
        twiml.message(text)
    return str(twiml)


def ask(words: str, *, keys_to: str, goodbye: str) -> str:
    """Say this, twice, and send the first key that is pressed to `keys_to`; with none, say goodbye and hang up."""
    twiml = VoiceResponse()
    for _ in range(TIMES):
        gather = Gather(input="dtmf", num_digits=1, action=keys_to, method="POST", timeout=KEY_WITHIN)
        gather.say(words, language=LANGUAGE)
        twiml.append(gather)
    twiml.say(goodbye, language=LANGUAGE)
    twiml.hangup()
    return str(twiml)


def tell(words: str | None) -> str:
    """Say this and hang up; None only hangs up."""
    twiml = VoiceResponse()
    if words is not None:
        twiml.say(words, language=LANGUAGE)
    twiml.hangup()
    return str(twiml)
