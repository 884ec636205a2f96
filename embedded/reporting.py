"""What goes on after a provider has answered: receipts on their way, and telephones that ring."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any

from embedded.network import Phone, Text

E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class Reporting:
    """Receipts and calls under way, while whoever asked for them has their answer already."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._tasks: set[asyncio.Task[None]] = set()

    async def report(self, text: Text, *, early: bool) -> None:
        """Every receipt of a text: before the answer, or after."""
        if early:
            await self._phone.report(text)
            return
        self.later(self._phone.report(text))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
