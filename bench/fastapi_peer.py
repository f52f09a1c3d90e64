"""A collector of the usual kind: FastAPI, a queue in memory, and a task that sends to Kafka.

    python -m uvicorn fastapi_peer:app --port PORT      (BENCH_KAFKA names the broker)

An event is answered when it is in the queue: whoever kills the process loses the queue.
"""

import asyncio
import contextlib
import io
import json
import os
import uuid

import fastavro
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from fastapi import FastAPI, HTTPException, Request

BATCH, PAUSE, CAPACITY = 100, 5.0, 100_000
SCHEMA = fastavro.parse_schema(json.load(open(os.environ["BENCH_SCHEMA"])))
queue = asyncio.Queue(CAPACITY)
sent = 0


def packed(events):
    records = []
    for event in events:
        event["payload"] = json.dumps(event.get("payload"))
        records.append(event)
    message = io.BytesIO()
    fastavro.writer(message, SCHEMA, records)
    return message.getvalue()


async def send(producer):
    global sent
    while True:
        batch = [await queue.get()]
        with contextlib.suppress(asyncio.TimeoutError):
            while len(batch) < BATCH:
                batch.append(await asyncio.wait_for(queue.get(), PAUSE) if queue.empty() else queue.get_nowait())
        # What is larger than a message may be is lost, and the next batch goes on.
        with contextlib.suppress(KafkaError):
            await producer.send_and_wait("bench_fastapi", packed(batch))
            sent += len(batch)


@contextlib.asynccontextmanager
async def lifespan(_):
    admin = AIOKafkaAdminClient(bootstrap_servers=os.environ["BENCH_KAFKA"])
    await admin.start()
    # Where it is there already, that is told and not raised.
    await admin.create_topics([NewTopic("bench_fastapi", num_partitions=3, replication_factor=1)])
    await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["BENCH_KAFKA"], acks="all", max_request_size=8 << 20
    )
    await producer.start()
    task = asyncio.create_task(send(producer))
    yield
    task.cancel()
    await producer.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/collect")
async def collect(request: Request):
    try:
        event = json.loads(await request.body())
    except ValueError:
        raise HTTPException(400, "no JSON") from None
    event["trace_id"] = str(uuid.uuid4())
    try:
        queue.put_nowait(event)
    except asyncio.QueueFull:
        raise HTTPException(503, "full") from None
    return {"status": "accepted", "event_id": event["trace_id"]}


@app.get("/sent")
async def told():
    return {"sent": sent, "waiting": queue.qsize()}
