"""The floor: what the same hops cost with nothing of ours in them, on the same broker and database, in the same run.

Twice through the broker (produce with acks=all, fetch), one database commit, one HTTP request. An event that is not about
a watched child goes through the broker once and ends, as ours do.
"""

import asyncio
import json
import sys
import time

import aiokafka
import httpx2
import psycopg

FIRST, SECOND = "floor.first", "floor.second"


async def work(kafka: str, database: str, url: str) -> None:
    """Run the hops until stdin closes. Prints `ready` once it consumes."""
    consumer = aiokafka.AIOKafkaConsumer(
        FIRST, SECOND, bootstrap_servers=kafka, auto_offset_reset="latest", group_id=None
    )
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=0)
    await consumer.start()
    await producer.start()
    async with (
        httpx2.AsyncClient() as http,
        await psycopg.AsyncConnection.connect(database, autocommit=True) as connection,
    ):
        await connection.execute("CREATE TABLE IF NOT EXISTS floor (id text)")
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        async for record in consumer:
            if record.topic == FIRST:
                if json.loads(record.value)["watched"]:
                    await producer.send_and_wait(SECOND, record.value)
                continue
            name = json.loads(record.value)["id"]
            await connection.execute("INSERT INTO floor VALUES (%s)", (name,))
            form = {"Body": name, "To": "+447700900001", "From": "+447700900999"}
            await http.post(f"{url}/2010-04-01/Accounts/AC0/Messages.json", data=form, timeout=5)


async def produce(kafka: str, rate: float, seconds: float, watched_every: int) -> dict[str, float]:
    """Send events at `rate` a second; returns id → time at which Kafka confirmed it, for the watched ones."""
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=0)
    await producer.start()
    confirmed: dict[str, float] = {}

    async def one(number: int) -> None:
        watched = number % watched_every == 0
        value = json.dumps({"id": f"{rate:.0f}-{number}", "watched": watched}).encode()
        await producer.send_and_wait(FIRST, value)
        if watched:
            confirmed[f"{rate:.0f}-{number}"] = time.time()

    began, count, running = time.perf_counter(), 0, set()
    while count / rate < seconds:
        await asyncio.sleep(max(0.0, began + count / rate - time.perf_counter()))
        task = asyncio.create_task(one(count))
        running.add(task)
        task.add_done_callback(running.discard)
        count += 1
    await asyncio.gather(*running)
    await producer.stop()
    return confirmed


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:4]))
