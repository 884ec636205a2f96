"""The providers that are set up, and through which of them the next attempts of a channel go.

Each provider has at most twenty requests under way, so that a slow one holds up nobody but itself: when its own are all
slow, the next attempts go through another of the same channel, and where there is none they wait while other channels go on.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from notifiers import weights
from notifiers.channel import Notifier
from notifiers.email import Email
from notifiers.notify import Notify
from notifiers.sms import Twilio
from notifiers.voice import Voice
from notifiers.webhook import Webhook
from notifiers.weights import Standing
from schemas.logs import logger
from schemas.pages import Channel
from schemas.settings import Settings

AT_ONCE = 20
"""Requests under way at one provider."""

SLOW = 1.5
"""Seconds after which a request under way is slow: then those that wait behind it take another way, if there is one."""


def set_up(settings: Settings) -> list[Notifier]:
    """The notifiers that can be used with these settings, each channel's first choice first. Raises BadSettings if one is half set."""
    found: list[Notifier] = []
    if settings.twilio_account_sid is not None:
        found += [Twilio(settings), Voice(settings)]
    if settings.notify_api_key is not None:
        found.append(Notify(settings))
    if settings.smtp_url is not None:
        found.append(Email(settings))
    if settings.webhook_urls is not None:
        found.append(Webhook(settings))
    there = {notifier.channel for notifier in found}
    for channel in (Channel.SMS, Channel.VOICE):
        if channel not in there:
            logger().warning("channel-not-set-up", channel=channel.value)
    return found


def names(settings: Settings) -> dict[Channel, list[str]]:
    """The same by channel and name, for who only asks in which order they stand."""
    sms = [Twilio.provider] * bool(settings.twilio_account_sid) + [Notify.provider] * bool(settings.notify_api_key)
    return {Channel.SMS: sms, Channel.VOICE: [Voice.provider] * bool(settings.twilio_account_sid)}


@dataclass(frozen=True, slots=True)
class Room:
    """What may be claimed now: up to `limit`; nothing of the channels in `full`; each place's provider, by channel."""

    limit: int
    full: tuple[Channel, ...]
    drawn: Mapping[Channel, Sequence[str]]


def _draw(names: Sequence[str], shares: Sequence[int]) -> str:
    return random.choices(names, shares)[0]  # noqa: S311 - no secret


@dataclass
class Providers:
    """Every notifier by channel and name, in the order of `set_up`, and how each stands."""

    notifiers: Iterable[Notifier]
    draw: Callable[[Sequence[str], Sequence[int]], str] = _draw
    seconds: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._by_channel: dict[Channel, dict[str, Notifier]] = {}
        for notifier in self.notifiers:
            self._by_channel.setdefault(notifier.channel, {})[notifier.provider] = notifier
        self.standings = {channel: weights.at_rest(list(there)) for channel, there in self._by_channel.items()}
        self._under_way: dict[tuple[Channel, str], dict[object, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_channel)

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(self._by_channel)

    def order(self, channel: Channel) -> list[str]:
        """The names of a channel's providers, the first choice first."""
        return list(self._by_channel.get(channel, ()))

    def get(self, channel: Channel, provider: str | None) -> Notifier | None:
        """This provider; the channel's first if it is not set up any more; None if the channel has none."""
        there = self._by_channel.get(channel, {})
        return there.get(provider or "") or next(iter(there.values()), None)

    def other(self, channel: Channel, provider: str | None) -> str | None:
        """Who is asked after this one has failed: the one that has most beside it. None if there is nobody else."""
        others = [one for one in self.standings.get(channel, []) if one.provider != provider]
        return max(others, key=lambda one: one.weight).provider if others else None

    def room(self) -> Room:
        """How much may be begun now, and through whom."""
        drawn = {channel: self._draw_all(channel) for channel in self._by_channel}
        full = tuple(channel for channel, names in drawn.items() if not names)
        return Room(min((len(names) for names in drawn.values() if names), default=0), full, drawn)

    def begin(self, channel: Channel, provider: str | None, what: object) -> None:
        """A request is under way, until `end`."""
        self._under_way.setdefault((channel, provider or ""), {})[what] = self.seconds()

    def end(self, channel: Channel, provider: str | None, what: object) -> None:
        self._under_way.get((channel, provider or ""), {}).pop(what, None)

    def stand(self, channel: Channel, standings: Iterable[Standing]) -> None:
        """As every process has agreed. Providers that are not set up here are left out, and those left share the whole."""
        known = {one.provider: one for one in standings}
        here = [known.get(one.provider, one) for one in self.standings[channel]]
        if not any(one.weight for one in here):
            here = weights.at_rest(self.order(channel))
        self.standings[channel] = here

    def has_failed(self, channel: Channel, provider: str) -> bool:
        """Was its last request an error?"""
        return any(one.failures for one in self.standings.get(channel, []) if one.provider == provider)

    async def close(self) -> None:
        for there in self._by_channel.values():
            for notifier in there.values():
                await notifier.close()

    def _draw_all(self, channel: Channel) -> list[str]:
        free = {name: AT_ONCE - len(self._under_way.get((channel, name), ())) for name in self._by_channel[channel]}
        shares = {one.provider: one.weight for one in self.standings[channel]}
        names: list[str] = []
        while len(names) < AT_ONCE:
            name = self.draw(list(shares), list(shares.values()))
            if free[name] <= 0:
                spare = [other for other in free if free[other] > 0]
                if not spare or not self._is_slow(channel, name):
                    break
                name = spare[0]
            names.append(name)
            free[name] -= 1
        return names

    def _is_slow(self, channel: Channel, provider: str) -> bool:
        begun = self._under_way.get((channel, provider), {})
        return bool(begun) and self.seconds() - min(begun.values()) > SLOW
